//! Creating, replacing and starting nodes: always with a new throw-away layer, never changing a disk in place.

use super::{ApplyError, World, availability, drain, gates, quorum, remove};
use crate::definition::{Placement, definition};
use crate::deployment::{Accelerator, EtcdMember, Format, Node};
use crate::hypervisor::{Hypervisor, NewVolume};
use crate::mark::Mark;
use crate::observed::{Domain, Pool, State};
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
        if careful {
            leave(world, change, node)?;
        }
        match change.action {
            Action::Wait => stop_old(world, change)?,
            _ => boot(world, change, node, careful)?,
        }
    }
    for (change, node) in &nodes {
        gates::wait(world, node, change.old_boot.as_deref(), careful)?;
        taint(world, node)?;
        let hypervisor = world.hypervisor(&change.hypervisor)?;
        hypervisor.set_mark(&node.domain.name, &Mark { healthy: true, ..mark(world, node) })?;
        change.leaves.iter().try_for_each(|old| remove::clear(world, old))?;
        drain::undo(world, node);
        world.say(&node.name, "healthy");
    }
    Ok(())
}

/// A kubelet sets taints only when it registers its Node, and may not change them.
fn taint(world: &World<'_>, node: &Node) -> Result<(), ApplyError> {
    let Some((name, wanted)) = node.kubernetes_node().zip(node.taints.as_ref()) else { return Ok(()) };
    let done = drain::patiently(world, || world.services.taint(name, wanted));
    done.map_err(|source| ApplyError::CannotTaint { node: name.to_owned(), source })
}

/// Before a node goes down, here or where it lived until now: etcd can do without it, and its pods are elsewhere.
fn leave(world: &World<'_>, change: &NodeChange, node: &Node) -> Result<(), ApplyError> {
    if change.action == Action::Wait {
        return Ok(());
    }
    if is_missed(world, change, node)? && world.member_urls.contains_key(&node.name) {
        quorum::protect(world, &node.name)?;
    }
    availability::keep_an_api(world, node)?;
    // Nobody moves anything where nothing runs.
    if change.drain { drain::drain(world, node) } else { Ok(()) }
}

/// The domain that the node had on another hypervisor: both have the same addresses.
fn stop_old(world: &World<'_>, change: &NodeChange) -> Result<(), ApplyError> {
    let Some(old) = &change.leaves else { return Ok(()) };
    power_off(world, world.hypervisor(&old.hypervisor)?, &old.domain)
}

/// Whether a domain of the node runs.
fn is_missed(world: &World<'_>, change: &NodeChange, node: &Node) -> Result<bool, ApplyError> {
    if let Some(old) = &change.leaves
        && world.hypervisor(&old.hypervisor)?.is_running(&old.domain)?
    {
        return Ok(true);
    }
    match change.action {
        Action::Create => Ok(false),
        _ => Ok(world.hypervisor(&node.hypervisor)?.is_running(&node.domain.name)?),
    }
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
fn boot(world: &World<'_>, change: &NodeChange, node: &Node, careful: bool) -> Result<(), ApplyError> {
    let hypervisor = world.hypervisor(&node.hypervisor)?;
    let pool_name = world.pool(&node.hypervisor)?;
    let state = hypervisor.observe(pool_name)?;
    let pool = usable_pool(&state, &node.hypervisor, pool_name)?;
    let stand_ins = stand_ins(world.build, &node.hypervisor, &state);
    let domain = state.domains.iter().find(|domain| domain.name == node.domain.name);
    domain.map_or(Ok(()), |domain| as_planned(world, node, domain))?;
    let joining = joining(world, change, node, pool, careful)?;
    if domain.is_some() {
        power_off(world, hypervisor, &node.domain.name)?;
    }
    stop_old(world, change)?;
    let join_etcd = joining.map(|member| quorum::join(world, member)).transpose()?;
    let accelerated = world.build.deployment.hypervisor(&node.hypervisor).map(|h| h.accelerator);
    let placement = Placement {
        pool: pool_name,
        networks: &stand_ins,
        pool_directory: &pool.directory,
        emulate: accelerated == Some(Accelerator::Kvm) && !state.kvm && world.limits.emulate,
        join_etcd: join_etcd.as_deref(),
    };
    let mark = Mark { old_boot: change.old_boot.clone(), ..mark(world, node) };
    let xml = definition(world.build.domain_xml(node), &mark, &placement)
        .map_err(|source| ApplyError::Definition { node: node.name.clone(), source })?;
    data_disk(world, hypervisor, pool_name, pool, node)?;
    new_layer(hypervisor, pool_name, pool, node)?;
    hypervisor.define_domain(&xml)?;
    world.say(&node.name, "starting");
    Ok(hypervisor.start_domain(&node.domain.name)?)
}

fn usable_pool<'a>(state: &'a State, hypervisor: &str, name: &str) -> Result<&'a Pool, ApplyError> {
    let pool = state.pool.as_ref().filter(|pool| pool.active);
    pool.ok_or_else(|| ApplyError::PoolGone { hypervisor: hypervisor.to_owned(), pool: name.to_owned() })
}

/// The node's member, if a running etcd has to take it in anew, which it has forgotten by then. Decided by what is there
/// now: a data disk that a plan did not see, because its pool was off, is there all the same.
fn joining<'a>(
    world: &World<'_>,
    change: &NodeChange,
    node: &'a Node,
    pool: &Pool,
    careful: bool,
) -> Result<Option<&'a EtcdMember>, ApplyError> {
    if !careful {
        return Ok(None);
    }
    let Some(member) = &node.etcd else {
        // It may have been one until now.
        let was_member = world.member_urls.contains_key(&node.name);
        return if was_member {
            quorum::dismiss(world, &node.name, |m| m.name == node.name).map(|()| None)
        } else {
            Ok(None)
        };
    };
    let has_data = node.disks.data.as_ref().is_some_and(|data| pool.volumes.contains_key(&data.volume));
    if quorum::must_join(world, member, has_data, change.join_etcd)? {
        quorum::forget(world, member)?;
        return Ok(Some(member));
    }
    quorum::update_address(world, member)?;
    Ok(None)
}

/// Somebody may have been here since the plan was made: a lock is held on the operator's machine only.
fn as_planned(world: &World<'_>, node: &Node, domain: &Domain) -> Result<(), ApplyError> {
    let (hypervisor, name) = (node.hypervisor.clone(), domain.name.clone());
    if domain.uuid != node.domain.uuid || !domain.belongs_to(&world.build.deployment) {
        return Err(ApplyError::NotOwn { hypervisor, domain: name });
    }
    match world.marks.get(&domain.uuid) {
        Some(planned) if domain.mark.as_ref() != Some(planned) => {
            Err(ApplyError::ChangedMeanwhile { hypervisor, domain: name })
        }
        _ => Ok(()),
    }
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
