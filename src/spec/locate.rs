//! Spec path to bytes of the text.

use super::path::{SpecPath, Step};
use super::problem::{Place, Problem};
use super::yaml::{Kind, NodeId, Tree};
use std::ops::Range;

/// The bytes that `path` leads to, or those of the nearest place above it that the text has.
pub fn locate(text: &str, path: &SpecPath) -> Range<usize> {
    Locator::new(text).span(path, &Place::Value)
}

/// Finds many places in one text.
#[derive(Debug)]
pub struct Locator<'t> {
    text: &'t str,
    tree: Tree,
}

impl<'t> Locator<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, tree: Tree::parse(text).0 }
    }

    /// Where a problem is shown: one line of the text at most.
    pub fn problem(&self, problem: &Problem) -> Range<usize> {
        self.span(&problem.path, &problem.place)
    }

    fn span(&self, path: &SpecPath, place: &Place) -> Range<usize> {
        match place {
            Place::Bytes(bytes) => return self.first_line(bytes.clone()),
            Place::ValueOr(other) if !self.has(path) => return self.span(other, &Place::Value),
            _ => {}
        }
        let Some(mut id) = self.tree.root() else { return 0..0 };
        let (mut key, mut complete) = (None, true);
        for step in path.steps() {
            match self.step(id, step) {
                Some((step_key, child)) => (key, id) = (step_key, child),
                None => {
                    complete = false;
                    break;
                }
            }
        }
        let node = self.tree.node(id);
        let scalar = matches!(node.kind, Kind::Scalar { .. }) && !node.span.is_empty();
        match key {
            Some(key) if !scalar || !complete || *place == Place::Key => {
                self.first_line(self.tree.node(key).span.clone())
            }
            _ if scalar => self.first_line(node.span.clone()),
            _ => self.head(id),
        }
    }

    fn has(&self, path: &SpecPath) -> bool {
        let Some(root) = self.tree.root() else { return false };
        path.steps().iter().try_fold(root, |id, step| self.step(id, step).map(|(_, child)| child)).is_some()
    }

    fn step(&self, id: NodeId, step: &Step) -> Option<(Option<NodeId>, NodeId)> {
        match (&self.tree.node(id).kind, step) {
            (Kind::Mapping(entries), Step::Key(key)) => {
                entries.iter().find(|(id, _)| self.tree.text(*id) == Some(key)).map(|(key, value)| (Some(*key), *value))
            }
            (Kind::Sequence(items), Step::Index(index)) => items.get(*index).map(|item| (None, *item)),
            _ => None,
        }
    }

    /// What stands for a whole list item or document: its name if it has one, else its first key or word.
    fn head(&self, id: NodeId) -> Range<usize> {
        let node = self.tree.node(id);
        let inner = match &node.kind {
            Kind::Mapping(entries) => {
                let named = entries.iter().find(|(key, _)| self.tree.text(*key) == Some("name"));
                named.map(|(_, value)| *value).or(entries.first().map(|(key, _)| *key))
            }
            _ => None,
        };
        let span = inner.map_or(&node.span, |inner| &self.tree.node(inner).span);
        self.first_line(span.clone())
    }

    /// Cuts a span at the end of its first line.
    fn first_line(&self, span: Range<usize>) -> Range<usize> {
        let start = span.start.min(self.text.len());
        let end = span.end.clamp(start, self.text.len());
        let line = self.text.get(start..end).and_then(|text| text.lines().next());
        start..start + line.map_or(0, |line| line.trim_end().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "spec:\n  base: debian-13\n  nodes:\n    - name: a\n      roles: [worker]\n    - {name: b, labels:}\n";

    #[test]
    fn paths_lead_to_the_nearest_text() {
        let at = |path: SpecPath| &TEXT[locate(TEXT, &path)];
        assert_eq!(at(SpecPath::of("spec.base")), "debian-13");
        assert_eq!(at(SpecPath::of("spec.nodes")), "nodes");
        assert_eq!(at(SpecPath::node(1)), "b");
        assert_eq!(at(SpecPath::node(0).key("roles").index(0)), "worker");
        assert_eq!(at(SpecPath::node(0).key("addresses").key("cluster")), "a", "missing: the node's name");
        assert_eq!(at(SpecPath::node(1).key("labels")), "labels", "empty: its key");
        assert_eq!(at(SpecPath::of("spec.networks.api")), "spec");
        assert_eq!(locate("", &SpecPath::of("spec")), 0..0);
    }
}
