//! Moving pods away from a node before it is replaced, and letting them come back.

use super::{ApplyError, World};
use crate::deployment::{Node, Role};
use crate::services::{Pod, ServiceError};
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);

/// Cordons a node that will be replaced and evicts its pods through the API, which respects disruption budgets.
pub fn drain(world: &World<'_>, node: &Node) -> Result<(), ApplyError> {
    let Some(name) = node.kubernetes_node() else { return Ok(()) };
    let drained = leave(world, name, node.has(Role::Controller));
    if drained.is_err() {
        undo(world, node);
    }
    drained
}

/// Moves pods away from a node, by its name in Kubernetes. A controller may be what keeps the API from answering.
pub fn leave(world: &World<'_>, name: &str, controller: bool) -> Result<(), ApplyError> {
    if world.limits.no_drain {
        return Ok(());
    }
    let failed = |source| ApplyError::CannotDrain { node: name.to_owned(), source };
    match has_alternative(world, name) {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        Err(_) if controller => return Ok(()),
        Err(source) => return Err(failed(source)),
    }
    world.say(name, "moving its pods away");
    world.services.cordon(name).map_err(failed)?;
    refuse_bare_pods(world, name)?;
    evict_all(world, name)
}

/// Pods have to have somewhere to go, and a node that is not there or not Ready runs none.
fn has_alternative(world: &World<'_>, name: &str) -> Result<bool, ServiceError> {
    let nodes = world.services.nodes()?;
    let ready = nodes.iter().any(|node| node.name == name && node.ready);
    Ok(ready && nodes.iter().any(|node| node.name != name && node.ready && node.schedulable))
}

fn refuse_bare_pods(world: &World<'_>, name: &str) -> Result<(), ApplyError> {
    if world.limits.force {
        return Ok(());
    }
    let pods = world.services.pods(name)?;
    let bare: Vec<&Pod> = pods.iter().filter(|pod| pod.owner.is_none() && !pod.stays()).collect();
    if bare.is_empty() {
        return Ok(());
    }
    Err(ApplyError::BarePods { node: name.to_owned(), pods: names(bare.into_iter()) })
}

fn evict_all(world: &World<'_>, name: &str) -> Result<(), ApplyError> {
    let start = world.clock.now();
    loop {
        let pods = world.services.pods(name)?;
        let going: Vec<&Pod> = pods.iter().filter(|pod| !pod.stays()).collect();
        if going.is_empty() {
            return Ok(());
        }
        for pod in going.iter().filter(|pod| !pod.leaving) {
            // One that a budget holds back is tried again.
            world.services.evict(pod)?;
        }
        if world.clock.now().saturating_sub(start) >= world.limits.drain {
            let (seconds, pods) = (world.limits.drain.as_secs(), names(going.into_iter()));
            return Err(ApplyError::DrainTimeout { node: name.to_owned(), seconds, pods });
        }
        world.clock.sleep(POLL);
    }
}

fn names<'a>(pods: impl Iterator<Item = &'a Pod>) -> String {
    pods.map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect::<Vec<_>>().join(", ")
}

/// Lets pods come to the node again, if it was kubi-deploy that kept them away.
pub fn undo(world: &World<'_>, node: &Node) {
    let Some(name) = node.kubernetes_node() else { return };
    if let Err(error) = world.services.uncordon(name) {
        world.say(&node.name, format!("could not be uncordoned ({error}): kubectl uncordon {name}"));
    }
}
