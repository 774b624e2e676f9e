//! All of a cluster's secrets by name. The only type that hands out private bytes.

use super::error::PkiError;
use super::generations;
use super::import::ImportedAuthority;
use super::key_cache::{Entry, KeyCache};
use super::key_pair::KeyPair;
use crate::secret::{KeyStream, RootSecret, commit_symmetric};
use crate::spec::{self, Algorithm};
use crate::tree::{Digest, SecretRef};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zeroize::Zeroizing;

/// ECDSA key pairs kept in memory, about 600 bytes each. Beyond that they are derived again when asked for. RSA keys
/// are always kept.
const REMEMBERED: usize = 32_768;

type Slot = Arc<OnceLock<Arc<KeyPair>>>;

/// A cluster's secrets, derived on demand and remembered. Shared between threads by reference.
pub struct Keys {
    root: RootSecret,
    cluster: String,
    algorithm: Algorithm,
    generations: BTreeMap<String, u32>,
    imported: BTreeMap<String, ImportedAuthority>,
    sealed: BTreeMap<String, Zeroizing<Vec<u8>>>,
    cache: Option<Box<dyn KeyCache>>,
    remembered: Mutex<BTreeMap<(String, u32), Slot>>,
}

impl Keys {
    pub fn new(root: RootSecret, cluster: &str, pki: &spec::Pki) -> Self {
        Self {
            root,
            cluster: cluster.to_owned(),
            algorithm: pki.algorithm,
            generations: pki.generations.clone(),
            imported: BTreeMap::new(),
            sealed: BTreeMap::new(),
            cache: None,
            remembered: Mutex::default(),
        }
    }

    /// Certificate authorities of one's own, by name (`pki.import`).
    pub fn with_imported(self, imported: BTreeMap<String, ImportedAuthority>) -> Self {
        Self { imported, ..self }
    }

    /// Secrets that are not derived: the contents of sealed files, by path.
    pub fn with_sealed(self, sealed: BTreeMap<String, Zeroizing<Vec<u8>>>) -> Self {
        Self { sealed, ..self }
    }

    /// Keeps RSA keys between runs.
    pub fn with_key_cache(self, cache: Box<dyn KeyCache>) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The generation that the spec gives `name`: `ca/etcd`, `service-account`, `encryption-key1`, `etcd-server/NODE`.
    pub fn generation_of(&self, name: &str) -> u32 {
        generations::generation_of(&self.generations, name)
    }

    /// Whether keys take so long to make that [`Self::prepare`] and its progress are worth showing.
    pub fn are_slow(&self) -> bool {
        rsa_bits(self.algorithm).is_some()
    }

