//! What libvirt is told otherwise: domains and networks, where both sides have their XML.

use super::compare::Sides;
use super::group::Found;
use super::model::{Change, State};
use super::semantic::compare;
use super::side::SideError;
use rayon::prelude::*;
use std::collections::BTreeSet;

impl Sides<'_> {
    /// Domains by node, and networks, which are of no node.
    pub fn libvirt(&self, names: &BTreeSet<String>) -> Result<Vec<Found>, SideError> {
        let (old, new) = (self.before.libvirt_files(), self.after.libvirt_files());
        if old.is_empty() || new.is_empty() {
            return Ok(Vec::new());
        }
        let paths: BTreeSet<&String> =
            old.keys().chain(new.keys()).filter(|path| old.get(*path) != new.get(*path)).collect();
        let wanted: Vec<&String> =
            paths.into_iter().filter(|path| node(path).is_none_or(|node| names.contains(node))).collect();
        let read = |path: &&String| -> Result<Option<Found>, SideError> {
            let before = old.get(*path).map(|_| self.before.libvirt_file(path)).transpose()?;
            let after = new.get(*path).map(|_| self.after.libvirt_file(path)).transpose()?;
            Ok(found(path, before.as_deref(), after.as_deref()))
        };
        let all: Vec<Result<Option<Found>, SideError>> = wanted.par_iter().map(read).collect();
        Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}

/// The node of `domains/<node>.xml`.
fn node(path: &str) -> Option<&str> {
    path.strip_prefix("domains/")?.strip_suffix(".xml")
}

fn found(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<Found> {
    let state = match (before, after) {
        (None, _) => State::Added,
        (_, None) => State::Removed,
        _ => State::Changed,
    };
    // Whole new or lost machines say so by their nodes.
    if state != State::Changed && node(path).is_some() {
        return None;
    }
    let (before, after) = (before.map(without_digests), after.map(without_digests));
    if before == after {
        return None;
    }
    let compared = compare(path, before.as_deref().map(str::as_bytes), after.as_deref().map(str::as_bytes));
    let shown = node(path).map_or_else(|| path.to_owned(), |_| "domain".to_owned());
    let change = Change::new(shown, state, compared);
    Some(Found { nodes: node(path).map(str::to_owned).into_iter().collect(), change })
}

/// Names of images and bundles hold digests, which follow from what is in them.
fn without_digests(xml: &[u8]) -> String {
    let text = String::from_utf8_lossy(xml);
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let shown = |word: &str| {
        let end = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len();
        if is_digest(&word[..end]) { format!("DIGEST{}", &word[end..]) } else { word.to_owned() }
    };
    words.map(shown).collect()
}
