//! What matchers look at, and ways to look at it.

use crate::diff::compare::Options;
use crate::diff::facts::Facts;
use crate::diff::keys::MovedKeys;
use crate::diff::model::{Change, ChangeKind, Diff, FieldChange, State};
use crate::spec::Role;
use std::collections::BTreeSet;

/// Everything that is known when risks are judged.
#[derive(Debug)]
pub struct Evidence<'a> {
    pub diff: &'a Diff,
    pub before: Option<&'a Facts>,
    pub after: Option<&'a Facts>,
    /// Keys that the spec or a sealed file moves.
    pub keys: MovedKeys,
    pub options: &'a Options,
}

/// A place where a risk shows.
#[derive(Debug)]
pub struct Finding {
    /// Empty for the whole cluster.
    pub nodes: Vec<String>,
    pub path: Option<String>,
    pub text: String,
}

impl Finding {
    pub fn cluster(text: impl Into<String>) -> Self {
        Self { nodes: Vec::new(), path: None, text: text.into() }
    }

    pub fn nodes(nodes: Vec<String>, text: impl Into<String>) -> Self {
        Self { nodes, path: None, text: text.into() }
    }
}

impl<'a> Evidence<'a> {
    /// Every change of a file, with the nodes that have it.
    pub fn changes(&self) -> impl Iterator<Item = (&'a [String], &'a Change)> + use<'a> {
        let groups = self.diff.groups.iter();
        groups.flat_map(|group| group.changes.iter().map(|change| (group.nodes.names.as_slice(), change)))
    }

    /// Every field of files that both sides have.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [String], &'a Change, &'a FieldChange)> + use<'a> {
        let both = self.changes().filter(|(_, change)| matches!(change.state, State::Changed | State::Renamed));
        both.flat_map(|(nodes, change)| change.fields.iter().map(move |field| (nodes, change, field)))
    }

    /// A finding for each field that `wanted` accepts and puts into words.
    pub fn find(&self, wanted: impl Fn(&Change, &FieldChange) -> Option<String>) -> Vec<Finding> {
        let finding = |(nodes, change, field): (&[String], &Change, &FieldChange)| {
            let text = wanted(change, field)?;
            Some(Finding { nodes: nodes.to_vec(), path: Some(change.path.clone()), text })
        };
        self.fields().filter_map(finding).collect()
    }

    /// The spec key with exactly this path, if it moved.
    pub fn moved(&self, path: &str) -> Option<&'a FieldChange> {
        self.diff.spec.iter().find(|change| change.path == path)
    }

    pub fn facts(&self) -> Option<(&'a Facts, &'a Facts)> {
        self.before.zip(self.after)
    }

    /// Names of the nodes with a role, before and after.
    pub fn with_role(&self, role: Role) -> Option<(BTreeSet<&'a str>, BTreeSet<&'a str>)> {
        let (before, after) = self.facts()?;
        Some((before.with_role(role).into_iter().collect(), after.with_role(role).into_iter().collect()))
    }
}

/// `1.36.3 → 1.36.4`, in words that need no arrow.
pub fn from_to(field: &FieldChange) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    match field.kind {
        ChangeKind::Added => format!("{} is added", text(&field.after)),
        ChangeKind::Removed => format!("{} is removed", text(&field.before)),
        _ => format!("from {} to {}", text(&field.before), text(&field.after)),
    }
}
