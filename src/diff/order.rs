//! In which order a deployment touches nodes: that of `kubi-deploy` where everything is healthy. `tests/deploy_order.json`
//! holds both against each other.
//!
//! etcd members and controllers one at a time and before any worker, so that no kubelet is ever newer than an API server;
//! workers first where Kubernetes goes back to an older minor version. etcd grows before it shrinks.

use super::facts::{Facts, NodeFacts};
use super::machines::changed_networks;
use super::model::{DeployAction, DeployStep, State};
use crate::recipe::version_numbers;
use crate::spec::Role;
use std::collections::{BTreeMap, BTreeSet};

/// Steps for the nodes that are touched, and how. Without facts: by name, and removals last.
pub fn deployment(before: Option<&Facts>, after: Option<&Facts>, touched: &BTreeMap<String, State>) -> Vec<DeployStep> {
    let (Some(old), Some(new)) = (before, after) else { return by_name(touched) };
    let plan = Order::new(old, new, touched);
    if old.nodes.is_empty() {
        // Nothing runs that could be kept running.
        return together(plan.starting(|_| true));
    }
    let new_member = |node: &NodeFacts| plan.is_made(node) && rank(node) == 0;
    // What is on a network that changes is off by then.
    let cut_off = |node: &NodeFacts| plan.network_changes && !new_member(node);
    let left = |wanted: &[u8], made: bool| {
        plan.starting(|node| !cut_off(node) && wanted.contains(&rank(node)) && plan.is_made(node) == made)
    };
    let mut steps = together(plan.starting(cut_off));
    let mut workers = together(left(&[2], true));
    workers.extend(singly(left(&[2], false)));
    if plan.goes_down {
        steps.append(&mut workers);
    }
    steps.extend(plan.members(left(&[0], true), singly(left(&[0, 1], false))));
    steps.extend(singly(left(&[1], true)));
    steps.append(&mut workers);
    steps.extend(removals(plan.removed(false)));
    steps
}

struct Order<'a> {
    old: &'a Facts,
    new: &'a Facts,
    touched: &'a BTreeMap<String, State>,
    network_changes: bool,
    /// Kubernetes goes back to an older minor version.
    goes_down: bool,
}

impl<'a> Order<'a> {
    fn new(old: &'a Facts, new: &'a Facts, touched: &'a BTreeMap<String, State>) -> Self {
        let minor = |facts: &Facts| version_numbers(&facts.kubernetes).into_iter().take(2).collect::<Vec<_>>();
        let network_changes = !changed_networks(old, new).is_empty();
        Self { old, new, touched, network_changes, goes_down: minor(new) < minor(old) }
    }

    /// Nodes that start: etcd members, other controllers, the rest; in the spec's order within a rank.
    fn starting(&self, wanted: impl Fn(&NodeFacts) -> bool) -> Vec<&'a str> {
        let mut nodes: Vec<&NodeFacts> =
            self.new.nodes.iter().filter(|node| self.touched.contains_key(node.name()) && wanted(node)).collect();
        nodes.sort_by_key(|node| rank(node)); // stable
        nodes.into_iter().map(NodeFacts::name).collect()
    }

    /// Nodes that there were none of; one that moves is not.
    fn is_made(&self, node: &NodeFacts) -> bool {
        self.touched.get(node.name()) == Some(&State::Added)
    }

    /// etcd grows before it shrinks, and before members that are well are replaced: there is more to spare then. A member
    /// whose address a new one takes over goes first.
    fn members(&self, new: Vec<&'a str>, replaced: Vec<DeployStep>) -> Vec<DeployStep> {
        let address = |facts: &Facts, name: &str| facts.node(name).map(|node| node.spec.addresses.cluster);
        let taken: BTreeSet<_> = new.iter().filter_map(|name| address(self.new, name)).collect();
        let is_taken = |name: &&str| address(self.old, name).is_some_and(|address| taken.contains(&address));
        let (first, later): (Vec<&str>, Vec<&str>) = self.removed(true).partition(is_taken);
        let mut steps = removals(first.into_iter());
        let mut leaving = later.into_iter();
        for name in new {
            steps.extend(singly(vec![name]));
            steps.extend(removals(leaving.next().into_iter()));
        }
        steps.extend(replaced);
        steps.extend(removals(leaving));
        steps
    }

    /// Nodes that left the spec: members of etcd, or the others.
    fn removed(&self, members: bool) -> impl Iterator<Item = &'a str> {
        let (old, touched) = (self.old, self.touched);
        let is_member = move |name: &str| old.node(name).is_some_and(|node| node.roles.contains(&Role::Etcd));
        let gone = touched.iter().filter(|(_, state)| **state == State::Removed).map(|(name, _)| name.as_str());
        gone.filter(move |name| is_member(name) == members)
    }
}

/// etcd members, then other controllers, then the rest.
pub fn rank(node: &NodeFacts) -> u8 {
    match (node.roles.contains(&Role::Etcd), node.roles.contains(&Role::Controller)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

/// The nodes of a build in the order of their ranks.
pub fn start_order(facts: &Facts) -> Vec<String> {
    let mut nodes: Vec<&NodeFacts> = facts.nodes.iter().collect();
    nodes.sort_by_key(|node| rank(node)); // stable: the spec's order within a rank
    nodes.into_iter().map(|node| node.name().to_owned()).collect()
}

fn step(action: DeployAction, nodes: &[&str]) -> DeployStep {
    DeployStep { action, nodes: nodes.iter().map(|name| (*name).to_owned()).collect() }
}

fn singly(names: Vec<&str>) -> Vec<DeployStep> {
    names.iter().map(|name| step(DeployAction::Start, &[name])).collect()
}

fn together(names: Vec<&str>) -> Vec<DeployStep> {
    if names.is_empty() { Vec::new() } else { vec![step(DeployAction::Start, &names)] }
}

fn removals<'a>(names: impl Iterator<Item = &'a str>) -> Vec<DeployStep> {
    names.map(|name| step(DeployAction::Remove, &[name])).collect()
}

fn by_name(touched: &BTreeMap<String, State>) -> Vec<DeployStep> {
    let of = |removed: bool| {
        let names = touched.iter().filter(move |(_, state)| (**state == State::Removed) == removed);
        names.map(|(name, _)| name.as_str())
    };
    let mut steps = singly(of(false).collect());
    steps.extend(removals(of(true)));
    steps
}
