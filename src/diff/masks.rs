//! What differs from node to node by nature: its name, its addresses, digests. Names in angle brackets stand for them.

use super::facts::{Facts, NodeFacts};
use crate::libvirt::identity::mac;
use crate::spec::addressing::host;
use std::collections::BTreeMap;

/// A node's own values and what stands for them, the longest first.
pub type Values = Vec<(String, &'static str)>;

/// The values of the nodes of one side.
pub struct Masks<'a> {
    cluster: &'a str,
    nodes: BTreeMap<&'a str, &'a NodeFacts>,
}

impl<'a> Masks<'a> {
    pub fn of(facts: Option<&'a Facts>) -> Self {
        let nodes = facts.into_iter().flat_map(|facts| &facts.nodes).map(|node| (node.name(), node));
        Self { cluster: facts.map_or("", |facts| &facts.cluster), nodes: nodes.collect() }
    }

    pub fn values(&self, name: &str) -> Values {
        let mut values: Values = vec![(name.to_owned(), "<node>")];
        if let Some(node) = self.nodes.get(name) {
            values.extend(addresses(node));
            values.push((mac(self.cluster, name, "cluster"), "<cluster MAC>"));
            values.push((mac(self.cluster, name, "management"), "<management MAC>"));
        }
        values.retain(|(value, _)| !value.is_empty());
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        values
    }
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
pub fn replace(text: &str, values: &Values) -> String {
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
pub fn without_hashes(text: &str) -> String {
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
