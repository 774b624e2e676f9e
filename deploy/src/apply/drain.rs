//! Moving pods away from a node before it is replaced, and letting them come back.

use super::{ApplyError, World};
use crate::deployment::{Node, Role};
use crate::services::{NodeInfo, Pod, ServiceError};
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);
/// How long the API may be away while nothing else is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Cordons a node that will be replaced and evicts its pods through the API, which respects disruption budgets.
pub fn drain(world: &World<'_>, node: &Node) -> Result<(), ApplyError> {
    let Some(name) = node.kubernetes_node() else { return Ok(()) };
    leave(world, name, node.has(Role::Controller))
}

/// Moves pods away from a node, by its name in Kubernetes. A controller may be what keeps the API from answering. A node that
/// is not left is in use again.
pub fn leave(world: &World<'_>, name: &str, controller: bool) -> Result<(), ApplyError> {
    if world.limits.no_drain {
        return Ok(());
    }
    let failed = |source| ApplyError::CannotDrain { node: name.to_owned(), source };
    match patiently(world, || world.services.nodes()) {
        Ok(nodes) if has_alternative(&nodes, name) => {}
        Ok(_) => return Ok(()),
        Err(_) if controller => return Ok(()),
        Err(source) => return Err(failed(source)),
    }
    world.say(name, "moving its pods away");
    let left = patiently(world, || world.services.cordon(name)).map_err(failed);
    let left = left.and_then(|()| refuse_bare_pods(world, name)).and_then(|()| evict_all(world, name));
    if left.is_err() {
        uncordon(world, name);
    }
    left
}

/// Pods have to have somewhere to go, and a node that is not there or not Ready runs none.
fn has_alternative(nodes: &[NodeInfo], name: &str) -> bool {
    let ready = nodes.iter().any(|node| node.name == name && node.ready);
    ready && nodes.iter().any(|node| node.name != name && node.ready && node.schedulable && !node.tainted)
}

fn refuse_bare_pods(world: &World<'_>, name: &str) -> Result<(), ApplyError> {
    if world.limits.force {
        return Ok(());
    }
    let pods = patiently(world, || world.services.pods(name))?;
    let bare: Vec<&Pod> = pods.iter().filter(|pod| pod.owner.is_none() && !pod.stays()).collect();
    if bare.is_empty() {
        return Ok(());
    }
    Err(ApplyError::BarePods { node: name.to_owned(), pods: names(bare.into_iter()) })
}

fn evict_all(world: &World<'_>, name: &str) -> Result<(), ApplyError> {
    let start = world.clock.now();
    loop {
        let late = world.clock.now().saturating_sub(start) >= world.limits.drain;
        match evict_once(world, name) {
            Ok(left) if left.is_empty() => return Ok(()),
            Ok(left) if late => {
                let (node, seconds, pods) = (name.to_owned(), world.limits.drain.as_secs(), describe(&left));
                return Err(ApplyError::DrainTimeout { node, seconds, pods });
            }
            Err(error) if late || !error.is_passing() => return Err(error.into()),
            _ => world.clock.sleep(POLL),
        }
    }
}

/// A pod that was still there, and what holds it back.
type Left = (Pod, Option<String>);

fn describe(left: &[Left]) -> String {
    let describe = |(pod, held): &Left| match held {
        Some(reason) => format!("{} ({reason})", label(pod)),
        None => label(pod),
    };
    left.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// Asks every pod to go that is not going yet, and gives those that were still there. One that a budget holds back is asked
/// again the next time.
fn evict_once(world: &World<'_>, name: &str) -> Result<Vec<Left>, ServiceError> {
    let pods = world.services.pods(name)?;
    let ask = |pod: Pod| {
        let held = if pod.leaving { None } else { world.services.evict(&pod)? };
        Ok((pod, held))
    };
    pods.into_iter().filter(|pod| !pod.stays()).map(ask).collect()
}

/// An API server that is being replaced, or elects a leader, answers again in a moment.
pub fn patiently<T>(world: &World<'_>, call: impl Fn() -> Result<T, ServiceError>) -> Result<T, ServiceError> {
    let start = world.clock.now();
    loop {
        match call() {
            Err(error) if error.is_passing() && world.clock.now().saturating_sub(start) < PATIENCE => {
                world.clock.sleep(POLL);
            }
            answer => return answer,
        }
    }
}

fn names<'a>(pods: impl Iterator<Item = &'a Pod>) -> String {
    pods.map(label).collect::<Vec<_>>().join(", ")
}

fn label(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

/// Lets pods come to the node again, if it was kubi-deploy that kept them away.
pub fn undo(world: &World<'_>, node: &Node) {
    if let Some(name) = node.kubernetes_node() {
        uncordon(world, name);
    }
}

/// The same by the node's name in Kubernetes.
pub fn uncordon(world: &World<'_>, name: &str) {
    if let Err(error) = patiently(world, || world.services.uncordon(name)) {
        world.say(name, format!("could not be uncordoned ({error}): kubectl uncordon {name}"));
    }
}
