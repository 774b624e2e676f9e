//! What has to be there before a node is taken down: another API server for a controller, enough other workers for a worker.
//!
//! The plan was made a while ago: this looks at how things are now.

use super::{ApplyError, World};
use crate::deployment::{Node, Role, Wait};
use std::collections::BTreeSet;
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);
/// How long others may take to be there before a node is taken down.
const PATIENCE: Duration = Duration::from_secs(60);

/// Comes back when another API server answers, or when this one does not answer anyway.
pub fn keep_an_api(world: &World<'_>, node: &Node) -> Result<(), ApplyError> {
    let others: Vec<&Node> = world.build.deployment.nodes.iter().filter(|other| other.name != node.name).collect();
    if others.iter().all(|other| api_server(other).is_none()) || !answers(world, node) {
        return Ok(());
    }
    patiently(world, || match others.iter().any(|other| answers(world, other)) {
        true => Ok(()),
        false => Err(ApplyError::LastApi { node: node.name.clone() }),
    })
}

/// Comes back when no more workers are missed at once than may be, counting those that are not Ready for other reasons.
pub fn keep_workers(world: &World<'_>, batch: &[&Node]) -> Result<(), ApplyError> {
    let batch: BTreeSet<&str> = batch.iter().filter(|node| is_worker(node)).map(|node| node.name.as_str()).collect();
    if batch.is_empty() {
        return Ok(());
    }
    patiently(world, || {
        // An API that does not answer is the drain's business, which is asked to do without it or fails.
        let Ok(nodes) = world.services.nodes() else { return Ok(()) };
        let ready = |name: &str| nodes.iter().any(|node| node.name == name && node.ready);
        let workers = world.build.deployment.nodes.iter().filter(|node| is_worker(node)).map(|node| node.name.as_str());
        let missing: Vec<&str> = workers.filter(|name| !batch.contains(name) && !ready(name)).collect();
        // Those that are missed already are not missed more.
        let going = batch.iter().filter(|name| ready(name)).count();
        if going == 0 || missing.len() + going <= world.limits.max_unavailable {
            return Ok(());
        }
        let (nodes, missing) = (batch.iter().copied().collect::<Vec<_>>().join(", "), missing.join(", "));
        Err(ApplyError::TooFewWorkers { nodes, missing, limit: world.limits.max_unavailable })
    })
}

fn is_worker(node: &Node) -> bool {
    !node.has(Role::Controller) && node.kubernetes_node().is_some()
}

fn api_server(node: &Node) -> Option<&Wait> {
    node.wait_for.iter().find(|wait| matches!(wait, Wait::ApiServer { .. }))
}

fn answers(world: &World<'_>, node: &Node) -> bool {
    api_server(node).is_some_and(|wait| world.services.holds(wait).is_ok())
}

fn patiently(world: &World<'_>, check: impl Fn() -> Result<(), ApplyError>) -> Result<(), ApplyError> {
    let start = world.clock.now();
    loop {
        match check() {
            Err(error) if world.clock.now().saturating_sub(start) >= PATIENCE => return Err(error),
            Err(_) => world.clock.sleep(POLL),
            Ok(()) => return Ok(()),
        }
    }
}
