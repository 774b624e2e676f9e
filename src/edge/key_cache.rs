//! RSA keys between builds: one sealed file a key, in `secrets/cache/`.
//!
//! Whatever is wrong with the cache costs time only: an entry that cannot be read, opened or written is a warning, and
//! the key is derived.

use super::identity::open_sealed;
use crate::pki::KeyCache;
use crate::secret::{Identities, Recipient, seal};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tracing::warn;
use zeroize::Zeroizing;

/// A folder of files sealed to the same recipients as the root secret.
pub struct SealedKeyCache {
    directory: PathBuf,
    identities: Identities,
    recipients: Vec<Recipient>,
}

impl SealedKeyCache {
    /// `identities` open the entries; they are sealed to `recipients`, or to the identities' own public keys where
    /// that is empty. The folder is made with the first entry.
    pub fn new(directory: &Path, identities: Identities, recipients: Vec<Recipient>) -> Self {
        let recipients = if recipients.is_empty() { identities.recipients() } else { recipients };
        Self { directory: directory.to_owned(), identities, recipients }
    }

    /// A flat file name: `etcd-server+kubi-controller-01.1.rsa-4096.age`.
    fn path(&self, name: &str) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '+' };
        self.directory.join(format!("{}.age", name.chars().map(plain).collect::<String>()))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        let sealed = seal(&path.display().to_string(), bytes, &self.recipients)?;
        fs::create_dir_all(&self.directory)?;
        // Renamed into place, so that a killed build leaves no half file and two builds do not mix.
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(sealed.as_bytes())?;
        file.persist(path)?;
        Ok(())
    }
}

impl KeyCache for SealedKeyCache {
    fn get(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        let path = self.path(name);
        if !path.exists() {
            return None;
        }
        match open_sealed(&path, &self.identities) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.ignored(name, &error.to_string());
                None
            }
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        if let Err(error) = self.write(&path, bytes) {
            warn!("{} is not written, so the next build makes this key again: {error}", path.display());
        }
    }

    fn ignored(&self, name: &str, reason: &str) {
        warn!("{} is ignored and this key made again: {reason}", self.path(name).display());
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::new_identity;
    use super::*;
    use crate::pki::Keys;
    use crate::secret::RootSecret;
    use crate::spec::Pki;

    fn cache(directory: &Path, identity: &str) -> SealedKeyCache {
        let mut identities = Identities::default();
        identities.add("test", identity).unwrap();
        SealedKeyCache::new(directory, identities, vec![])
    }

    #[test]
    fn a_wrong_entry_is_replaced_by_the_derived_key() {
        let pki: Pki = serde_saphyr::from_str("epoch: 2026-11-01\nalgorithm: rsa-2048\n").unwrap();
        let (directory, (identity, _)) = (tempfile::tempdir().unwrap(), new_identity());
        let commitment = |root: u8, name: &str| {
            let root = RootSecret::from_bytes(&[root; 32]).unwrap();
            let cache = cache(directory.path(), &identity);
            Keys::new(root, "dev", &pki).with_key_cache(Box::new(cache)).private_key(name, 1).unwrap().commitment
        };
        let first = commitment(1, "etcd/c1");
        let file = directory.path().join("etcd+c1.1.rsa-2048.age");
        let sealed = fs::read(&file).unwrap();
        assert_eq!(commitment(1, "etcd/c1"), first);
        assert_eq!(fs::read(&file).unwrap(), sealed, "a good entry is used, not written again");

        fs::write(&file, &sealed[..sealed.len() / 2]).unwrap();
        assert_eq!(commitment(1, "etcd/c1"), first, "truncated");
        fs::copy(&file, directory.path().join("etcd+c2.1.rsa-2048.age")).unwrap();
        assert_ne!(commitment(1, "etcd/c2"), first, "another key's entry");
        assert_ne!(commitment(2, "etcd/c1"), first, "another root's entry");
        assert_eq!(commitment(1, "etcd/c1"), first, "after the other root's");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cache");
        fs::write(&file, "a file where the folder belongs").unwrap();
        let cache = cache(&file, &new_identity().0);
        cache.put("key", b"bytes");
        assert!(cache.get("key").is_none());
    }
}
