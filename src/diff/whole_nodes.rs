//! The part of the result about nodes that only one side has; [`super::whole`] makes it. docs/diff-json.md documents it.

use super::model::{Change, FieldChange, NodeValues, Nodes, State};
use serde::{Deserialize, Serialize};

/// Nodes that only one side has and that are alike, shown against one that is there anyway, or else whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WholeNodes {
    pub nodes: Nodes,
    /// A node of the same side and the same roles; what follows is about how these nodes differ from it. Without one,
    /// `changes` are all that they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// How many entries each of them has.
    pub entries: usize,
    /// Entries that are those of `like` but for names, addresses and keys, and what they say of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<OwnEntry>,
    /// Where each node is: its addresses, and the hypervisor where the spec names one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_node: Vec<NodeValues>,
    /// In path order.
    pub changes: Vec<Change>,
}

impl WholeNodes {
    /// Whether the entry is another one than that of `like`, and not only by names, addresses and keys.
    pub fn differs(&self, path: &str) -> bool {
        self.changes.iter().any(|change| change.path == path)
    }

    /// How many entries are exactly those of `like`.
    pub fn same(&self) -> usize {
        let has = |change: &&Change| change.state != State::Removed;
        let differ = self.own.len() + self.changes.iter().filter(has).count();
        if self.like.is_some() { self.entries.saturating_sub(differ) } else { 0 }
    }
}

/// An entry that every node has in its own version; names in angle brackets stand for the node's own values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OwnEntry {
    pub path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}
