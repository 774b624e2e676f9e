//! Opens a cluster's secrets: the sealed root, imported authorities and the cache of slow keys.

use super::identity::{IdentityError, Places, open_root, open_sealed};
use super::inputs::Inputs;
use super::key_cache::SealedKeyCache;
use crate::pki::{ImportedAuthority, Keys, PkiError};
use crate::plan::Plan;
use crate::secret::{Identities, Recipient, RootSecret};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Whom new files are sealed to, one public key a line; `kubi init` writes it.
pub const RECIPIENTS: &str = "secrets/recipients.txt";

/// A secret that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("{} is missing: it holds the secret that all keys are derived from", .0.display())]
    NoRoot(PathBuf),
    #[error("{file} is missing: the spec imports the authority {authority} from it")]
    NoImport { authority: String, file: String },
    #[error("{0} is missing: a parameter of the spec names it")]
    NoSealed(String),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Import(#[from] PkiError),
}

impl KeysError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoRoot(_) => Some(
                "`kubi init` makes it; for an existing cluster take it from version control or a backup".to_owned(),
            ),
            Self::NoImport { .. } => Some("restore it, or take it out of spec.pki.import".to_owned()),
            Self::NoSealed(_) => Some("restore it, or take it out of spec.params".to_owned()),
            Self::Identity(error) => Some(error.help()),
            Self::Import(_) => None,
        }
    }
}

/// A crash must not leave keys on a disk, and no other process of the user may read them from memory. Where the kernel
/// refuses, nothing is lost that was there before.
fn keep_out_of_core_files() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// The opened root secret, and what opens the other secrets.
pub struct Unlocked<'a> {
    inputs: &'a Inputs,
    root: RootSecret,
    identities: Identities,
}

/// Opens the root secret with the identities of the user.
pub fn unlock(inputs: &Inputs) -> Result<Unlocked<'_>, KeysError> {
    let root = inputs.folder.join("secrets/root.age");
    if inputs.sealed_root.is_none() {
        return Err(KeysError::NoRoot(root));
    }
    keep_out_of_core_files();
    let identities = Places::from_environment().read()?;
    Ok(Unlocked { inputs, root: open_root(&root, &identities)?, identities })
}

/// Opens everything that the plan's spec names.
pub fn open_keys(unlocked: Unlocked<'_>, plan: &Plan<'_>) -> Result<Keys, KeysError> {
    let Unlocked { inputs, root, identities } = unlocked;
    let (pki, cluster) = (&plan.cluster.spec.pki, &plan.cluster.metadata.name);
    let mut imported = BTreeMap::new();
    for (authority, file) in &pki.import {
        let pem = open_sealed(&inputs.folder.join(file), &identities)?;
        imported.insert(authority.clone(), ImportedAuthority::parse(authority, &pem)?);
    }
    let mut opened = BTreeMap::new();
    for file in plan.sealed_params() {
        let contents = open_sealed(&inputs.folder.join(&file), &identities)?;
        opened.insert(file, contents);
    }
    let keys = Keys::new(root, cluster, pki).with_imported(imported).with_sealed(opened);
    let cache = SealedKeyCache::new(&inputs.folder.join("secrets/cache"), identities, recipients(inputs)?);
    Ok(keys.with_key_cache(Box::new(cache)))
}

/// The team's public keys; without the file, those of the user's own identities are taken.
pub(super) fn recipients(inputs: &Inputs) -> Result<Vec<Recipient>, KeysError> {
    let path = inputs.folder.join(RECIPIENTS);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Recipient::parse_file(&text).map_err(IdentityError::from)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(IdentityError::Unreadable { path, error }.into()),
    }
}
