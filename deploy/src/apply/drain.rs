//! Moving pods away from a node before it is replaced, and letting them come back.

use super::{ApplyError, World};
use crate::deployment::{Node, Role};
use crate::services::{Pod, ServiceError};
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);

/// Cordons the node and evicts its pods through the API, which respects disruption budgets.
pub fn drain(world: &World<'_>, node: &Node) -> Result<(), ApplyError> {
    let Some(name) = node.kubernetes_node().filter(|_| !world.limits.no_drain) else { return Ok(()) };
    match has_alternative(world, name) {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        // A controller may be what keeps the API from answering.
        Err(_) if node.has(Role::Controller) => return Ok(()),
        Err(source) => return Err(ApplyError::CannotDrain { node: node.name.clone(), source }),
    }
    let failed = |source| ApplyError::CannotDrain { node: node.name.clone(), source };
    world.say(&node.name, "moving its pods away");
    world.services.cordon(name).map_err(failed)?;
    let drained = refuse_bare_pods(world, node, name).and_then(|()| evict_all(world, node, name));
    if drained.is_err() {
        undo(world, node);
    }
    drained
}

/// Pods have to have somewhere to go, and a node that is not there or not Ready runs none.
fn has_alternative(world: &World<'_>, name: &str) -> Result<bool, ServiceError> {
    let nodes = world.services.nodes()?;
    let ready = nodes.iter().any(|node| node.name == name && node.ready);
    Ok(ready && nodes.iter().any(|node| node.name != name && node.ready && node.schedulable))
}

fn refuse_bare_pods(world: &World<'_>, node: &Node, name: &str) -> Result<(), ApplyError> {
    if world.limits.force {
        return Ok(());
    }
    let pods = world.services.pods(name)?;
    let bare: Vec<&Pod> = pods.iter().filter(|pod| pod.owner.is_none() && !pod.stays()).collect();
    if bare.is_empty() {
        return Ok(());
    }
    Err(ApplyError::BarePods { node: node.name.clone(), pods: names(bare.into_iter()) })
}

fn evict_all(world: &World<'_>, node: &Node, name: &str) -> Result<(), ApplyError> {
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
            return Err(ApplyError::DrainTimeout { node: node.name.clone(), seconds, pods });
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
