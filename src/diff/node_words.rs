//! Words about nodes that only one side has, for all formats that people read.

use super::model::{FieldChange, WholeNodes};
use super::phrases::field_value;

/// `like w-3: 47 of 61 entries are the same, 12 differ by names, addresses and keys alone, 2 otherwise`.
pub fn about(whole: &WholeNodes) -> String {
    let Some(like) = &whole.like else {
        return format!("{} entries; no other node has these roles", whole.entries);
    };
    let (own, otherwise) = (whole.own.len(), whole.changes.len());
    let mut parts = vec![format!("{} of {} entries are the same", whole.same(), whole.entries)];
    if own > 0 {
        parts.push(format!("{own} differ by names, addresses and keys alone"));
    }
    if otherwise > 0 {
        parts.push(format!("{otherwise} otherwise"));
    }
    format!("like {like}: {}", parts.join(", "))
}

/// What stands behind the names of nodes that `changes` are about.
pub fn count(whole: &WholeNodes) -> String {
    match whole.nodes.names.len() {
        1 => String::new(),
        nodes => format!(" ({nodes} nodes)"),
    }
}

/// Each node with where it is.
pub fn places(whole: &WholeNodes) -> Vec<(&str, String)> {
    whole.per_node.iter().map(|values| (values.node.as_str(), joined(&values.fields))).collect()
}

/// The paths of entries that are each node's own, with what they say of it.
pub fn own(whole: &WholeNodes) -> Vec<(&str, String)> {
    whole.own.iter().map(|entry| (entry.path.as_str(), joined(&entry.fields))).collect()
}

fn joined(fields: &[FieldChange]) -> String {
    let words = fields.iter().map(|field| match field.path.as_str() {
        "line" => field_value(field),
        name => format!("{name} {}", field_value(field)),
    });
    words.collect::<Vec<_>>().join("; ")
}
