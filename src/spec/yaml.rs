//! Text to a YAML tree that knows where everything stands. Used only once there is a problem to point at, so that a
//! correct spec never pays for it.
//!
//! Aliases share the node they name, so a tree is never larger than its text; who walks one must bound its own steps.

use super::limits;
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::BTreeMap;
use std::ops::Range;

/// Position of a node in its [`Tree`].
pub type NodeId = usize;

#[derive(Debug)]
pub struct Node {
    /// The bytes of a scalar; for a collection those from its start to its end.
    pub span: Range<usize>,
    pub kind: Kind,
}

#[derive(Debug, PartialEq)]
pub enum Kind {
    /// `plain`: not quoted, so that `null`, `true` and `1` are not texts.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<NodeId>),
    /// Keys and values in the order of the text; a key may come twice.
    Mapping(Vec<(NodeId, NodeId)>),
}

/// A YAML document with spans, or no node at all.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

/// A collection whose end has not come yet. `key` waits for its value.
struct Open {
    id: NodeId,
    key: Option<NodeId>,
}

/// Reads the first document piece by piece: who looks for a place near the beginning of a long text need not read it all.
pub struct Reader<'t> {
    events: Box<dyn Iterator<Item = Result<(Event<'t>, Span), ScanError>> + 't>,
    builder: Builder,
    ended: bool,
    error: Option<ScanError>,
}

impl<'t> Reader<'t> {
    pub fn new(text: &'t str) -> Self {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: limits::DEPTH,
            block_nesting_limit: limits::DEPTH,
        };
        let events = Box::new(Parser::new_from_str_with_options(text, options));
        Self { events, builder: Builder::default(), ended: false, error: None }
    }

    /// Reads on, up to so many events.
    pub fn read(&mut self, events: usize) {
        for _ in 0..events {
            match self.events.next().filter(|_| !self.ended) {
                None | Some(Ok((Event::DocumentEnd, _))) => self.ended = true,
                Some(Err(error)) => (self.ended, self.error) = (true, Some(error)),
                Some(Ok((event, span))) => self.builder.event(event, span.byte_range().unwrap_or(0..0)),
            }
            if self.ended {
                return;
            }
        }
    }

    pub fn ended(&self) -> bool {
        self.ended
    }

    /// What has been read so far.
    pub fn tree(&self) -> &Tree {
        &self.builder.tree
    }

    /// Whether more of a node may come.
    pub fn is_open(&self, id: NodeId) -> bool {
        !self.ended && self.builder.open.iter().any(|open| open.id == id)
    }
}

impl Tree {
    /// Reads the first document. On a syntax error: what was read up to there, and the error.
    pub fn parse(text: &str) -> (Self, Option<ScanError>) {
        let mut reader = Reader::new(text);
        while !reader.ended {
            reader.read(usize::MAX);
        }
        (reader.builder.tree, reader.error)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn root(&self) -> Option<NodeId> {
        self.root
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The text of a scalar, however quoted.
    pub fn text(&self, id: NodeId) -> Option<&str> {
        match &self.nodes[id].kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Builder {
    tree: Tree,
    open: Vec<Open>,
    anchors: BTreeMap<usize, NodeId>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Range<usize>) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let id = self.add(span, Kind::Scalar { text: text.into_owned(), plain }, anchor);
                self.place(id);
            }
            Event::SequenceStart(_, anchor, _) => self.start(span, Kind::Sequence(vec![]), anchor),
            Event::MappingStart(_, anchor, _) => self.start(span, Kind::Mapping(vec![]), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { id, .. }) = self.open.pop() {
                    self.tree.nodes[id].span.end = span.end.max(self.tree.nodes[id].span.start);
                }
            }
            Event::Alias(anchor) => {
                // The parser itself refuses aliases to anchors that it has not met.
                if let Some(&id) = self.anchors.get(&anchor) {
                    self.place(id);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, span: Range<usize>, kind: Kind, anchor: usize) -> NodeId {
        let id = self.tree.nodes.len();
        self.tree.nodes.push(Node { span, kind });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        id
    }

    fn start(&mut self, span: Range<usize>, kind: Kind, anchor: usize) {
        let id = self.add(span, kind, anchor);
        self.place(id);
        self.open.push(Open { id, key: None });
    }

    /// Hangs a node below the innermost open collection.
    fn place(&mut self, child: NodeId) {
        let Some(open) = self.open.last_mut() else {
            self.tree.root.get_or_insert(child);
            return;
        };
        match &mut self.tree.nodes[open.id].kind {
            Kind::Sequence(items) => items.push(child),
            Kind::Mapping(entries) => match open.key.take() {
                None => open.key = Some(child),
                Some(key) => entries.push((key, child)),
            },
            Kind::Scalar { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_those_of_the_text() {
        let text = "a: 'x y'\nb: &n [1, é]\nc: *n\n";
        let (tree, error) = Tree::parse(text);
        assert!(error.is_none());
        let Kind::Mapping(entries) = &tree.node(tree.root().unwrap()).kind else { panic!("a mapping") };
        assert_eq!(&text[tree.node(entries[0].1).span.clone()], "'x y'");
        assert_eq!(entries[1].1, entries[2].1, "an alias is its anchor");
        let Kind::Sequence(items) = &tree.node(entries[1].1).kind else { panic!("a sequence") };
        assert_eq!(&text[tree.node(items[1]).span.clone()], "é");
    }

    #[test]
    fn nesting_is_bounded_without_recursion() {
        let (_, error) = Tree::parse(&"[".repeat(100_000));
        assert!(error.is_some());
    }
}
