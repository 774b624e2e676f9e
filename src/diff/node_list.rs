//! What happens to each node, and how many there are of what.

use super::compare::{Sides, Trees};
use super::effect::{Placed, effects};
use super::entries::Pair;
use super::facts::{Facts, NodeFacts};
use super::machines::{Hypervisors, changed_networks};
use super::model::{DeployAction, DeployStep, Diff, Effect, EntryChange, NodeDiff, Severity, State, Summary};
use super::side::{Side, SideEntry, SideError};
use crate::tree::Digest;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

impl Sides<'_> {
    /// Every node that is added, removed or changed.
    pub fn nodes(
        &self,
        names: &BTreeSet<String>,
        order: &[String],
        mut trees: Trees,
    ) -> Result<Vec<NodeDiff>, SideError> {
        let (old_facts, new_facts) = (self.old.map(Index::of), self.new.map(Index::of));
        let networks = self.old.zip(self.new).is_some_and(|(old, new)| !changed_networks(old, new).is_empty());
        let wanted: Vec<&String> = order.iter().filter(|name| names.contains(*name)).collect();
        let taken: Vec<(&String, Vec<Pair>)> =
            wanted.into_iter().map(|name| (name, trees.remove(name).unwrap_or_default())).collect();
        let describe = |(name, pairs): &(&String, Vec<Pair>)| -> Result<Option<NodeDiff>, SideError> {
            let old = old_facts.as_ref().and_then(|side| side.placed(name));
            let new = new_facts.as_ref().and_then(|side| side.placed(name));
            let is_old = self.before.nodes().contains_key(*name);
            let is_new = self.after.nodes().contains_key(*name);
            let (state, effects) = match (is_old, is_new) {
                (false, _) => (State::Added, vec![Effect::Create]),
                (_, false) => (State::Removed, vec![Effect::Remove]),
                _ => (State::Changed, effects(old, new, !pairs.is_empty(), networks)),
            };
            if effects.is_empty() {
                return Ok(None);
            }
            let entries = match state {
                State::Added => whole(self.after.entries(name)?, State::Added),
                State::Removed => whole(self.before.entries(name)?, State::Removed),
                _ => pairs.iter().map(Pair::change).collect(),
            };
            let roles = new.or(old).map(|placed| placed.node.roles.clone()).unwrap_or_default();
            let before = if is_old { self.bundle(self.before, name)? } else { None };
            let after = if is_new { self.bundle(self.after, name)? } else { None };
            Ok(Some(NodeDiff { name: (*name).clone(), state, roles, before, after, effects, entries }))
        };
        let all: Vec<Result<Option<NodeDiff>, SideError>> = taken.par_iter().map(describe).collect();
        Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Known of what was built; else computed only where it is asked for.
    fn bundle(&self, side: &dyn Side, name: &str) -> Result<Option<Digest>, SideError> {
        match side.nodes().get(name).and_then(|key| key.bundle) {
            None if self.options.bundles => side.bundle(name),
            known => Ok(known),
        }
    }
}

struct Index<'a> {
    facts: &'a Facts,
    nodes: BTreeMap<&'a str, &'a NodeFacts>,
    hypervisors: Hypervisors,
}

impl<'a> Index<'a> {
    fn of(facts: &'a Facts) -> Self {
        let nodes = facts.nodes.iter().map(|node| (node.name(), node)).collect();
        Self { facts, nodes, hypervisors: Hypervisors::of(facts) }
    }

    fn placed(&self, name: &str) -> Option<Placed<'_>> {
        let Self { facts, nodes, hypervisors } = self;
        let node = nodes.get(name)?;
        Some(Placed { facts, node, class: facts.class(node)?, hypervisors })
    }
}

fn whole(entries: Vec<SideEntry>, state: State) -> Vec<EntryChange> {
    let one = |entry: SideEntry| {
        let facts = Some(entry.facts());
        let (before, after) = if state == State::Added { (None, facts) } else { (facts, None) };
        EntryChange { path: entry.path, state, renamed_from: None, before, after }
    };
    entries.into_iter().map(one).collect()
}

/// Nodes that a deployment starts or replaces.
pub fn replaced(steps: &[DeployStep]) -> Vec<String> {
    let starts = steps.iter().filter(|step| step.action == DeployAction::Start);
    starts.flat_map(|step| step.nodes.clone()).collect()
}

/// Nodes as the deployment comes to them; of one that moves, where it starts.
pub fn in_order(mut nodes: Vec<NodeDiff>, steps: &[DeployStep]) -> Vec<NodeDiff> {
    let names = steps.iter().flat_map(|step| step.nodes.iter().map(String::as_str));
    let rank: BTreeMap<&str, usize> = names.enumerate().map(|(at, name)| (name, at)).collect();
    nodes.sort_by_key(|node| rank.get(node.name.as_str()).copied());
    nodes
}

pub fn summary(diff: &Diff, nodes: usize) -> Summary {
    let in_state = |state: State| diff.nodes.iter().filter(|node| node.state == state).count();
    let changed = diff.nodes.iter().filter(|node| node.state == State::Changed);
    let entries: Vec<State> = changed.flat_map(|node| &node.entries).map(|entry| entry.state).collect();
    let count = |state: State| entries.iter().filter(|other| **other == state).count();
    let risks = |severity: Severity| diff.risks.iter().filter(|risk| risk.severity == severity).count();
    Summary {
        nodes_added: in_state(State::Added),
        nodes_removed: in_state(State::Removed),
        nodes_changed: in_state(State::Changed),
        nodes_same: nodes - diff.nodes.len(),
        entries_added: count(State::Added),
        entries_removed: count(State::Removed),
        entries_changed: count(State::Changed),
        entries_renamed: count(State::Renamed),
        risks_high: risks(Severity::High),
        risks_medium: risks(Severity::Medium),
        risks_low: risks(Severity::Low),
    }
}