    /// Makes RSA keys ahead of time, on all cores: `names` without their `key/`, and those of
    /// [`super::Pki::authority_keys`]. Does nothing for ECDSA, which needs no preparation. Calls `progress` with the
    /// number of finished keys and of all, from many threads.
    pub fn prepare(&self, names: &BTreeSet<String>, progress: &(dyn Fn(usize, usize) + Sync)) {
        if !self.are_slow() {
            return;
        }
        let done = AtomicUsize::new(0);
        progress(0, names.len());
        names.par_iter().for_each(|name| {
            self.key_pair(name, self.generation_of(name));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, names.len());
        });
    }

    /// A derived symmetric secret of 32 bytes; fill it with [`Encoding::Base64`](crate::tree::Encoding::Base64).
    pub fn symmetric(&self, name: &str, generation: u32) -> SecretRef {
        let secret = self.symmetric_bytes(name, generation);
        self.committed(format!("symmetric/{name}"), generation, secret.as_slice())
    }

    /// The contents of the sealed file `file`.
    pub fn sealed(&self, file: &str) -> Result<SecretRef, PkiError> {
        match self.sealed.get(file) {
            Some(contents) => Ok(self.committed(format!("sealed/{file}"), 1, contents)),
            None => Err(PkiError::UnknownSealed { file: file.to_owned() }),
        }
    }

    /// A reference to the private key `name`, for a node. Never to a root authority's.
    pub fn private_key(&self, name: &str, generation: u32) -> Result<SecretRef, PkiError> {
        if let Some(authority) = name.strip_prefix("ca/") {
            return Err(PkiError::AuthorityKey { name: authority.to_owned() });
        }
        let commitment = self.key_pair(name, generation).commitment().to_string();
        Ok(SecretRef { name: format!("key/{name}"), generation, commitment })
    }

    /// The public key of `name` as SubjectPublicKeyInfo PEM.
    pub fn public_key_pem(&self, name: &str, generation: u32) -> Result<String, PkiError> {
        Ok(self.key_pair(name, generation).public_key_pem())
    }

    /// Digests of the imported authorities' certificates, by name.
    pub fn imported_digests(&self) -> BTreeMap<&str, Digest> {
        self.imported.iter().map(|(name, own)| (name.as_str(), Digest::of(own.pem.as_bytes()))).collect()
    }

    /// Commitments of the sealed files, by path.
    pub fn sealed_commitments(&self) -> BTreeMap<&str, String> {
        let commitment = |file: &str| self.sealed(file).map(|secret| secret.commitment).unwrap_or_default();
        self.sealed.keys().map(|file| (file.as_str(), commitment(file))).collect()
    }

    pub(super) fn sealed_bytes(&self, file: &str) -> Zeroizing<Vec<u8>> {
        self.sealed.get(file).cloned().unwrap_or_default()
    }

    pub(super) fn imported(&self) -> &BTreeMap<String, ImportedAuthority> {
        &self.imported
    }

    /// The key pair `name`, derived once per process.
    pub(super) fn key_pair(&self, name: &str, generation: u32) -> Arc<KeyPair> {
        let slot = {
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (name.to_owned(), generation);
            match remembered.get(&key) {
                Some(slot) => slot.clone(),
                None => {
                    let slot = Slot::default();
                    if remembered.len() < REMEMBERED || self.are_slow() {
                        remembered.insert(key, slot.clone());
                    }
                    slot
                }
            }
        };
        // Outside the lock: others derive other keys meanwhile, and wait here for this one.
        slot.get_or_init(|| Arc::new(self.make(name, generation))).clone()
    }

    fn make(&self, name: &str, generation: u32) -> KeyPair {
        let stream = |purpose: &str| KeyStream::new(self.root.derive(&self.cluster, purpose, name, generation));
        let Some(bits) = rsa_bits(self.algorithm) else {
            return KeyPair::derive_p256(stream("key/ecdsa-p256"));
        };
        let derive =
            || KeyPair::derive_rsa(bits, stream(&format!("key/rsa-{bits}/1")), stream(&format!("key/rsa-{bits}/2")));
        let Some(cache) = &self.cache else {
            return derive();
        };
        let entry = Entry::new(&self.root, &self.cluster, bits, name, generation);
        match cache.get(&entry.name).map(|bytes| entry.decode(&bytes)) {
            Some(Ok(key)) => return key,
            Some(Err(reason)) => cache.ignored(&entry.name, reason),
            None => {}
        }
        let key = derive();
        cache.put(&entry.name, &entry.encode(&key));
        key
    }

    pub(super) fn symmetric_bytes(&self, name: &str, generation: u32) -> Zeroizing<[u8; 32]> {
        self.root.derive(&self.cluster, "symmetric", name, generation)
    }

    fn committed(&self, name: String, generation: u32, secret: &[u8]) -> SecretRef {
        let commitment = commit_symmetric(&self.root, &self.cluster, &name, generation, secret).to_string();
        SecretRef { name, generation, commitment }
    }
}

fn rsa_bits(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::EcdsaP256 => None,
        Algorithm::Rsa2048 => Some(2048),
        Algorithm::Rsa3072 => Some(3072),
        Algorithm::Rsa4096 => Some(4096),
        Algorithm::Rsa8192 => Some(8192),
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.cluster)
    }
}
