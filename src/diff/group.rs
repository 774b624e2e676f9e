//! The same change on many nodes is one change; what differs per node is a pattern where it is one.

use super::facts::{Facts, NodeFacts};
use super::model::{Change, ChangeKind, FieldChange, Group, LineKind, Nodes};
use super::names::ranges;
use crate::spec::addressing::host;
use std::collections::BTreeMap;

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
    let mut patterns: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for one in found {
        let key = key(&one, before, after);
        patterns.entry(key).or_default().push(one);
    }
    let rank: BTreeMap<&str, usize> = order.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let rank_of = |name: &String| (rank.get(name.as_str()).copied().unwrap_or(usize::MAX), name.clone());
    let mut by_nodes: BTreeMap<Vec<(usize, String)>, Vec<Change>> = BTreeMap::new();
    for (_, alike) in patterns {
        let mut names: Vec<(usize, String)> = alike.iter().flat_map(|one| &one.nodes).map(rank_of).collect();
        names.sort();
        let several = alike.len() > 1;
        let Some(first) = alike.into_iter().min_by_key(|one| one.nodes.first().map(rank_of)) else { continue };
        let change = if several { pattern(&first, before, after) } else { first.change };
        by_nodes.entry(names).or_default().push(change);
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

/// Equal for changes that are shown as one.
fn key(found: &Found, before: Option<&Facts>, after: Option<&Facts>) -> String {
    let change = if found.nodes.len() == 1 { pattern(found, before, after) } else { found.change.clone() };
    // Where it comes from is looked up for all nodes together.
    let Change { path, state, renamed_from, format, tags, fields, hunks, origin: _, why: _, pattern: _, weakened: _ } =
        change;
    // Where there are fields, lines say the same with more noise. Lines around a change may name other nodes.
    let changed = hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.kind != LineKind::Same);
    let lines: Vec<_> = changed.filter(|_| fields.is_empty()).map(|line| (line.kind, &line.text)).collect();
    format!("{:?}", (path, state, renamed_from, format, tags, &fields, lines))
}

/// The change with names for the values of its first node.
fn pattern(found: &Found, before: Option<&Facts>, after: Option<&Facts>) -> Change {
    let node = found.nodes.first().map_or("", String::as_str);
    let (old, new) = (values(before, node), values(after, node));
    let mut change = found.change.clone();
    for field in &mut change.fields {
        *field = pattern_of(field, &old, &new);
    }
    // Where there are fields, nobody reads the lines as a pattern.
    let hunks = if change.fields.is_empty() { change.hunks.as_mut_slice() } else { &mut [] };
    for hunk in hunks {
        for line in &mut hunk.lines {
            let text = without_hashes(&replace(&replace(&line.text, &new), &old));
            if text != line.text {
                line.text = text;
                line.emphasis.clear();
            }
        }
    }
    change.pattern = shows_pattern(&found.change, &change);
    if !change.pattern {
        change.hunks.clone_from(&found.change.hunks);
    }
    change
}

/// Whether a reader sees names in the place of values.
fn shows_pattern(literal: &Change, pattern: &Change) -> bool {
    let told = |field: &&FieldChange| !matches!(field.kind, ChangeKind::Rotated | ChangeKind::Derived);
    let fields = |change: &Change| -> Vec<FieldChange> { change.fields.iter().filter(told).cloned().collect() };
    let paths = |change: &Change| -> Vec<String> { change.fields.iter().map(|field| field.path.clone()).collect() };
    let lines = literal.fields.is_empty() && literal.hunks != pattern.hunks;
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

/// A node's own values and what stands for them, the longest first.
type Values = Vec<(String, &'static str)>;

fn values(facts: Option<&Facts>, name: &str) -> Values {
    let mut values: Values = vec![(name.to_owned(), "<node>")];
    if let Some(node) = facts.and_then(|facts| facts.node(name)) {
        values.extend(addresses(node));
    }
    values.retain(|(value, _)| !value.is_empty());
    values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    values
}

fn addresses(node: &NodeFacts) -> Values {
    let pods: Option<ipnet::Ipv4Net> = node.pod_cidr.parse().ok();
    let gateway = pods.and_then(|pods| host(pods, 1)).map(|address| address.to_string()).unwrap_or_default();
    vec![
        (node.spec.addresses.cluster.to_string(), "<cluster address>"),
        (node.spec.addresses.management.to_string(), "<management address>"),
        (node.pod_cidr.clone(), "<pod network>"),
        (gateway, "<pod gateway>"),
    ]
}

/// Puts names in the place of values, where these stand as whole words.
fn replace(text: &str, values: &Values) -> String {
    let mut text = text.to_owned();
    for (value, name) in values {
        let mut at = 0;
        while let Some(found) = text[at..].find(value.as_str()).map(|found| at + found) {
            let end = found + value.len();
            if is_whole(&text, found, end) {
                text.replace_range(found..end, name);
                at = found + name.len();
            } else {
                at = end;
            }
        }
    }
    text
}

/// Whether `start..end` is neither a part of a longer word nor of a longer address.
fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut before = text[..start].chars().rev();
    let mut after = text[end..].chars();
    let (left, right) = (before.next(), after.next());
    let dotted = |dot: Option<char>, next: Option<char>| dot == Some('.') && next.is_some_and(|c| c.is_ascii_digit());
    !left.is_some_and(word) && !right.is_some_and(word) && !dotted(left, before.next()) && !dotted(right, after.next())
}

/// Long runs of hexadecimal digits are digests, another one on every node.
fn without_hashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_hexdigit()).map_or(rest.len(), |length| start + length);
        out.push_str(&rest[..start]);
        out.push_str(if end - start >= 32 { "<digest>" } else { &rest[start..end] });
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_values_are_replaced() {
        let values: Values = vec![("192.168.24.2".into(), "<cluster address>"), ("w-1".into(), "<node>")];
        let check = |text: &str, expected: &str| assert_eq!(replace(text, &values), expected);
        check("192.168.24.2", "<cluster address>");
        check("192.168.24.21 192.168.24.2:2379 1.192.168.24.2", "192.168.24.21 <cluster address>:2379 1.192.168.24.2");
        check("w-1 w-10 system:node:w-1 w-1.example aw-1", "<node> w-10 system:node:<node> <node>.example aw-1");
        let digest = "ab".repeat(32);
        assert_eq!(without_hashes(&format!("instance {digest}, cafe")), "instance <digest>, cafe");
    }
}
