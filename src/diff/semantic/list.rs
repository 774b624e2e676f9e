//! Lists of plain values: what came, what went, and whether only the order is another one.

use super::super::model::{ChangeKind, FieldChange};

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
    let kept = |list: &[String], other: &[String]| -> Vec<String> {
        list.iter().filter(|value| other.contains(value)).cloned().collect()
    };
    let (stayed, stays) = (kept(before, after), kept(after, before));
    if stayed != stays && stayed.len() == stays.len() {
        changes.push(FieldChange::of(ChangeKind::Reordered, path, stayed.join(", "), stays.join(", ")));
    }
    changes
}

/// Values of `list` beyond those that `other` has, in order.
fn missing(list: &[String], other: &[String]) -> Vec<String> {
    let mut rest: Vec<&String> = other.iter().collect();
    let mut found = Vec::new();
    for value in list {
        match rest.iter().position(|other| *other == value) {
            Some(at) => drop(rest.swap_remove(at)),
            None => found.push(value.clone()),
        }
    }
    found
}
