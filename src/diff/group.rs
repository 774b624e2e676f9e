//! The same change on many nodes is one change; what differs per node is a pattern where it is one.

use super::facts::Facts;
use super::masks::{Masks, Values, replace, without_hashes};
use super::model::{Change, ChangeKind, FieldChange, Group, Line, LineKind, NodeValues, Nodes};
use super::names::ranges;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A change and the nodes that have exactly it.
#[derive(Debug)]
pub struct Found {
    pub nodes: Vec<String>,
    pub change: Change,
}

/// Names nodes, in the order given.
pub fn nodes(names: Vec<String>) -> Nodes {
    Nodes { text: ranges(&names), names }
}

/// Joins changes that are alike once each node's own values are taken out of them, and sorts them by nodes.
pub fn group(found: Vec<Found>, before: Option<&Facts>, after: Option<&Facts>, order: &[String]) -> Vec<Group> {
    let rank: BTreeMap<&str, usize> = order.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let rank_of = |name: &String| (rank.get(name.as_str()).copied().unwrap_or(usize::MAX), name.clone());
    let patterns = patterns(&found, before, after);
    let mut alike: BTreeMap<String, Vec<(Found, Change)>> = BTreeMap::new();
    for (one, (key, pattern)) in found.into_iter().zip(patterns) {
        alike.entry(key).or_default().push((one, pattern));
    }
    let mut by_nodes: BTreeMap<Vec<(usize, String)>, Vec<Change>> = BTreeMap::new();
    for (_, mut alike) in alike {
        alike.sort_by_cached_key(|(one, _)| one.nodes.first().map(rank_of));
        let mut names: Vec<(usize, String)> = alike.iter().flat_map(|(one, _)| &one.nodes).map(rank_of).collect();
        names.sort();
        by_nodes.entry(names).or_default().extend(join(alike));
    }
    let mut groups: Vec<Group> = by_nodes
        .into_iter()
        .map(|(names, mut changes)| {
            changes.sort_by(|a, b| a.path.cmp(&b.path));
            Group { nodes: nodes(names.into_iter().map(|(_, name)| name).collect()), changes }
        })
        .collect();
    // What holds for most nodes comes first; the map has given the rest its order.
    groups.sort_by_key(|group| std::cmp::Reverse(group.nodes.names.len()));
    groups
}

/// Each change without its node's own values, and what it is joined by.
fn patterns(found: &[Found], before: Option<&Facts>, after: Option<&Facts>) -> Vec<(String, Change)> {
    let shared = Shared::of(found);
    let (old, new) = (Masks::of(before), Masks::of(after));
    let one = |one: &Found| {
        let pattern = match one.nodes.as_slice() {
            [node] => pattern(&one.change, &shared, &old.values(node), &new.values(node)),
            _ => one.change.clone(),
        };
        (key(&pattern), pattern)
    };
    found.par_iter().map(one).collect()
}

/// One change for all that are alike: the change itself where there is one, else the pattern with each node's values.
pub fn join(alike: Vec<(Found, Change)>) -> Option<Change> {
    let several = alike.len() > 1;
    let shows = alike.iter().any(|(one, pattern)| shows_pattern(&one.change, pattern));
    let per_node = match several && shows {
        true => alike.iter().flat_map(|(one, pattern)| node_values(one, pattern)).collect(),
        false => Vec::new(),
    };
    let (first, pattern) = alike.into_iter().next()?;
    let hunks = if shows { pattern.hunks } else { first.change.hunks.clone() };
    Some(match several {
        true => Change { pattern: shows, per_node, hunks, ..pattern },
        false => first.change,
    })
}

/// What the pattern hides of a change, for each of its nodes.
fn node_values(found: &Found, pattern: &Change) -> Vec<NodeValues> {
    let told = |field: &FieldChange| !matches!(field.kind, ChangeKind::Rotated | ChangeKind::Derived);
    let fields = found.change.fields.iter().zip(&pattern.fields);
    let fields: Vec<FieldChange> =
        fields.filter(|(own, shown)| own != shown && told(own)).map(|(own, _)| own.clone()).collect();
    let lines = lines(&found.change).zip(lines(pattern));
    let lines: Vec<Line> = lines.filter(|(own, shown)| own.text != shown.text).map(|(own, _)| own.clone()).collect();
    let values = |node: &String| NodeValues { node: node.clone(), fields: fields.clone(), lines: lines.clone() };
    found.nodes.iter().map(values).collect()
}

