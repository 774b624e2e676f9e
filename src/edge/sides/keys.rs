//! Keys for rendering a side: the real ones where they can be opened, else stand-ins that are the same for both sides.

use crate::edge::identity::IdentityError;
use crate::edge::identity::Places;
use crate::edge::inputs::Inputs;
use crate::edge::key_cache::SealedKeyCache;
use crate::edge::keys::{KeysError, recipients};
use crate::pki::{ImportedAuthority, KeyCache, Keys};
use crate::secret::{FILE_LIMIT, RootSecret, unseal, unseal_root};
use crate::spec::{Algorithm, Cluster, Pki};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Reads a file of the cluster's folder as the side has it; `None` where there is none.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// The cluster's own keys, from sealed files as the side has them.
pub fn open_keys(inputs: &Inputs, cluster: &Cluster, read: ReadFile<'_>) -> Result<Keys, KeysError> {
    let folder = inputs.folder.join("secrets");
    let name = folder.join("root.age");
    let Some(sealed) = &inputs.sealed_root else { return Err(KeysError::NoRoot(name)) };
    let identities = Places::from_environment().read()?;
    let root = unseal_root(&name.display().to_string(), sealed, &identities).map_err(IdentityError::from)?;
    let pki = &cluster.spec.pki;
    let mut imported = BTreeMap::new();
    for (authority, file) in &pki.import {
        let sealed =
            read(file).ok_or_else(|| KeysError::NoImport { authority: authority.clone(), file: file.clone() })?;
        let pem = unseal(file, &sealed, &identities, FILE_LIMIT).map_err(IdentityError::from)?;
        imported.insert(authority.clone(), ImportedAuthority::parse(authority, &pem)?);
    }
    let keys = Keys::new(root, &cluster.metadata.name, pki).with_imported(imported);
    let cache = SealedKeyCache::new(&folder.join("cache"), identities, recipients(inputs)?);
    Ok(keys.with_key_cache(Box::new(ReadOnly(cache))))
}

/// The keys that builds have kept. A comparison leaves nothing behind, so it adds none of its own.
struct ReadOnly(SealedKeyCache);

impl KeyCache for ReadOnly {
    fn get(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.0.get(name)
    }

    fn put(&self, _name: &str, _bytes: &[u8]) {}

    fn ignored(&self, name: &str, reason: &str) {
        self.0.ignored(name, reason);
    }
}

/// Keys that open nothing: derived from a root that everybody knows, so that both sides of a comparison have the same ones
/// by name and generation. `algorithm` stands in for the spec's, whose keys may take long to make.
pub fn stand_in(cluster: &Cluster, algorithm: Algorithm) -> Option<Keys> {
    let root = RootSecret::from_bytes(&[0; crate::secret::ROOT_LENGTH]).ok()?;
    let pki = Pki { algorithm, ..cluster.spec.pki.clone() };
    Some(Keys::new(root, &cluster.metadata.name, &pki))
}
