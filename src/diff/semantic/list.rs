//! Lists of plain values: what came, what went, and whether only the order is another one.

use super::super::model::{ChangeKind, FieldChange};
use std::collections::{BTreeMap, BTreeSet};

/// Compares two lists of values, in which a value may occur more than once.
pub fn compare(path: &str, before: &[String], after: &[String]) -> Vec<FieldChange> {
    if before == after {
        return Vec::new();
    }
    let removed = missing(before, after);
    let added = missing(after, before);
    if removed.is_empty() && added.is_empty() {
        return vec![FieldChange::of(ChangeKind::Reordered, path, before.join(", "), after.join(", "))];
    }
    // One value in the place of another is a change.
    if let ([old], [new]) = (removed.as_slice(), added.as_slice())
        && before.len() == 1
        && after.len() == 1
    {
        return vec![FieldChange::changed(path, old, new)];
    }
    let mut changes: Vec<FieldChange> = removed.into_iter().map(|value| FieldChange::removed(path, value)).collect();
    changes.extend(added.into_iter().map(|value| FieldChange::added(path, value)));
    let (stayed, stays) = (kept(before, after), kept(after, before));
    if stayed != stays && stayed.len() == stays.len() {
        changes.push(FieldChange::of(ChangeKind::Reordered, path, stayed.join(", "), stays.join(", ")));
    }
    changes
}

/// Values of `list` beyond those that `other` has, in order.
pub fn missing(list: &[String], other: &[String]) -> Vec<String> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    other.iter().for_each(|value| *left.entry(value).or_default() += 1);
    let is_missing = |value: &&String| match left.get_mut(value.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    list.iter().filter(is_missing).cloned().collect()
}

/// Values of `list` that `other` has as well, in order.
pub fn kept(list: &[String], other: &[String]) -> Vec<String> {
    let known: BTreeSet<&String> = other.iter().collect();
    list.iter().filter(|value| known.contains(value)).cloned().collect()
}
