//! Keeping etcd's quorum while its members are replaced, and taking members in anew.

use super::{ApplyError, World};
use crate::deployment::{EtcdMember, Node, Wait};
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);
/// How long the other members may take to be healthy before a member is touched.
const PATIENCE: Duration = Duration::from_secs(60);

/// Comes back when a member may be taken down. A member that is not healthy itself is not needed by the others.
pub fn protect(world: &World<'_>, node: &Node) -> Result<(), ApplyError> {
    let Some(member) = &node.etcd else { return Ok(()) };
    if !healthy(world, &member.management_url) {
        return Ok(());
    }
    let start = world.clock.now();
    loop {
        match enough(world, node) {
            Ok(()) => break,
            Err(error) if world.clock.now().saturating_sub(start) >= PATIENCE => return Err(error),
            Err(_) => world.clock.sleep(POLL),
        }
    }
    give_up_leadership(world, node, member);
    Ok(())
}

/// Counts etcd's own list of members, not the build's. Fewer than three have nobody to spare: then all the others must be
/// healthy, and etcd stands still meanwhile.
fn enough(world: &World<'_>, node: &Node) -> Result<(), ApplyError> {
    let all = world.services.etcd_members()?;
    let others = all.iter().filter(|other| other.name != node.name);
    let healthy = others.filter(|other| url(world, &other.name).is_some_and(|url| healthy(world, url))).count();
    let members = all.len();
    let needed = (members / 2 + 1).min(members.saturating_sub(1));
    if healthy >= needed {
        return Ok(());
    }
    Err(ApplyError::Quorum { node: node.name.clone(), healthy, members, needed })
}

fn url<'a>(world: &'a World<'_>, member: &str) -> Option<&'a str> {
    let built = world.build.deployment.etcd_members().find(|(_, built)| built.name == member);
    let built = built.map(|(_, built)| built.management_url.as_str());
    built.or_else(|| world.member_urls.get(member).map(String::as_str))
}

fn healthy(world: &World<'_>, url: &str) -> bool {
    world.services.holds(&Wait::EtcdMember { url: url.to_owned() }).is_ok()
}

/// An election costs writers a second or more; a leader that hands over costs them nothing. If it fails, there is an election.
fn give_up_leadership(world: &World<'_>, node: &Node, member: &EtcdMember) {
    let Ok(status) = world.services.etcd_status(member) else { return };
    if !status.is_leader() {
        return;
    }
    let others = world.build.deployment.etcd_members().filter(|(other, _)| other.name != node.name);
    for (other, to) in others {
        let Ok(successor) = world.services.etcd_status(to) else { continue };
        if world.services.etcd_move_leader(member, &successor.id).is_ok() {
            world.say(&node.name, format!("gave the leadership of etcd to {}", other.name));
            return;
        }
    }
}

/// Makes etcd forget the member and expect it anew, with no data.
pub fn join(world: &World<'_>, node: &Node) -> Result<(), ApplyError> {
    let Some(member) = &node.etcd else { return Ok(()) };
    world.say(&node.name, "etcd takes it in as a new member");
    for known in world.services.etcd_members()? {
        if known.name == member.name || known.peer_urls.contains(&member.peer_url) {
            world.services.etcd_remove(&known.id)?;
        }
    }
    Ok(world.services.etcd_add(&member.peer_url)?)
}
