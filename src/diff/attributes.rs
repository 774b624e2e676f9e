//! What of an entry is no contents: type, mode, owner, target and secrets.

use super::entries::Pair;
use super::model::{ChangeKind, FieldChange};
use super::side::{Secret, SideEntry};
use crate::tree::{Mode, Owner};
use std::collections::{BTreeMap, BTreeSet};

/// How an entry differs without its contents; of one that only one side has, what is not as usual. With stand-in keys,
/// secrets differ by generation only.
pub fn attributes(pair: &Pair, stand_in: bool) -> Vec<FieldChange> {
    let (before, after) = match (&pair.before, &pair.after) {
        (Some(before), Some(after)) => (before, after),
        (Some(entry), None) => {
            return unusual(entry).into_iter().map(|(path, value)| FieldChange::removed(path, value)).collect();
        }
        (None, entry) => {
            let unusual = entry.iter().flat_map(unusual);
            return unusual.map(|(path, value)| FieldChange::added(path, value)).collect();
        }
    };
    let owner = |entry: &SideEntry| Some(format!("{}:{}", entry.owner.uid, entry.owner.gid));
    let plain = [
        ("type", Some(before.kind.to_owned()), Some(after.kind.to_owned())),
        ("mode", Some(before.mode.to_string()), Some(after.mode.to_string())),
        ("owner", owner(before), owner(after)),
        ("target", before.target.clone(), after.target.clone()),
    ];
    let mut fields: Vec<FieldChange> =
        plain.into_iter().filter_map(|(path, old, new)| FieldChange::between(path, old, new)).collect();
    fields.extend(secrets(before, after, stand_in));
    fields
}

/// What a reader would not expect of a new file: another type, mode or owner than most have, a target, secrets.
fn unusual(entry: &SideEntry) -> Vec<(String, String)> {
    let usual = match entry.kind {
        "directory" => Mode::DIRECTORY,
        "symlink" => Mode::SYMLINK,
        _ => Mode::FILE,
    };
    let mut found = Vec::new();
    if entry.kind == "directory" {
        found.push(("type".to_owned(), entry.kind.to_owned()));
    }
    if entry.mode != usual {
        found.push(("mode".to_owned(), entry.mode.to_string()));
    }
    if entry.owner != Owner::ROOT {
        found.push(("owner".to_owned(), format!("{}:{}", entry.owner.uid, entry.owner.gid)));
    }
    found.extend(entry.target.iter().map(|target| ("target".to_owned(), target.clone())));
    let secrets = entry.secrets.iter();
    found.extend(secrets.map(|s| (format!("secret {}", s.name), format!("generation {}", s.generation))));
    found
}

/// Secrets by name: added, removed, rotated, or written in another encoding.
fn secrets(before: &SideEntry, after: &SideEntry, stand_in: bool) -> Vec<FieldChange> {
    let by_name = |entry: &'_ SideEntry| -> BTreeMap<String, Secret> {
        entry.secrets.iter().map(|secret| (secret.name.clone(), secret.clone())).collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter_map(|name| secret(name, old.get(name), new.get(name), stand_in)).collect()
}

fn secret(name: &str, before: Option<&Secret>, after: Option<&Secret>, stand_in: bool) -> Option<FieldChange> {
    let path = format!("secret {name}");
    let generation = |secret: &Secret| format!("generation {}", secret.generation);
    let encoding = |secret: &Secret| Some(format!("{:?}", secret.encoding).to_lowercase());
    match (before, after) {
        (Some(old), Some(new)) => {
            let other = old.generation != new.generation || (old.commitment != new.commitment && !stand_in);
            match other {
                true => Some(FieldChange::of(ChangeKind::Rotated, path, generation(old), generation(new))),
                false => FieldChange::between(&format!("{path} encoding"), encoding(old), encoding(new)),
            }
        }
        (Some(old), None) => Some(FieldChange::removed(path, generation(old))),
        (None, Some(new)) => Some(FieldChange::added(path, generation(new))),
        (None, None) => None,
    }
}
