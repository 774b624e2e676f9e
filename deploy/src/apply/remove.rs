//! Taking a node out of the cluster. Its data disk stays.

use super::{ApplyError, World, node};
use crate::plan::Removal;

pub fn remove(world: &World<'_>, removal: &Removal) -> Result<(), ApplyError> {
    let hypervisor = world.hypervisor(&removal.hypervisor)?;
    let pool = world.pool(&removal.hypervisor)?;
    world.say(&removal.node, format!("removing domain {} from {}", removal.domain, removal.hypervisor));
    if removal.moved_to.is_none() {
        forget_member(world, removal)?;
        forget_node(world, removal);
    }
    node::power_off(world, hypervisor, &removal.domain)?;
    // The volumes go first: without the domain, nobody would know that they are the cluster's.
    for volume in &removal.root_volumes {
        hypervisor.delete_volume(pool, volume)?;
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

/// The build no longer says whether it was a Kubernetes node; deleting one that is not there does no harm. Its pods are
/// made again elsewhere by what made them.
fn forget_node(world: &World<'_>, removal: &Removal) {
    let Ok(nodes) = world.services.nodes() else { return };
    if !nodes.iter().any(|node| node.name == removal.node) {
        return;
    }
    if let Err(error) = world.services.cordon(&removal.node) {
        world.say(&removal.node, format!("could not be cordoned: {error}"));
    }
    if let Err(error) = world.services.delete_node(&removal.node) {
        world.say(
            &removal.node,
            format!("the Node could not be deleted ({error}): kubectl delete node {}", removal.node),
        );
    }
}
