//! What stands on the other side: the line or value that one was probably made from, so that both are cut alike.

use super::model::{ChangeKind, FieldChange, Line, LineKind};
use std::collections::BTreeMap;

/// For each line the one of the same block on the other side, the last one where that side has fewer.
pub fn of_lines(lines: &[Line]) -> Vec<Option<&str>> {
    let mut partners = vec![None; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        let run = |from: usize, kind: LineKind| lines[from..].iter().take_while(|line| line.kind == kind).count();
        let removed = run(at, LineKind::Removed);
        let added = run(at + removed, LineKind::Added);
        if removed > 0 && added > 0 {
            for index in 0..removed {
                partners[at + index] = Some(lines[at + removed + index.min(added - 1)].text.as_str());
            }
            for index in 0..added {
                partners[at + removed + index] = Some(lines[at + index.min(removed - 1)].text.as_str());
            }
        }
        at += (removed + added).max(1);
    }
    partners
}

/// For each field the other value: its own, or that of the field by which another item of the same list came or went.
pub fn of_fields<'a>(fields: &[&'a FieldChange]) -> Vec<Option<&'a str>> {
    let mut sides: BTreeMap<(&str, bool), Vec<&str>> = BTreeMap::new();
    for field in fields {
        if let (Some(value), Some(added)) = (one_value(field), one_side(field)) {
            sides.entry((&field.path, added)).or_default().push(value);
        }
    }
    let mut seen: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let partner = |field: &&'a FieldChange| {
        let added = one_side(field)?;
        let number = seen.entry((&field.path, added)).or_default();
        let others = sides.get(&(field.path.as_str(), !added))?;
        let found = others.get((*number).min(others.len() - 1)).copied();
        *number += 1;
        found
    };
    fields.iter().map(partner).collect()
}

fn one_value(field: &FieldChange) -> Option<&str> {
    field.before.as_deref().or(field.after.as_deref())
}

fn one_side(field: &FieldChange) -> Option<bool> {
    match field.kind {
        ChangeKind::Added => Some(true),
        ChangeKind::Removed => Some(false),
        _ => None,
    }
}
