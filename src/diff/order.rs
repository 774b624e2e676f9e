//! In which order a deployment touches nodes: that of `kubi-deploy` where everything is healthy. `tests/deploy_order.json`
//! holds both against each other.
//!
//! etcd members and controllers one at a time and before any worker, so that no kubelet is ever newer than an API server;
//! workers first where Kubernetes goes back to an older minor version.

use super::facts::{Facts, NodeFacts};
use super::machines::{changed_networks, hypervisor};
use super::model::{DeployAction, DeployStep, State};
use crate::recipe::version_numbers;
use crate::spec::Role;
use std::collections::{BTreeMap, BTreeSet};

/// Steps for the nodes that are touched, and how. Without facts: by name, and removals last.
pub fn deployment(before: Option<&Facts>, after: Option<&Facts>, touched: &BTreeMap<String, State>) -> Vec<DeployStep> {
    let (Some(old), Some(new)) = (before, after) else { return by_name(touched) };
    let plan = Order::new(old, new, touched);
    let mut steps = removals(plan.moved.iter().map(String::as_str));
    if plan.all_at_once {
        steps.extend(together([0, 1, 2].iter().flat_map(|rank| plan.touched_of(*rank)).collect()));
        steps.extend(removals(plan.removed(true)).into_iter().chain(removals(plan.removed(false))));
        return steps;
    }
    let mut workers = together(plan.started(2, true));
    workers.extend(singly(plan.started(2, false)));
    if plan.goes_down {
        steps.append(&mut workers);
    }
    steps.extend(singly([plan.started(0, false), plan.started(1, false)].concat()));
    // etcd takes a new member in only when the list of members is the one that the new member was built with.
    steps.extend(removals(plan.removed(true)));
    steps.extend(singly([plan.started(0, true), plan.started(1, true)].concat()));
    steps.append(&mut workers);
    steps.extend(removals(plan.removed(false)));
    steps
}

struct Order<'a> {
    old: &'a Facts,
    new: &'a Facts,
    touched: &'a BTreeMap<String, State>,
    /// Nodes that live on another hypervisor from now on: their old machines go first.
    moved: BTreeSet<String>,
    /// Nothing runs that could be kept running.
    all_at_once: bool,
    /// Kubernetes goes back to an older minor version.
    goes_down: bool,
}

impl<'a> Order<'a> {
    fn new(old: &'a Facts, new: &'a Facts, touched: &'a BTreeMap<String, State>) -> Self {
        let changed = |node: &&NodeFacts| touched.get(node.name()) == Some(&State::Changed);
        let moves = |node: &&NodeFacts| {
            let other = old.node(node.name()).map(|other| hypervisor(old, other).name);
            other.is_some_and(|name| name != hypervisor(new, node).name)
        };
        let minor = |facts: &Facts| version_numbers(&facts.kubernetes).into_iter().take(2).collect::<Vec<_>>();
        Self {
            old,
            new,
            touched,
            moved: new.nodes.iter().filter(changed).filter(moves).map(|node| node.name().to_owned()).collect(),
            all_at_once: old.nodes.is_empty() || !changed_networks(old, new).is_empty(),
            goes_down: minor(new) < minor(old),
        }
    }

    /// Nodes of a rank that are made, or that are replaced.
    fn started(&self, wanted: u8, made: bool) -> Vec<&'a str> {
        self.touched_of(wanted).into_iter().filter(|name| self.is_made(name) == made).collect()
    }

    /// Nodes of a rank that start, new ones and others.
    fn touched_of(&self, wanted: u8) -> Vec<&'a str> {
        let nodes = self.new.nodes.iter().filter(|node| rank(node) == wanted).map(NodeFacts::name);
        nodes.filter(|name| self.touched.contains_key(*name)).collect()
    }

    fn is_made(&self, name: &str) -> bool {
        self.touched.get(name) == Some(&State::Added) || self.moved.contains(name)
    }

    /// Nodes that left the spec: members of etcd, or the others.
    fn removed(&self, members: bool) -> impl Iterator<Item = &'a str> {
        let is_member = |name: &str| self.old.node(name).is_some_and(|node| node.roles.contains(&Role::Etcd));
        let gone = self.touched.iter().filter(|(_, state)| **state == State::Removed).map(|(name, _)| name.as_str());
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

/// The nodes of a build in the order in which a deployment starts them.
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
