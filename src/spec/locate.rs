//! Spec path to bytes of the text.

use super::path::{SpecPath, Step};
use super::problem::{Place, Problem};
use super::yaml::{Kind, NodeId, Reader};
use std::ops::Range;

/// The bytes that `path` leads to, or those of the nearest place above it that the text has.
pub fn locate(text: &str, path: &SpecPath) -> Range<usize> {
    Locator::new(text).span(path, &Place::Value)
}

/// Finds many places in one text, which is read no further than they need.
pub struct Locator<'t> {
    text: &'t str,
    reader: Reader<'t>,
}

/// How far a path leads in what has been read.
struct Found {
    /// The key of the last step, where that was one of a mapping.
    key: Option<NodeId>,
    id: NodeId,
    complete: bool,
}

impl<'t> Locator<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, reader: Reader::new(text) }
    }

    /// Where a problem is shown: one line of the text at most.
    pub fn problem(&mut self, problem: &Problem) -> Range<usize> {
        self.span(&problem.path, &problem.place)
    }

    fn span(&mut self, path: &SpecPath, place: &Place) -> Range<usize> {
        if let Place::Bytes(bytes) = place {
            return self.first_line(bytes.clone());
        }
        let Some(found) = self.find(path) else { return 0..0 };
        if let (Place::ValueOr(other), false) = (place, found.complete) {
            return self.span(other, &Place::Value);
        }
        let Found { key, id, complete } = found;
        let node = self.reader.tree().node(id);
        let scalar = matches!(node.kind, Kind::Scalar { .. }) && !node.span.is_empty();
        match key {
            Some(key) if !scalar || !complete || *place == Place::Key => {
                self.first_line(self.reader.tree().node(key).span.clone())
            }
            _ if scalar => self.first_line(node.span.clone()),
            _ => self.head(id),
        }
    }

    /// Follows a path as far as the text has it, reading on until nothing that comes could change the answer.
    fn find(&mut self, path: &SpecPath) -> Option<Found> {
        const EVENTS: usize = 512;
        loop {
            let found = self.follow(path);
            let settled = found
                .as_ref()
                .is_some_and(|found| (found.complete && found.key.is_some()) || !self.reader.is_open(found.id));
            if settled || self.reader.ended() {
                return found;
            }
            self.reader.read(EVENTS);
        }
    }

    fn follow(&self, path: &SpecPath) -> Option<Found> {
        let mut found = Found { key: None, id: self.reader.tree().root()?, complete: true };
        for step in path.steps() {
            match self.step(found.id, step) {
                Some((key, id)) => (found.key, found.id) = (key, id),
                None => {
                    found.complete = false;
                    break;
                }
            }
        }
        Some(found)
    }

    fn step(&self, id: NodeId, step: &Step) -> Option<(Option<NodeId>, NodeId)> {
        match (&self.reader.tree().node(id).kind, step) {
            (Kind::Mapping(entries), Step::Key(key)) => entries
                .iter()
                .find(|(id, _)| self.reader.tree().text(*id) == Some(key))
                .map(|(key, value)| (Some(*key), *value)),
            (Kind::Sequence(items), Step::Index(index)) => items.get(*index).map(|item| (None, *item)),
            _ => None,
        }
    }

    /// What stands for a whole list item or document: its name if it has one, else its first key or word.
    fn head(&self, id: NodeId) -> Range<usize> {
        let node = self.reader.tree().node(id);
        let inner = match &node.kind {
            Kind::Mapping(entries) => {
                let named = entries.iter().find(|(key, _)| self.reader.tree().text(*key) == Some("name"));
                named.map(|(_, value)| *value).or(entries.first().map(|(key, _)| *key))
            }
            _ => None,
        };
        let span = inner.map_or(&node.span, |inner| &self.reader.tree().node(inner).span);
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

    /// However much of a text is read, the place is the one that the whole text gives.
    #[test]
    fn long_texts_are_read_as_far_as_needed() {
        let node = |i: usize| format!("    - {{name: node-{i}, roles: [worker], labels: {{a: b}}}}\n");
        let text = TEXT.to_owned() + &(2..2000).map(node).collect::<String>() + "  last: x\n";
        let read = |path: &SpecPath| {
            let mut locator = Locator::new(&text);
            let span = locator.span(path, &Place::Value);
            (text[span].to_owned(), locator.reader.ended())
        };
        assert_eq!(read(&SpecPath::of("spec.base")), ("debian-13".to_owned(), false));
        assert_eq!(read(&SpecPath::of("spec.nodes")), ("nodes".to_owned(), false));
        assert_eq!(read(&SpecPath::node(9)), ("node-9".to_owned(), false));
        assert_eq!(read(&SpecPath::node(9).key("machine")), ("node-9".to_owned(), false));
        assert_eq!(read(&SpecPath::of("spec.last")), ("x".to_owned(), true));
        assert_eq!(read(&SpecPath::of("spec.networks.api")), ("spec".to_owned(), true));
    }

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
