//! What an earlier `deploy.json` says of nodes that have not changed since, line by line: taken over instead of made again.

use super::input::NodeInput;
use std::collections::{BTreeMap, BTreeSet};

/// Between the lists of images and of nodes, and before and after them.
pub const IMAGES: &str = "[\n";
pub const NODES: &str = "  ],\n  \"nodes\": [\n";
pub const END: &str = "  ]\n}\n";

/// The lines of a `deploy.json` that kubi has written.
#[derive(Clone, Debug, Default)]
pub struct Kept<'a> {
    nodes: BTreeMap<&'a str, &'a str>,
    images: BTreeMap<&'a str, &'a str>,
    changed: BTreeSet<&'a str>,
}

impl<'a> Kept<'a> {
    /// Nothing is taken over of nodes that have `changed`. All else that lines are made from must be as it was.
    pub fn new(text: &'a str, changed: impl IntoIterator<Item = &'a str>) -> Self {
        let lists = text.strip_suffix(END).and_then(|text| text.split_once(NODES));
        let (images, nodes) = lists.unwrap_or_default();
        Self {
            nodes: nodes.lines().filter_map(|line| of(line, "{\"name\":\"")).collect(),
            images: images.lines().filter_map(|line| of(line, "{\"file\":\"")).collect(),
            changed: changed.into_iter().collect(),
        }
    }

    /// Whether the text had a node of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.nodes.contains_key(name)
    }

    pub(super) fn node(&self, node: &NodeInput) -> Option<&'a str> {
        self.nodes.get(node.name.as_str()).copied().filter(|_| !self.changed.contains(node.name.as_str()))
    }

    /// The line of the image that is the node's overlay.
    pub(super) fn overlay(&self, node: &NodeInput) -> Option<&'a str> {
        self.node(node).and_then(|_| self.images.get(node.overlay.file.as_str()).copied())
    }
}

/// What a line is of, and the line without the comma that may follow it.
fn of<'a>(line: &'a str, key: &str) -> Option<(&'a str, &'a str)> {
    let name = line.strip_prefix(key)?.split('"').next()?;
    Some((name, line.strip_suffix(',').unwrap_or(line)))
}
