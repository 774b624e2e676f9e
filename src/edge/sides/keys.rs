//! Keys for rendering a side: the real ones where they can be opened, else stand-ins that are the same for both sides.

use crate::edge::identity::IdentityError;
use crate::edge::identity::Places;
use crate::edge::inputs::Inputs;
use crate::edge::key_cache::SealedKeyCache;
use crate::edge::keys::{KeysError, recipients};
use crate::pki::{ImportedAuthority, Keys};
use crate::secret::{FILE_LIMIT, RootSecret, unseal, unseal_root};
use crate::spec::{Algorithm, Cluster};
use std::collections::BTreeMap;

/// Reads a file of the cluster's folder as the side has it; `None` where there is none.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// Keys, and what is not true of them.
#[derive(Debug)]
pub struct SideKeys {
    pub keys: Keys,
    pub stand_in: bool,
}

/// The cluster's own keys, from sealed files as the side has them.
pub fn open_keys(inputs: &Inputs, cluster: &Cluster, read: ReadFile<'_>) -> Result<SideKeys, KeysError> {
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
    Ok(SideKeys { keys: keys.with_key_cache(Box::new(cache)), stand_in: false })
}

/// Keys that open nothing: derived from a root that everybody knows, so that both sides of a comparison have the same ones
/// by name and generation. `quick` takes ECDSA where the spec wants RSA, whose keys take long to make.
pub fn stand_in(cluster: &Cluster, quick: bool) -> Option<SideKeys> {
    let root = RootSecret::from_bytes(&[0; crate::secret::ROOT_LENGTH]).ok()?;
    let mut pki = cluster.spec.pki.clone();
    if quick {
        pki.algorithm = Algorithm::EcdsaP256;
    }
    Some(SideKeys { keys: Keys::new(root, &cluster.metadata.name, &pki), stand_in: true })
}
