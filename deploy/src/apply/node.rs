//! Creating, replacing and starting nodes: always with a new throw-away layer, never changing a disk in place.

use super::{ApplyError, World, availability, drain, gates, quorum};
use crate::definition::{Placement, definition};
use crate::deployment::{Accelerator, Format, Node};
use crate::hypervisor::{Hypervisor, NewVolume};
use crate::mark::Mark;
use crate::observed::Pool;
use crate::plan::{Action, NodeChange, stand_ins};
use std::time::Duration;

const POLL: Duration = Duration::from_secs(1);

/// Boots one batch, then waits until all of it is healthy. `careful` when a cluster runs that must go on running.
pub fn boot_all(world: &World<'_>, changes: &[NodeChange], careful: bool) -> Result<(), ApplyError> {
    let nodes: Vec<(&NodeChange, &Node)> =
        changes.iter().filter_map(|change| Some((change, world.build.deployment.node(&change.node)?))).collect();
    if careful {
        let going: Vec<&Node> = nodes.iter().filter(|(change, _)| change.healthy).map(|(_, node)| *node).collect();
        availability::keep_workers(world, &going)?;
    }
    for (change, node) in &nodes {
        if change.action == Action::Wait {
            continue;
        }
        if careful {
            quorum::protect(world, node)?;
            availability::keep_an_api(world, node)?;
        }
        // Nobody moves anything where nothing runs.
        if careful && change.drain {
            drain::drain(world, node)?;
        }
        if change.join_etcd {
            quorum::join(world, node)?;
        }
        boot(world, change, node)?;
    }
    for (change, node) in &nodes {
        gates::wait(world, node, change.old_boot.as_deref())?;
        let hypervisor = world.hypervisor(&change.hypervisor)?;
        hypervisor.set_mark(&node.domain.name, &Mark { healthy: true, ..mark(world, node) })?;
        drain::undo(world, node);
        world.say(&node.name, "healthy");
    }
    Ok(())
}

/// As of a start.
fn mark(world: &World<'_>, node: &Node) -> Mark {
    Mark {
        cluster: world.build.deployment.cluster.clone(),
        identity: world.build.deployment.identity.clone(),
        node: node.name.clone(),
        bundle: node.bundle.clone(),
        build: world.build.number,
        kubernetes: Some(world.build.deployment.kubernetes_version.clone()),
        definition: world.build.definition(node),
        old_boot: None,
        healthy: false,
        etcd: node.etcd.as_ref().map(|member| member.management_url.clone()),
    }
}

/// Power off, new layer, new definition, power on. The mark comes with the definition, after the layer: a node that was
/// interrupted here still has its old mark, and is replaced again.
fn boot(world: &World<'_>, change: &NodeChange, node: &Node) -> Result<(), ApplyError> {
    let hypervisor = world.hypervisor(&node.hypervisor)?;
    let pool_name = world.pool(&node.hypervisor)?;
    let state = hypervisor.observe(pool_name)?;
    let stand_ins = stand_ins(world.build, &node.hypervisor, &state);
    let pool = state
        .pool
        .filter(|pool| pool.active)
        .ok_or_else(|| ApplyError::PoolGone { hypervisor: node.hypervisor.clone(), pool: pool_name.to_owned() })?;
    if let Some(domain) = state.domains.iter().find(|domain| domain.name == node.domain.name) {
        // Somebody may have been here since the plan was made.
        if domain.uuid != node.domain.uuid || !domain.belongs_to(&world.build.deployment) {
            let (hypervisor, domain) = (node.hypervisor.clone(), domain.name.clone());
            return Err(ApplyError::NotOwn { hypervisor, domain });
        }
        power_off(world, hypervisor, &node.domain.name)?;
    }
    let accelerated = world.build.deployment.hypervisor(&node.hypervisor).map(|h| h.accelerator);
    let placement = Placement {
        pool: pool_name,
        networks: &stand_ins,
        pool_directory: &pool.directory,
        emulate: accelerated == Some(Accelerator::Kvm) && !state.kvm && world.limits.emulate,
        join_etcd: change.join_etcd,
    };
    let mark = Mark { old_boot: change.old_boot.clone(), ..mark(world, node) };
    let xml = definition(world.build.domain_xml(node), &mark, &placement)
        .map_err(|source| ApplyError::Definition { node: node.name.clone(), source })?;
    data_disk(world, hypervisor, pool_name, &pool, node)?;
    new_layer(hypervisor, pool_name, &pool, node)?;
    hypervisor.define_domain(&xml)?;
    world.say(&node.name, "starting");
    Ok(hypervisor.start_domain(&node.domain.name)?)
}

/// Asks the guest first, so that file systems are clean; then cuts the power.
pub fn power_off(world: &World<'_>, hypervisor: &dyn Hypervisor, domain: &str) -> Result<(), ApplyError> {
    if !hypervisor.is_running(domain)? {
        return Ok(());
    }
    world.say(domain, "shutting down");
    // A guest that does not listen is no error: it gets its time, then the power is cut.
    let _ = hypervisor.shutdown_domain(domain);
    let start = world.clock.now();
    while hypervisor.is_running(domain)? {
        if world.clock.now().saturating_sub(start) >= world.limits.shutdown {
            world.say(domain, "does not shut down by itself: cutting the power");
            break;
        }
        world.clock.sleep(POLL);
    }
    Ok(hypervisor.stop_domain(domain)?)
}

/// Made once, grown when the spec says so, and never otherwise touched.
fn data_disk(
    world: &World<'_>,
    hypervisor: &dyn Hypervisor,
    pool_name: &str,
    pool: &Pool,
    node: &Node,
) -> Result<(), ApplyError> {
    let Some(data) = &node.disks.data else { return Ok(()) };
    match pool.volumes.get(&data.volume) {
        None => {
            world.say(&node.name, format!("making its data disk {}", data.volume));
            let volume =
                NewVolume { name: data.volume.clone(), format: data.format, capacity: Some(data.size), backing: None };
            hypervisor.create_volume(pool_name, &volume)?;
        }
        Some(volume) if volume.capacity < data.size => {
            world.say(&node.name, format!("growing its data disk to {} bytes", data.size));
            hypervisor.grow_volume(pool_name, &data.volume, data.size)?;
        }
        Some(_) => {}
    }
    Ok(())
}

fn new_layer(hypervisor: &dyn Hypervisor, pool_name: &str, pool: &Pool, node: &Node) -> Result<(), ApplyError> {
    let root = &node.disks.root;
    hypervisor.delete_volume(pool_name, &root.volume)?;
    let overlay = format!("{}/{}", pool.directory.trim_end_matches('/'), root.backing);
    let layer = NewVolume {
        name: root.volume.clone(),
        format: root.format,
        capacity: None,
        backing: Some((overlay, Format::Qcow2)),
    };
    Ok(hypervisor.create_volume(pool_name, &layer)?)
}
