//! What a deployment must do to each node (docs/deploy-json.md).

use super::facts::{ClassFacts, Facts, NodeFacts};
use super::machines::{changed_networks, hypervisor};
use super::model::Effect;

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
    if shape(old) != shape(new) || !changed_networks(old.facts, new.facts).is_empty() {
        effects.push(Effect::NewMachine);
    }
    effects.extend(data_at_risk(old, new).map(|reason| Effect::DataAtRisk { reason }));
    effects
}

/// What a domain is defined by, save its images.
fn shape(placed: Placed<'_>) -> impl PartialEq {
    let machine = &placed.class.machine;
    let disks = (machine.boot, machine.data);
    (machine.cpus, machine.memory, disks, hypervisor(placed.facts, placed.node))
}

fn data_at_risk(old: Placed<'_>, new: Placed<'_>) -> Option<String> {
    let size = old.class.machine.data?;
    let (from, to) = (hypervisor(old.facts, old.node), hypervisor(new.facts, new.node));
    let left_behind = match () {
        () if from.name != to.name => {
            Some(format!("its data disk stays on hypervisor {}; on {} it starts with an empty one", from.name, to.name))
        }
        () if from.uri != to.uri => Some(format!(
            "hypervisor {} is at {} instead of {}: where that is another machine, its data disk stays behind",
            to.name, to.uri, from.uri
        )),
        () if from.pool != to.pool => Some(format!(
            "its data disk stays in storage pool {}; in {} it starts with an empty one",
            from.pool, to.pool
        )),
        () => None,
    };
    left_behind.or_else(|| match new.class.machine.data {
        None => Some(format!("its data disk of {size} is not attached any more")),
        Some(smaller) if smaller < size => Some(format!("its data disk of {size} would have to shrink to {smaller}")),
        Some(_) => None,
    })
}
