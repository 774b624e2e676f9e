//! Risks that show in versions and choices.

use super::evidence::{Evidence, Finding};
use crate::diff::facts::{ClassFacts, Facts, NodeFacts};
use crate::recipe::version_numbers;
use std::collections::{BTreeMap, BTreeSet};

/// etcd 3.5 from this release on can be upgraded to 3.6.
const LAST_STEP_TO_3_6: [u64; 3] = [3, 5, 26];

/// Programs of Kubernetes itself, whose versions `spec.components` may set one by one.
const KUBERNETES: [&str; 6] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"];

/// A version that is another one on some nodes.
struct Move<'a> {
    what: &'a str,
    from: &'a str,
    to: &'a str,
    /// Empty for the whole cluster.
    nodes: Vec<String>,
}

impl Move<'_> {
    fn finding(&self) -> Finding {
        Finding::nodes(self.nodes.clone(), format!("{} from {} to {}", self.what, self.from, self.to))
    }

    fn numbers(&self) -> (Vec<u64>, Vec<u64>) {
        (version_numbers(self.from), version_numbers(self.to))
    }
}

/// The cluster's version, or else that of single components of it.
fn kubernetes<'a>(evidence: &Evidence<'a>) -> Vec<Move<'a>> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    if before.kubernetes != after.kubernetes {
        let (from, to) = (before.kubernetes.as_str(), after.kubernetes.as_str());
        return vec![Move { what: "Kubernetes", from, to, nodes: Vec::new() }];
    }
    KUBERNETES.iter().flat_map(|name| components(before, after, name)).collect()
}

/// The component's versions on nodes where it is another one than before.
fn components<'a>(before: &'a Facts, after: &'a Facts, what: &'a str) -> Vec<Move<'a>> {
    let version = |class: &'a ClassFacts| class.components.get(what).map(|component| component.version.as_str());
    let moves = by_class(before, after, |old, new| version(old).zip(version(new)).filter(|(from, to)| from != to));
    moves.into_iter().map(|((from, to), nodes)| Move { what, from, to, nodes }).collect()
}

/// The nodes of both sides by what `moved` makes of their classes: nodes of the same ones move alike, and a thousand nodes
/// have few.
fn by_class<'a, T: Ord + Clone>(
    before: &'a Facts,
    after: &'a Facts,
    moved: impl Fn(&'a ClassFacts, &'a ClassFacts) -> Option<T>,
) -> BTreeMap<T, Vec<String>> {
    let mut known: BTreeMap<(usize, usize), Option<T>> = BTreeMap::new();
    let mut moves: BTreeMap<T, Vec<String>> = BTreeMap::new();
    for (old, new) in both(before, after) {
        let classes = || before.class(old).zip(after.class(new));
        let what =
            known.entry((old.class, new.class)).or_insert_with(|| classes().and_then(|(old, new)| moved(old, new)));
        if let Some(what) = what {
            moves.entry(what.clone()).or_default().push(new.name().to_owned());
        }
    }
    moves
}

/// Nodes that both sides have.
fn both<'a>(before: &'a Facts, after: &'a Facts) -> impl Iterator<Item = (&'a NodeFacts, &'a NodeFacts)> {
    let mut by_name: Option<BTreeMap<&str, &NodeFacts>> = None;
    after.nodes.iter().enumerate().filter_map(move |(at, new)| {
        // Most specs keep their order.
        let same = before.nodes.get(at).filter(|old| old.name() == new.name());
        let all = || before.nodes.iter().map(|node| (node.name(), node)).collect();
        let old = same.or_else(|| by_name.get_or_insert_with(all).get(new.name()).copied());
        Some((old?, new))
    })
}

pub fn minor_skipped(evidence: &Evidence<'_>) -> Vec<Finding> {
    let minor = |numbers: &[u64]| numbers.get(1).copied().unwrap_or_default();
    let skips = |one: &Move<'_>| minor(&one.numbers().1) > minor(&one.numbers().0) + 1;
    kubernetes(evidence).iter().filter(|one| skips(one)).map(Move::finding).collect()
}

/// Back to an older minor version, or (`patch`) to an older release of the same one.
fn down(evidence: &Evidence<'_>, patch: bool) -> Vec<Finding> {
    let minor = |numbers: &[u64]| numbers.iter().take(2).copied().collect::<Vec<_>>();
    let is_down = |one: &&Move<'_>| {
        let (old, new) = one.numbers();
        new < old && (minor(&new) == minor(&old)) == patch
    };
    kubernetes(evidence).iter().filter(is_down).map(Move::finding).collect()
}

pub fn downgrade(evidence: &Evidence<'_>) -> Vec<Finding> {
    down(evidence, false)
}

pub fn patch_downgrade(evidence: &Evidence<'_>) -> Vec<Finding> {
    down(evidence, true)
}

fn versions<'a>(facts: &'a Facts, component: &str) -> BTreeSet<&'a str> {
    let components = facts.classes.iter().filter_map(|class| class.components.get(component));
    components.map(|component| component.version.as_str()).collect()
}

pub fn etcd_edge(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    let mut findings = Vec::new();
    for old in versions(before, "etcd") {
        for new in versions(after, "etcd") {
            findings.extend(edge(old, new).map(|why| Finding::cluster(format!("etcd from {old} to {new}: {why}"))));
        }
    }
    findings
}

/// Why an upgrade of etcd is not possible.
fn edge(before: &str, after: &str) -> Option<&'static str> {
    let (old, new) = (version_numbers(before), version_numbers(after));
    let (old_minor, new_minor) = (*old.get(1)?, *new.get(1)?);
    match () {
        () if new < old && new_minor < old_minor => Some("a downgrade"),
        () if new_minor > old_minor + 1 => Some("it skips a minor version"),
        () if old_minor == 5 && new_minor == 6 && old < LAST_STEP_TO_3_6.to_vec() => {
            Some("3.6 needs 3.5.26 or newer first")
        }
        () => None,
    }
}

/// The recipes that a class has for a slot.
fn chosen(class: &ClassFacts, slot: &str) -> String {
    let own = class.recipes.iter().filter(|id| id.split('/').next() == Some(slot));
    own.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Nodes that get another recipe of a slot, by what they had and get.
fn slot(evidence: &Evidence<'_>, slot: &str) -> Vec<Finding> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    let moves = by_class(before, after, |old, new| {
        let (from, to) = (chosen(old, slot), chosen(new, slot));
        (!from.is_empty() && from != to).then_some((from, to))
    });
    let text = |from: &str, to: &str| format!("from {from} to {}", if to.is_empty() { "nothing" } else { to });
    moves.into_iter().map(|((from, to), nodes)| Finding::nodes(nodes, text(&from, &to))).collect()
}

/// Runtimes whose next major version reads another configuration and starts with images of its own.
const RUNTIMES: [&str; 3] = ["containerd", "crio", "kata"];

pub fn runtime_changed(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut found = slot(evidence, "runtime");
    if let Some((before, after)) = evidence.facts() {
        let moves = RUNTIMES.iter().flat_map(|name| components(before, after, name));
        let major = |one: &Move<'_>| one.numbers().0.first() != one.numbers().1.first();
        found.extend(moves.filter(major).map(|one| one.finding()));
    }
    found
}

pub fn cni_changed(evidence: &Evidence<'_>) -> Vec<Finding> {
    slot(evidence, "cni")
}
