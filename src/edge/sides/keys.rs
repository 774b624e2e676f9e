//! Keys for rendering a side: the real ones where they can be opened, else stand-ins that are the same for both sides.

use crate::edge::identity::IdentityError;
use crate::edge::identity::Places;
use crate::edge::inputs::Inputs;
use crate::edge::key_cache::SealedKeyCache;
use crate::edge::keys::{KeysError, recipients};
use crate::pki::{ImportedAuthority, KeyCache, Keys};
use crate::secret::{FILE_LIMIT, RootSecret, unseal, unseal_root};
use crate::spec::{Algorithm, Cluster, Pki};
use crate::tree::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Reads a file of the cluster's folder as the side has it; `None` where there is none.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// The cluster's own keys, from sealed files as the side has them.
pub fn open_keys(
    inputs: &Inputs,
    cluster: &Cluster,
    sealed_params: &BTreeSet<String>,
    read: ReadFile<'_>,
    made: &MadeKeys,
) -> Result<Keys, KeysError> {
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
    let mut opened = BTreeMap::new();
    for file in sealed_params {
        let sealed = read(file).ok_or_else(|| KeysError::NoSealed(file.clone()))?;
        opened.insert(file.clone(), unseal(file, &sealed, &identities, FILE_LIMIT).map_err(IdentityError::from)?);
    }
    let keys = Keys::new(root, &cluster.metadata.name, pki).with_imported(imported).with_sealed(opened);
    let kept = SealedKeyCache::new(&folder.join("cache"), identities, recipients(inputs)?);
    let cache = SideCache { kept, made: made.clone(), root: Digest::of(sealed) };
    Ok(keys.with_key_cache(Box::new(cache)))
}

/// RSA keys that one side has made, for the other one: by sealed root and name. They are gone with the comparison.
#[derive(Clone, Default)]
pub struct MadeKeys(Arc<Mutex<KeysByName>>);

type KeysByName = BTreeMap<(Digest, String), Zeroizing<Vec<u8>>>;

/// The keys that builds have kept, and those that the other side has made. A comparison leaves nothing behind, so no file
/// is written.
struct SideCache {
    kept: SealedKeyCache,
    made: MadeKeys,
    root: Digest,
}

impl KeyCache for SideCache {
    fn get(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        let place = (self.root, name.to_owned());
        let made = self.made.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        made.or_else(|| self.kept.get(name))
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let (place, bytes) = ((self.root, name.to_owned()), Zeroizing::new(bytes.to_vec()));
        self.made.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, bytes);
    }

    fn ignored(&self, name: &str, reason: &str) {
        self.kept.ignored(name, reason);
    }
}

/// Keys that open nothing: derived from a root that everybody knows, so that both sides of a comparison have the same ones
/// by name and generation. `algorithm` stands in for the spec's, whose keys may take long to make.
pub fn stand_in(cluster: &Cluster, sealed_params: BTreeSet<String>, algorithm: Algorithm) -> Option<Keys> {
    let root = RootSecret::from_bytes(&[0; crate::secret::ROOT_LENGTH]).ok()?;
    let pki = Pki { algorithm, ..cluster.spec.pki.clone() };
    let empty = sealed_params.into_iter().map(|file| (file, Zeroizing::default())).collect();
    Some(Keys::new(root, &cluster.metadata.name, &pki).with_sealed(empty))
}
