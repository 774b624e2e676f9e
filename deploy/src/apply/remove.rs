//! Taking a node out of the cluster. Its data disk stays.

use super::gates::console_files;
use super::{ApplyError, World, drain, node};
use crate::deployment::Role;
use crate::plan::Removal;
use crate::services::ServiceError;

pub fn remove(world: &World<'_>, removal: &Removal) -> Result<(), ApplyError> {
    let hypervisor = world.hypervisor(&removal.hypervisor)?;
    let pool = world.pool(&removal.hypervisor)?;
    world.say(&removal.node, format!("removing domain {} from {}", removal.domain, removal.hypervisor));
    if removal.moved_to.is_none() {
        forget_node(world, removal)?;
        forget_member(world, removal)?;
    }
    node::power_off(world, hypervisor, &removal.domain)?;
    // The volumes go first: without the domain, nobody would know that they are the cluster's.
    for volume in removal.root_volumes.iter().cloned().chain(console_files(&removal.domain)) {
        hypervisor.delete_volume(pool, &volume)?;
    }
    hypervisor.undefine_domain(&removal.domain)?;
    Ok(())
}

fn forget_member(world: &World<'_>, removal: &Removal) -> Result<(), ApplyError> {
    if !removal.etcd_member {
        return Ok(());
    }
    let members = world.services.etcd_members()?;
    for member in members.iter().filter(|member| member.name == removal.node) {
        world.say(&removal.node, "etcd forgets the member");
        world.services.etcd_remove(&member.id)?;
    }
    Ok(())
}

/// The build no longer says whether it was a Kubernetes node. An API that does not answer is only told of: what remains
/// can be deleted by hand.
fn forget_node(world: &World<'_>, removal: &Removal) -> Result<(), ApplyError> {
    let by_hand = |error: ServiceError| {
        let name = &removal.node;
        world.say(name, format!("its Node could not be deleted ({error}): kubectl delete node {name}"));
    };
    match world.services.nodes() {
        Ok(nodes) if nodes.iter().any(|node| node.name == removal.node) => {
            drain::leave(world, &removal.node, false)?;
            world.services.delete_node(&removal.node).unwrap_or_else(by_hand);
        }
        Ok(_) => {}
        Err(error) if world.build.deployment.nodes.iter().any(|node| node.has(Role::Controller)) => by_hand(error),
        Err(_) => {}
    }
    Ok(())
}
