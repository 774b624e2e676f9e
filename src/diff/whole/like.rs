//! Which node another one is shown against: one with the same roles, chosen by what else they have in common.

use crate::diff::facts::{Facts, NodeFacts};
use crate::diff::inputs::pruned;
use std::collections::BTreeMap;

/// Keys of a node's spec in which all nodes differ.
const OWN: [&str; 4] = ["name", "addresses", "podCIDR", "hypervisor"];

/// For each of the nodes another one: one that is there anyway, or else the first of these with its roles, which itself has
/// none. Without facts nobody knows roles: the first one stands for all.
pub fn likes<'a>(
    facts: Option<&'a Facts>,
    wanted: &[&'a str],
    is_there: impl Fn(&str) -> bool,
) -> BTreeMap<&'a str, &'a str> {
    let Some(facts) = facts else {
        let first = wanted.first().copied().unwrap_or_default();
        return wanted.iter().skip(1).map(|name| (*name, first)).collect();
    };
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for node in facts.nodes.iter().filter(|node| is_there(node.name())) {
        for key in keys(node) {
            known.entry(key).or_insert(node.name());
        }
    }
    let by_name: BTreeMap<&str, &NodeFacts> = facts.nodes.iter().map(|node| (node.name(), node)).collect();
    let mut likes = BTreeMap::new();
    for node in wanted.iter().filter_map(|name| by_name.get(name)) {
        let keys = keys(node);
        match keys.iter().find_map(|key| known.get(key)) {
            Some(like) => {
                likes.insert(node.name(), *like);
            }
            None => known.extend(keys.into_iter().map(|key| (key, node.name()))),
        }
    }
    likes
}

/// What nodes may have in common, the most first.
fn keys(node: &NodeFacts) -> [String; 3] {
    let mut spec = pruned(&node.spec);
    if let Some(object) = spec.as_object_mut() {
        object.retain(|key, _| !OWN.contains(&key.as_str()));
    }
    let (roles, class) = (&node.roles, node.class);
    [format!("{roles:?} {class} {spec}"), format!("{roles:?} {class}"), format!("{roles:?}")]
}
