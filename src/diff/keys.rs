//! Which keys the spec and the sealed files give another value, told from what both sides were made from: it is known also
//! where the keys themselves are not. Never sees a secret.

use super::facts::Facts;
use crate::pki::generation_of;
use crate::tree::{Digest, Origin};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The sealed root secret, relative to the cluster's folder.
pub const ROOT_FILE: &str = "secrets/root.age";

/// Keys that are others on the new side. Names are those of `pki.generations`: `ca/etcd`, `service-account`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MovedKeys {
    /// Generations before and after.
    pub generations: BTreeMap<String, (u32, u32)>,
    /// Authorities that are imported, no longer imported, or imported from another file, and how.
    pub imports: BTreeMap<String, ImportMove>,
    /// `spec.pki.algorithm` before and after.
    pub algorithm: Option<(String, String)>,
    /// The sealed root is another file: sealed again, or another secret.
    pub root: bool,
    /// Authorities that one of the sides imports.
    pub imported: BTreeSet<String>,
}

/// How the import of an authority moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportMove {
    Added(String),
    Removed(String),
    /// The same or another file, with other bytes.
    Replaced(String),
}

impl ImportMove {
    /// A file with other bytes may hold the same authority.
    fn is_certain(&self) -> bool {
        !matches!(self, Self::Replaced(_))
    }
}

/// Which of an entry's keys are others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concern {
    /// The key pair that the entry is about.
    pub own: bool,
    /// The authority that it shows or that has signed it.
    pub authority: bool,
}

/// The part of `spec.pki` that names keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PkiFacts {
    generations: BTreeMap<String, u32>,
    import: BTreeMap<String, String>,
    algorithm: String,
}

impl MovedKeys {
    pub fn between(before: &Facts, after: &Facts) -> Self {
        let (old, new) = (PkiFacts::of(before), PkiFacts::of(after));
        let names: BTreeSet<&String> = old.generations.keys().chain(new.generations.keys()).collect();
        let generation = |name: &String| {
            let pair = (generation_of(&old.generations, name), generation_of(&new.generations, name));
            (pair.0 != pair.1).then(|| (name.clone(), pair))
        };
        let algorithm = (old.algorithm != new.algorithm).then(|| (old.algorithm.clone(), new.algorithm.clone()));
        let imported: BTreeSet<String> = old.import.keys().chain(new.import.keys()).cloned().collect();
        let import = |name: &String| Some((name.clone(), import((before, &old), (after, &new), name)?));
        Self {
            generations: names.into_iter().filter_map(generation).collect(),
            imports: imported.iter().filter_map(import).collect(),
            algorithm,
            root: before.sealed_root != after.sealed_root,
            imported,
        }
    }

    /// Whether a key moved that is known by name.
    pub fn is_empty(&self) -> bool {
        self.generations.is_empty() && self.imports.is_empty() && self.algorithm.is_none()
    }

    /// Which keys of an entry on these nodes are others.
    pub fn concern(&self, origin: &Origin, nodes: &[String]) -> Concern {
        if !origin.spec.iter().any(|key| key == "spec.pki") {
            return Concern::default();
        }
        let all = self.algorithm.is_some();
        let authority = |name: &str| name.strip_prefix("ca/").is_some_and(|name| has_authority(origin, name));
        Concern {
            own: all || self.generations.keys().any(|name| is_own_key(origin, name, nodes)),
            authority: all
                || self.generations.keys().any(|name| authority(name))
                || self.imports.iter().any(|(name, import)| import.is_certain() && has_authority(origin, name)),
        }
    }

    /// Whether something of the entry comes out of the sealed file.
    pub fn reads_sealed(&self, origin: &Origin, file: &str) -> bool {
        let of_file = |(name, import): (&String, &ImportMove)| match import {
            ImportMove::Added(other) | ImportMove::Removed(other) | ImportMove::Replaced(other) => {
                other == file && has_authority(origin, name)
            }
        };
        let reads_keys = origin.spec.iter().any(|key| key == "spec.pki");
        reads_keys && (file == ROOT_FILE || self.imports.iter().any(of_file))
    }

    /// Whether the entry shows an imported authority, or something that one has signed.
    pub fn is_imported(&self, origin: &Origin) -> bool {
        self.imported.iter().any(|name| has_authority(origin, name))
    }
}

impl PkiFacts {
    /// Facts hold specs that were checked; one that cannot be read names no keys.
    fn of(facts: &Facts) -> Self {
        facts.spec.get("pki").and_then(|pki| Self::deserialize(pki).ok()).unwrap_or_default()
    }
}

fn import(before: (&Facts, &PkiFacts), after: (&Facts, &PkiFacts), name: &str) -> Option<ImportMove> {
    let digest =
        |(facts, pki): (&Facts, &PkiFacts)| -> Option<Digest> { facts.sealed.get(pki.import.get(name)?).cloned() };
    match (before.1.import.get(name), after.1.import.get(name)) {
        (None, Some(file)) => Some(ImportMove::Added(file.clone())),
        (Some(file), None) => Some(ImportMove::Removed(file.clone())),
        (Some(_), Some(file)) => (digest(before) != digest(after)).then(|| ImportMove::Replaced(file.clone())),
        (None, None) => None,
    }
}

/// Whether the origin names the authority: it shows it, or was signed by it.
pub fn has_authority(origin: &Origin, name: &str) -> bool {
    // An intermediate authority's file also holds those above it.
    let key = format!("spec.pki.generations.ca/{name}");
    origin.source.contains("#authorityKeys.") || origin.spec.contains(&key)
}

/// Whether the key `name` of `pki.generations` is the one that the origin declares: on all nodes, or on one of these.
pub fn is_own_key(origin: &Origin, name: &str, nodes: &[String]) -> bool {
    let declared = origin.source.split_once('#').and_then(|(_, key)| key.split_once('.')).map_or("", |(_, name)| name);
    let on_one = |rest: &str| nodes.is_empty() || nodes.iter().any(|node| node == rest);
    let of_node = name.strip_prefix(declared).and_then(|rest| rest.strip_prefix('/'));
    !declared.is_empty() && (name == declared || of_node.is_some_and(on_one))
}
