//! What a plan has to know about etcd's quorum.

use super::{Context, NodeChange, Removal};
use crate::observed::Domain;

/// So many members are off that none can become healthy alone, as after a power cut.
pub fn is_lost(context: &Context<'_>) -> bool {
    if let Some(etcd) = &context.observed.etcd
        && etcd.voters().filter(|voter| voter.healthy).count() > etcd.voters().count() / 2
    {
        return false;
    }
    let members: Vec<&Domain> = own_domains(context).filter(|domain| is_member(context, domain)).collect();
    members.iter().filter(|domain| domain.running).count() < members.len() / 2 + 1
}

fn own_domains<'a>(context: &'a Context<'_>) -> impl Iterator<Item = &'a Domain> {
    let domains = context.observed.hypervisors.values().flatten().flat_map(|state| &state.domains);
    domains.filter(|domain| domain.belongs_to(&context.build.deployment))
}

fn is_member(context: &Context<'_>, domain: &Domain) -> bool {
    let marked = domain.mark.as_ref().is_some_and(|mark| mark.etcd.is_some());
    marked || context.build.deployment.etcd_members().any(|(node, _)| node.domain.uuid == domain.uuid)
}

/// A member with its data that is off, or started without the others.
pub fn is_down_member(context: &Context<'_>, change: &NodeChange) -> bool {
    let Some(node) = context.build.deployment.node(&change.node).filter(|node| node.etcd.is_some()) else {
        return false;
    };
    let running = own_domains(context).any(|domain| domain.uuid == node.domain.uuid && domain.running);
    !change.join_etcd && (change.action == super::Action::Wait || !running)
}

/// Whether a new member takes over the address of one that leaves.
pub fn is_succeeded(context: &Context<'_>, removal: &Removal, new_members: &[NodeChange]) -> bool {
    let etcd = context.observed.etcd.iter().flat_map(|etcd| &etcd.members);
    let old: Vec<&String> = etcd.filter(|m| m.info.name == removal.node).flat_map(|m| &m.info.peer_urls).collect();
    let new = new_members.iter().filter_map(|change| context.build.deployment.node(&change.node)?.etcd.as_ref());
    new.map(|member| &member.peer_url).any(|url| old.contains(&url))
}
