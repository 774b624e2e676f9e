//! What a deployment must do to each node, and in which order it does it (docs/deploy-json.md).

use super::facts::{ClassFacts, Facts, NodeFacts};
use super::model::Effect;
use crate::spec::Role;

/// The nodes of a build in the order in which a deployment starts or replaces them.
pub fn replacement_order(facts: &Facts) -> Vec<String> {
    let rank = |node: &&NodeFacts| match (node.roles.contains(&Role::Etcd), node.roles.contains(&Role::Controller)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    let mut nodes: Vec<&NodeFacts> = facts.nodes.iter().collect();
    nodes.sort_by_key(rank); // stable: the spec's order within a rank
    nodes.into_iter().map(|node| node.name().to_owned()).collect()
}

/// One node of a side: its facts, with those of its class and of the whole.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    pub facts: &'a Facts,
    pub node: &'a NodeFacts,
    pub class: &'a ClassFacts,
}

/// What a node that both sides have must go through. `tree` says whether its tree is another one.
pub fn effects(before: Option<Placed<'_>>, after: Option<Placed<'_>>, tree: bool) -> Vec<Effect> {
    let mut effects = Vec::new();
    let pair = before.zip(after);
    let (old, new) = match pair {
        Some((old, new)) => (old, new),
        None => return if tree { vec![Effect::NewOverlay] } else { Vec::new() },
    };
    let base = |placed: Placed<'_>| placed.facts.base.as_ref().map(|base| base.digest.clone());
    let (machine, other) = (&old.class.machine, &new.class.machine);
    if tree || base(old) != base(new) || machine.root != other.root {
        effects.push(Effect::NewOverlay);
    }
    if old.class.artifacts != new.class.artifacts {
        effects.push(Effect::NewArtifactDisk);
    }
    let shape = |placed: Placed<'_>| {
        let machine = &placed.class.machine;
        (machine.cpus, machine.memory, machine.boot, machine.data, placed.node.spec.hypervisor.clone())
    };
    if shape(old) != shape(new) {
        effects.push(Effect::NewMachine);
    }
    effects.extend(data_at_risk(old, new).map(|reason| Effect::DataAtRisk { reason }));
    effects
}

fn data_at_risk(old: Placed<'_>, new: Placed<'_>) -> Option<String> {
    let size = old.class.machine.data?;
    let hypervisor =
        |placed: Placed<'_>| placed.node.spec.hypervisor.clone().unwrap_or_else(|| "the only one".to_owned());
    if hypervisor(old) != hypervisor(new) {
        let (from, to) = (hypervisor(old), hypervisor(new));
        return Some(format!("its data disk stays on hypervisor {from}; on {to} it starts with an empty one"));
    }
    match new.class.machine.data {
        None => Some(format!("its data disk of {size} is not attached any more")),
        Some(smaller) if smaller < size => Some(format!("its data disk of {size} would have to shrink to {smaller}")),
        Some(_) => None,
    }
}
