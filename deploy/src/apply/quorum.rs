//! Keeping etcd's quorum while its members are replaced, and taking members in anew.
//!
//! What etcd itself answers counts, at the moment when it matters: never the build, and never what a plan saw.

use super::{ApplyError, World};
use crate::deployment::{EtcdMember, Node, Wait};
use crate::services::{MemberInfo, ServiceError};
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);
/// How long the other members may take to be healthy before a member is touched, and etcd to take one in: it refuses while
/// any member was connected for less than some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Comes back when a member that runs may be taken down: by then it leads no more.
pub fn protect(world: &World<'_>, node: &str) -> Result<(), ApplyError> {
    // One that is alone has nobody to wait for, and cannot be asked when it is ill.
    if !world.member_urls.keys().any(|other| other != node) {
        return Ok(());
    }
    patiently(world, || enough(world, node))?;
    give_up_leadership(world, node);
    Ok(())
}

fn patiently<T>(world: &World<'_>, attempt: impl Fn() -> Result<T, ApplyError>) -> Result<T, ApplyError> {
    let start = world.clock.now();
    loop {
        match attempt() {
            Err(_) if world.clock.now().saturating_sub(start) < PATIENCE => world.clock.sleep(POLL),
            result => return result,
        }
    }
}

/// Counts etcd's own list of members, not the build's. Fewer than three have nobody to spare: then all the others must be
/// healthy, and etcd stands still meanwhile.
fn enough(world: &World<'_>, node: &str) -> Result<(), ApplyError> {
    let all = members(world, node)?;
    let voters: Vec<&MemberInfo> = all.iter().filter(|member| !member.learner).collect();
    if !voters.iter().any(|member| member.name == node) {
        return Ok(());
    }
    let others = voters.iter().filter(|other| other.name != node);
    let healthy = others.filter(|other| is_healthy(world, &other.name)).count();
    let members = voters.len();
    let needed = (members / 2 + 1).min(members.saturating_sub(1));
    if healthy >= needed {
        return Ok(());
    }
    Err(ApplyError::Quorum { node: node.to_owned(), healthy, members, needed })
}

/// As etcd lists them. Without its answer nothing is decided.
fn members(world: &World<'_>, node: &str) -> Result<Vec<MemberInfo>, ApplyError> {
    world.services.etcd_members().map_err(|source| ApplyError::EtcdSilent { node: node.to_owned(), source })
}

fn is_healthy(world: &World<'_>, member: &str) -> bool {
    let mut urls = world.member_urls.get(member).into_iter().flatten();
    urls.any(|url| world.services.holds(&Wait::EtcdMember { url: url.clone() }).is_ok())
}

/// An election costs writers a second or more; a leader that hands over costs them nothing. If it fails, there is an election.
fn give_up_leadership(world: &World<'_>, node: &str) {
    let mut urls = world.member_urls.get(node).into_iter().flatten();
    let leads = |url: &&String| world.services.etcd_status(url).is_ok_and(|status| status.is_leader());
    let (Some(url), Ok(members)) = (urls.find(leads), world.services.etcd_members()) else { return };
    for other in members.iter().filter(|other| !other.learner && other.name != node) {
        if is_healthy(world, &other.name) && world.services.etcd_move_leader(url, &other.id).is_ok() {
            world.say(node, format!("gave the leadership of etcd to {}", other.name));
            return;
        }
    }
}

/// Whether the node's member has to be taken in anew: its data is not there, or etcd does not list it. `expected` is what
/// the plan saw.
pub fn must_join(world: &World<'_>, member: &EtcdMember, has_data: bool, expected: bool) -> Result<bool, ApplyError> {
    if has_data && !expected {
        return Ok(false);
    }
    let listed = members(world, &member.name)?.iter().any(|known| known.name == member.name);
    Ok(!has_data || !listed)
}

/// A member whose address has changed tells the others before it is gone: without a quorum they could not be told.
pub fn update_address(world: &World<'_>, member: &EtcdMember) -> Result<(), ApplyError> {
    let Ok(members) = world.services.etcd_members() else { return Ok(()) };
    let Some(own) = members.iter().find(|known| known.name == member.name) else { return Ok(()) };
    if own.peer_urls.contains(&member.peer_url) {
        return Ok(());
    }
    world.say(&member.name, format!("etcd hears of its new address {}", member.peer_url));
    patiently(world, || world.services.etcd_update(&own.id, &member.peer_url).map_err(|source| refused(member, source)))
}

fn refused(member: &EtcdMember, source: ServiceError) -> ApplyError {
    ApplyError::EtcdRefuses { node: member.name.clone(), source }
}

/// Makes etcd forget a member that will come back without data. One that never started is left: it may be ours, from a
/// run that was interrupted, and know its id by now.
pub fn forget(world: &World<'_>, member: &EtcdMember) -> Result<(), ApplyError> {
    let same = |known: &MemberInfo| known.name == member.name || known.peer_urls.contains(&member.peer_url);
    dismiss(world, &member.name, |known| same(known) && !known.name.is_empty())
}

/// Makes etcd forget members for good. It refuses by itself what would cost its quorum.
pub fn dismiss(world: &World<'_>, node: &str, choose: impl Fn(&MemberInfo) -> bool) -> Result<(), ApplyError> {
    for member in members(world, node)?.iter().filter(|member| choose(member)) {
        world.say(node, "etcd forgets the member");
        let remove = || world.services.etcd_remove(&member.id);
        patiently(world, || remove().map_err(|source| ApplyError::EtcdRefuses { node: node.to_owned(), source }))?;
    }
    Ok(())
}

/// Makes etcd expect the member, as a learner: it has no vote until it has the data. Gives the members that etcd lists then,
/// as `--initial-cluster` wants them.
pub fn join(world: &World<'_>, member: &EtcdMember) -> Result<String, ApplyError> {
    let expected = |known: &MemberInfo| known.peer_urls.contains(&member.peer_url);
    if !members(world, &member.name)?.iter().any(expected) {
        world.say(&member.name, "etcd takes it in as a new member");
        patiently(world, || match members(world, &member.name)?.iter().any(expected) {
            // The answer to an earlier attempt was lost.
            true => Ok(()),
            false => world.services.etcd_add_learner(&member.peer_url).map_err(|source| refused(member, source)),
        })?;
    }
    let all = members(world, &member.name)?;
    let entries = all.iter().flat_map(|known| {
        let name = match known.name.as_str() {
            "" if expected(known) => member.name.clone(),
            "" => format!("member-{}", known.id),
            name => name.to_owned(),
        };
        known.peer_urls.iter().map(move |url| format!("{name}={url}"))
    });
    Ok(entries.collect::<Vec<_>>().join(","))
}

/// Whether the node's member has a vote; gives it one as soon as it has copied what the others have.
pub fn promoted(world: &World<'_>, node: &Node) -> Result<(), String> {
    let Some(member) = &node.etcd else { return Ok(()) };
    let members = world.services.etcd_members().map_err(|error| error.to_string())?;
    let own = members.iter().find(|known| known.name == member.name || known.peer_urls.contains(&member.peer_url));
    let own = own.ok_or("etcd does not list the member")?;
    if own.learner {
        world.services.etcd_promote(&own.id).map_err(|error| format!("it copies etcd's data: {error}"))?;
        world.say(&node.name, "has copied etcd's data, and votes");
    }
    Ok(())
}