/// Changed lines that no field tells of.
pub fn lines(change: &Change) -> impl Iterator<Item = &Line> {
    let all = change.fields.is_empty();
    let hunks = change.hunks.iter().enumerate().filter(move |(at, _)| all || change.untold.contains(at));
    hunks.flat_map(|(_, hunk)| &hunk.lines).filter(|line| line.kind != LineKind::Same)
}

/// Equal for changes that are shown as one. Where they come from is looked up for all nodes together, and lines around a
/// change may name other nodes.
pub fn key(pattern: &Change) -> String {
    let lines: Vec<_> = lines(pattern).map(|line| (line.kind, &line.text)).collect();
    let Change { path, state, renamed_from, format, tags, fields, .. } = pattern;
    format!("{:?}", (path, state, renamed_from, format, tags, fields, lines))
}

/// How many nodes have literally the same field or line of a file. What several have is no node's own, whatever
/// addresses are in it.
#[derive(Default)]
pub struct Shared<'a>(BTreeMap<Literal<'a>, usize>);

/// A field or a line of a file, by the file's path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Literal<'a> {
    Field(&'a str, &'a FieldChange),
    Line(&'a str, LineKind, &'a str),
}

impl<'a> Literal<'a> {
    fn field(change: &'a Change, field: &'a FieldChange) -> Self {
        Self::Field(&change.path, field)
    }

    fn line(change: &'a Change, line: &'a Line) -> Self {
        Self::Line(&change.path, line.kind, &line.text)
    }
}

impl<'a> Shared<'a> {
    pub fn of(found: impl IntoIterator<Item = &'a Found>) -> Self {
        let mut counts: BTreeMap<Literal<'_>, usize> = BTreeMap::new();
        for Found { nodes, change } in found {
            let lines = change.hunks.iter().flat_map(|hunk| &hunk.lines).map(|line| Literal::line(change, line));
            let fields = change.fields.iter().map(|field| Literal::field(change, field));
            let literals: BTreeSet<Literal<'_>> = fields.chain(lines).collect();
            literals.into_iter().for_each(|literal| *counts.entry(literal).or_default() += nodes.len());
        }
        Self(counts)
    }

    fn has(&self, literal: Literal<'_>) -> bool {
        self.0.get(&literal).is_some_and(|count| *count > 1)
    }
}

/// The change of one node with names for those of its values that no other node has.
pub fn pattern(literal: &Change, shared: &Shared<'_>, old: &Values, new: &Values) -> Change {
    let mut change = literal.clone();
    for field in change.fields.iter_mut() {
        if !shared.has(Literal::field(literal, field)) {
            *field = pattern_of(field, old, new);
        }
    }
    // Where fields tell it, nobody reads the lines as a pattern.
    let all = change.fields.is_empty();
    let hunks = change.hunks.iter_mut().enumerate().filter(|(at, _)| all || literal.untold.contains(at));
    for line in hunks.flat_map(|(_, hunk)| &mut hunk.lines) {
        let text = without_hashes(&replace(&replace(&line.text, new), old));
        if text != line.text && !shared.has(Literal::line(literal, line)) {
            line.text = text;
            line.emphasis.clear();
        }
    }
    change
}

/// Whether a reader sees names in the place of values.
fn shows_pattern(literal: &Change, pattern: &Change) -> bool {
    let told = |field: &&FieldChange| !matches!(field.kind, ChangeKind::Rotated | ChangeKind::Derived);
    let fields = |change: &Change| -> Vec<FieldChange> { change.fields.iter().filter(told).cloned().collect() };
    let paths = |change: &Change| -> Vec<String> { change.fields.iter().map(|field| field.path.clone()).collect() };
    let lines = lines(literal).ne(lines(pattern));
    fields(literal) != fields(pattern) || paths(literal) != paths(pattern) || lines
}

fn pattern_of(field: &FieldChange, old: &Values, new: &Values) -> FieldChange {
    let mut field = field.clone();
    field.path = replace(&replace(&field.path, new), old);
    if matches!(field.kind, ChangeKind::Rotated | ChangeKind::Derived) {
        // Fingerprints of keys: every node has its own, and none of them tells a reader anything.
        let generation = |text: &Option<String>| text.clone().filter(|text| text.starts_with("generation "));
        (field.before, field.after) = (generation(&field.before), generation(&field.after));
        return field;
    }
    field.before = field.before.map(|text| without_hashes(&replace(&text, old)));
    field.after = field.after.map(|text| without_hashes(&replace(&text, new)));
    field
}
