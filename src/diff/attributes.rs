//! What of an entry is no contents: type, mode, owner, target and secrets.

use super::entries::Pair;
use super::model::{ChangeKind, FieldChange};
use super::side::{Secret, SideEntry};
use std::collections::{BTreeMap, BTreeSet};

/// How an entry that both sides have differs without its contents. With stand-in keys, secrets differ by generation only.
pub fn attributes(pair: &Pair, stand_in: bool) -> Vec<FieldChange> {
    let (Some(before), Some(after)) = (&pair.before, &pair.after) else { return Vec::new() };
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
