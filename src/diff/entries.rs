//! Which entries of a node differ, by name, mode, owner, target, digest and secrets; contents are not looked at.

use super::model::{EntryChange, EntryFacts, State};
use super::side::SideEntry;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// One entry as both sides have it; at least one of them does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    pub path: String,
    pub renamed_from: Option<String>,
    pub before: Option<SideEntry>,
    pub after: Option<SideEntry>,
}

impl Pair {
    pub fn state(&self) -> State {
        match (&self.before, &self.after, &self.renamed_from) {
            (None, ..) => State::Added,
            (_, None, _) => State::Removed,
            (.., Some(_)) => State::Renamed,
            _ => State::Changed,
        }
    }

    pub fn change(&self) -> EntryChange {
        EntryChange {
            path: self.path.clone(),
            state: self.state(),
            renamed_from: self.renamed_from.clone(),
            before: self.before.as_ref().map(SideEntry::facts),
            after: self.after.as_ref().map(SideEntry::facts),
        }
    }
}

/// Every entry that differs, in path order. Both lists are in path order.
pub fn changed_entries(before: Vec<SideEntry>, after: Vec<SideEntry>) -> Vec<Pair> {
    let (mut old, mut new) = (before.into_iter().peekable(), after.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.path.cmp(&new.path),
        };
        let before = if order == Ordering::Greater { None } else { old.next() };
        let after = if order == Ordering::Less { None } else { new.next() };
        if before != after {
            let path = after.as_ref().or(before.as_ref()).map(|entry| entry.path.clone()).unwrap_or_default();
            pairs.push(Pair { path, renamed_from: None, before, after });
        }
    }
    join_renames(pairs)
}

/// A file that went and one that came with the same bytes are one file with a new name.
fn join_renames(pairs: Vec<Pair>) -> Vec<Pair> {
    let mut gone: BTreeMap<String, Vec<SideEntry>> = BTreeMap::new();
    for pair in pairs.iter().rev().filter(|pair| pair.after.is_none()) {
        if let Some((digest, entry)) = pair.before.as_ref().and_then(named_by_contents) {
            gone.entry(digest).or_default().push(entry.clone());
        }
    }
    let mut renamed = Vec::new();
    let mut joined: Vec<Pair> = Vec::with_capacity(pairs.len());
    for mut pair in pairs {
        let source = match (&pair.before, pair.after.as_ref().and_then(named_by_contents)) {
            (None, Some((digest, _))) => gone.get_mut(&digest).and_then(Vec::pop),
            _ => None,
        };
        if let Some(source) = source {
            renamed.push(source.path.clone());
            pair.renamed_from = Some(source.path.clone());
            pair.before = Some(source);
        }
        joined.push(pair);
    }
    joined.retain(|pair| pair.after.is_some() || !renamed.contains(&pair.path));
    joined
}

/// Empty files are too alike to be recognised.
fn named_by_contents(entry: &SideEntry) -> Option<(String, &SideEntry)> {
    let digest = entry.digest.as_ref().filter(|_| entry.size.is_some_and(|size| size > 0))?;
    Some((digest.to_string(), entry))
}

/// Turns one side's entries into the other's with what a [`super::Diff`] says about a node.
pub fn apply(entries: &BTreeMap<String, EntryFacts>, changes: &[EntryChange]) -> BTreeMap<String, EntryFacts> {
    let mut result = entries.clone();
    for change in changes {
        result.remove(change.renamed_from.as_ref().unwrap_or(&change.path));
    }
    for change in changes {
        if let Some(after) = &change.after {
            result.insert(change.path.clone(), after.clone());
        }
    }
    result
}
