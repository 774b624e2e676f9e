//! Risks that show in files: certificates, keys, encryption, hardening.

use super::evidence::{Evidence, Finding, from_to};
use crate::diff::facts::NodeFacts;
use crate::diff::model::{Change, ChangeKind, EntryChange, EntryFacts, NodeDiff};
use std::collections::BTreeSet;

/// Serving certificates that lose a name, save those of nodes that go away.
pub fn san_removed(evidence: &Evidence<'_>) -> Vec<Finding> {
    let gone = names_of_removed_nodes(evidence);
    evidence.find(|change, field| {
        let serving = change.tags.iter().any(|tag| tag == "serving");
        let san = field.path.trim_start_matches("certificate ").contains("subjectAltName");
        let name = field.before.as_deref().filter(|_| field.kind != ChangeKind::Added && serving && san)?;
        if field.kind == ChangeKind::Reordered || gone.iter().any(|value| name.ends_with(&format!(":{value}"))) {
            return None;
        }
        Some(format!("{name} is no longer in the serving certificate"))
    })
}

fn names_of_removed_nodes(evidence: &Evidence<'_>) -> Vec<String> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    let there: BTreeSet<&str> = after.nodes.iter().map(NodeFacts::name).collect();
    let gone = before.nodes.iter().filter(|node| !there.contains(node.name()));
    gone.flat_map(|node| {
        let addresses = &node.spec.addresses;
        [addresses.cluster.to_string(), addresses.management.to_string(), node.name().to_owned()]
    })
    .collect()
}

/// The first issuer signs; an old one may stay as an additional value.
pub fn token_issuer(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|_, field| {
        let lost = matches!(field.kind, ChangeKind::Changed | ChangeKind::Removed);
        (lost && field.path.ends_with(" --service-account-issuer")).then(|| from_to(field))
    })
}

fn is_encryption(change: &Change) -> bool {
    change.path.contains("encryption") && matches!(change.format.as_str(), "manifest" | "yaml")
}

/// A provider or a key that API servers can no longer read with.
pub fn encryption_removed(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|change, field| {
        let removed = field.kind == ChangeKind::Removed && field.path.contains("providers");
        (is_encryption(change) && removed).then(|| format!("{} is removed", last_name(&field.path)))
    })
}

pub fn encryption_reordered(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|change, field| {
        let order = field.kind == ChangeKind::Reordered && field.path.contains("providers");
        (is_encryption(change) && order).then(|| format!("the order changes {}", from_to(field)))
    })
}

/// Resources, or whole entries of them, that are not encrypted any more, or by other providers than before.
pub fn encryption_resources(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|change, field| {
        let lost = matches!(field.kind, ChangeKind::Removed | ChangeKind::Changed);
        let entry = field.path.strip_prefix("resources")?;
        let resources =
            entry.is_empty() || entry.ends_with(']') && !entry.contains('.') || entry.contains("].resources");
        (is_encryption(change) && lost && resources).then(|| format!("{}: {}", field.path, from_to(field)))
    })
}

/// `resources[0].providers[secretbox]` is about `provider secretbox`.
fn last_name(path: &str) -> String {
    let name = path.rsplit('[').next().and_then(|rest| rest.split(']').next()).unwrap_or(path);
    format!("{} {name}", if path.contains("keys[") { "key" } else { "provider" })
}

/// Settings that protect less than before; `hardening` has read them.
pub fn hardening(evidence: &Evidence<'_>) -> Vec<Finding> {
    let finding = |(nodes, change): (&[String], &Change)| {
        let one =
            |text: &String| Finding { nodes: nodes.to_vec(), path: Some(change.path.clone()), text: text.clone() };
        change.weakened.iter().map(one).collect::<Vec<_>>()
    };
    let mut found: Vec<Finding> = evidence.changes().flat_map(finding).collect();
    for whole in evidence.diff.added.iter().filter(|whole| whole.like.is_some()) {
        let names = whole.nodes.names.as_slice();
        found.extend(whole.changes.iter().flat_map(|change| finding((names, change))));
        // What becomes weaker on the node that they are like, they come without.
        let has = |nodes: &[String]| whole.like.as_ref().is_some_and(|like| nodes.contains(like));
        let inherited = evidence.changes().filter(|(nodes, change)| has(nodes) && !whole.differs(&change.path));
        found.extend(inherited.flat_map(|(_, change)| finding((names, change))));
    }
    found
}

/// Files that went and that others still name; `named` has looked for them.
pub fn still_named(evidence: &Evidence<'_>) -> Vec<Finding> {
    let finding = |(nodes, change): (&[String], &Change)| {
        let gone = change.renamed_from.as_ref().unwrap_or(&change.path);
        let one = |path: &String| Finding {
            nodes: nodes.to_vec(),
            path: Some(path.clone()),
            text: format!("{gone} is gone and still named"),
        };
        change.still_named.iter().map(one).collect::<Vec<_>>()
    };
    evidence.changes().flat_map(finding).collect()
}

/// Files that more people than before may read, write or take over.
pub fn file_opened(evidence: &Evidence<'_>) -> Vec<Finding> {
    let entries = evidence.diff.nodes.iter().flat_map(|node| node.entries.iter().map(move |entry| (node, entry)));
    let finding = |(node, entry): (&NodeDiff, &EntryChange)| {
        let text = opened(entry.before.as_ref(), entry.after.as_ref()?)?;
        Some(Finding { nodes: vec![node.name.clone()], path: Some(entry.path.clone()), text })
    };
    entries.filter_map(finding).collect()
}

/// Set-user-ID and set-group-ID, others' and the group's rights.
const OPENING: u16 = 0o6077;
/// What a new file needs a reason for: taking over its owner's rights, being written by everybody.
const UNUSUAL: u16 = 0o6002;
/// Only the owner of a file may remove it from such a directory.
const STICKY: u16 = 0o1000;

fn opened(before: Option<&EntryFacts>, after: &EntryFacts) -> Option<String> {
    let new = after.mode.bits();
    // A link's mode says nothing.
    if after.kind == "symlink" || new & STICKY != 0 {
        return None;
    }
    let Some(old) = before.filter(|old| old.kind == after.kind) else {
        let secret = !after.secrets.is_empty() && new & 0o7 != 0;
        return (new & UNUSUAL != 0 || secret).then(|| format!("it comes with mode {}", after.mode));
    };
    if new & !old.mode.bits() & OPENING != 0 {
        return Some(format!("mode from {} to {}", old.mode, after.mode));
    }
    let private = after.kind == "file" && new & 0o077 == 0 && old.owner != after.owner;
    private.then(|| format!("owner from {} to {}, who alone may read it", old.owner, after.owner))
}
