//! Which domains go.

use super::{Context, NodeChange, Removal};
use crate::observed::{DATA_SERIAL, Domain, ROOT_SERIAL};
use std::collections::BTreeSet;

/// Domains of the cluster that the build does not have on that hypervisor.
pub fn removals(context: &Context<'_>) -> Vec<Removal> {
    let mut removals = Vec::new();
    for (hypervisor, state) in &context.observed.hypervisors {
        let Ok(state) = state else { continue };
        let own = state.domains.iter().filter(|domain| domain.belongs_to(&context.build.deployment));
        removals.extend(own.filter_map(|domain| removal(context, hypervisor, domain)));
    }
    removals
}

fn removal(context: &Context<'_>, hypervisor: &str, domain: &Domain) -> Option<Removal> {
    let mark = domain.mark.as_ref()?;
    let wanted = context.build.deployment.nodes.iter().find(|node| node.domain.uuid == domain.uuid);
    if wanted.is_some_and(|node| node.hypervisor == hypervisor) {
        return None;
    }
    let first = |serial: &str| domain.disks.get(serial).and_then(|disk| disk.chain.first().cloned());
    let listed = context.observed.etcd.as_ref().is_some_and(|etcd| etcd.knows(&mark.node));
    Some(Removal {
        hypervisor: hypervisor.to_owned(),
        domain: domain.name.clone(),
        node: mark.node.clone(),
        moved_to: wanted.map(|node| node.hypervisor.clone()),
        // The mark knows also when etcd could not be asked.
        etcd_member: wanted.is_none() && (mark.etcd.is_some() || listed),
        healthy: domain.running && mark.healthy,
        root_volumes: first(ROOT_SERIAL).into_iter().collect(),
        data_volumes: first(DATA_SERIAL).into_iter().collect(),
    })
}

/// Those that are steps of their own: a node that moves takes its old domain away by itself.
pub fn alone(context: &Context<'_>, removals: Vec<Removal>, changes: &[NodeChange]) -> Vec<Removal> {
    if context.options.only.is_some() {
        return Vec::new();
    }
    let taken: BTreeSet<(&str, &str)> = changes
        .iter()
        .filter_map(|change| change.leaves.as_ref())
        .map(|old| (old.hypervisor.as_str(), old.domain.as_str()))
        .collect();
    let lives_elsewhere = |old: &Removal| {
        let node = context.build.deployment.node(&old.node);
        let state = node.and_then(|node| context.observed.hypervisors.get(&node.hypervisor)?.as_ref().ok());
        state.zip(node).is_some_and(|(state, node)| state.domains.iter().any(|domain| domain.uuid == node.domain.uuid))
    };
    // One whose new place cannot be reached, or has to wait, stays where it is.
    let goes = |old: &Removal| old.moved_to.is_none() || lives_elsewhere(old);
    let is_taken = |old: &Removal| taken.contains(&(old.hypervisor.as_str(), old.domain.as_str()));
    removals.into_iter().filter(|old| goes(old) && !is_taken(old)).collect()
}
