//! Entries that every node has in its own version: the same once names, addresses and keys are taken out.

use crate::diff::group::lines;
use crate::diff::masks::{Values, replace, without_hashes};
use crate::diff::model::{Change, ChangeKind, FieldChange, LineKind, OwnEntry, State};

/// Longer lines are encoded, and say nothing to a reader.
const MAX_LINE: usize = 300;

/// The entry if nothing but a node's own values differs. `pattern` has names in the place of the values of both nodes;
/// `text` is what the node has, where that is a text that people read.
pub fn own(pattern: &Change, text: Option<&str>, values: &Values) -> Option<OwnEntry> {
    if pattern.state != State::Changed || !is_balanced(pattern) {
        return None;
    }
    let mut fields = match text {
        Some(text) => own_lines(text, values),
        None => {
            let told = pattern.fields.iter().filter(|field| is_told(field));
            told.filter_map(|field| Some(FieldChange::added(&field.path, field.after.clone()?))).collect()
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    fields.retain(|field| seen.insert(field.clone()));
    Some(OwnEntry { path: pattern.path.clone(), fields })
}

/// Whether each value that one side has is on the other side as well.
fn is_balanced(pattern: &Change) -> bool {
    let values = |side: fn(&FieldChange) -> Option<&String>| {
        let told = pattern.fields.iter().filter(|field| is_told(field));
        let mut all: Vec<(&String, &String)> = told.filter_map(|field| Some((&field.path, side(field)?))).collect();
        all.sort();
        all
    };
    let texts = |kind: LineKind| lines(pattern).filter(move |line| line.kind == kind).map(|line| line.text.as_str());
    let fields = values(|field| field.before.as_ref()) == values(|field| field.after.as_ref());
    fields && texts(LineKind::Removed).eq(texts(LineKind::Added))
}

/// Lines that have one of the node's values in them.
fn own_lines(text: &str, values: &Values) -> Vec<FieldChange> {
    let shown = |line: &str| {
        let line = line.trim();
        let masked = without_hashes(&replace(line, values));
        (line.len() <= MAX_LINE && masked != line).then(|| FieldChange::added("line", masked))
    };
    text.lines().filter_map(shown).collect()
}

/// Keys are each node's own by nature.
fn is_told(field: &FieldChange) -> bool {
    !matches!(field.kind, ChangeKind::Rotated | ChangeKind::Derived)
}
