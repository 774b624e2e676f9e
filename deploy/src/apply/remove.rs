//! Taking a node out of the cluster. Its data disk stays.

use super::gates::console_files;
use super::{ApplyError, World, drain, node, quorum};
use crate::deployment::Role;
use crate::plan::{OldMember, Removal};
use crate::services::ServiceError;

/// A node that left the spec, or what is left of one that lives elsewhere by now.
pub fn remove(world: &World<'_>, removal: &Removal) -> Result<(), ApplyError> {
    let hypervisor = world.hypervisor(&removal.hypervisor)?;
    world.say(&removal.node, format!("removing domain {} from {}", removal.domain, removal.hypervisor));
    if removal.moved_to.is_none() {
        forget_node(world, removal)?;
        if removal.etcd_member {
            leave_etcd(world, removal)?;
        }
    }
    node::power_off(world, hypervisor, &removal.domain)?;
    clear(world, removal)
}

/// The volumes go first: without the domain, nobody would know that they are the cluster's.
pub fn clear(world: &World<'_>, removal: &Removal) -> Result<(), ApplyError> {
    let hypervisor = world.hypervisor(&removal.hypervisor)?;
    let pool = world.pool(&removal.hypervisor)?;
    for volume in removal.root_volumes.iter().cloned().chain(console_files(&removal.domain)) {
        hypervisor.delete_volume(pool, &volume)?;
    }
    Ok(hypervisor.undefine_domain(&removal.domain)?)
}

/// Without etcd's answer the member would stay in its list, and count for every quorum from then on.
fn leave_etcd(world: &World<'_>, removal: &Removal) -> Result<(), ApplyError> {
    if world.hypervisor(&removal.hypervisor)?.is_running(&removal.domain)? {
        quorum::protect(world, &removal.node)?;
    }
    quorum::dismiss(world, &removal.node, |member| member.name == removal.node)
}

/// A network that no domain is on any more.
pub fn remove_network(world: &World<'_>, hypervisor: &str, network: &str) -> Result<(), ApplyError> {
    let libvirt = world.hypervisor(hypervisor)?;
    let state = libvirt.observe(world.pool(hypervisor)?)?;
    if let Some(domain) = state.domains.iter().find(|domain| domain.networks.contains(network)) {
        world.say(hypervisor, format!("keeps network {network}, which domain {} is on", domain.name));
        return Ok(());
    }
    world.say(hypervisor, format!("removing network {network}"));
    Ok(libvirt.remove_network(network)?)
}

/// A member that nobody runs any more.
pub fn forget_member(world: &World<'_>, old: &OldMember) -> Result<(), ApplyError> {
    quorum::dismiss(world, old.label(), |member| member.id == old.id)
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
