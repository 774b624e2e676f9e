//! In which order nodes are touched.
//!
//! etcd members and controllers one at a time and before any worker, so that no kubelet is ever newer than an API server;
//! workers first where Kubernetes goes back to an older minor version, for the same reason.
//! Among equals, a node that is already down goes first, and the member that leads etcd last. Members without a quorum wait
//! for each other, so they start together. etcd grows before it shrinks, and before healthy members are replaced: there is
//! more to spare then.

use super::skew::goes_down;
use super::{Action, Context, Member, NodeChange, OldMember, Removal, Step, quorum};
use crate::deployment::Role;
use std::collections::BTreeMap;

pub fn node_steps(
    context: &Context<'_>,
    mut changes: Vec<NodeChange>,
    removals: Vec<Removal>,
    forgotten: Vec<OldMember>,
    changed_networks: &BTreeMap<String, String>,
) -> Vec<Step> {
    if !context.formed {
        // Nothing runs that could be kept running.
        let boot = (!changes.is_empty()).then_some(Step::FirstBoot { nodes: changes });
        return boot.into_iter().chain(all(removals)).collect();
    }
    changes.sort_by_key(|change| urgency(context, change));
    let (cut_off, changes) = split(changes, |change| is_cut_off(change, changed_networks));
    let (together, changes) = match quorum::is_lost(context) {
        true => split(changes, |change| quorum::is_down_member(context, change)),
        false => (Vec::new(), changes),
    };
    let (waiting, changes) = split(changes, |change| change.action == Action::Wait);
    let (new, existing) = split(changes, |change| change.action == Action::Create && change.leaves.is_none());
    let (new_members, new_others) = split(new, |change| change.member.is_some());
    let (new_controllers, new_workers) = split(new_others, |change| rank(context, change) < 2);
    let (careful, workers) = split(existing, |change| rank(context, change) < 2);
    let (well, ill) = split(careful, |change| change.healthy);
    let mut steps = Vec::new();
    steps.extend([cut_off, together].into_iter().filter(|nodes| !nodes.is_empty()).map(|nodes| Step::Nodes { nodes }));
    steps.extend(waiting.into_iter().map(one));
    steps.extend(forgotten.into_iter().map(Step::ForgetMember));
    let (first, members, others) = sorted_removals(context, removals, &new_members);
    let mut workers = worker_steps(context, new_workers, workers);
    if goes_down(context.build, context.observed) {
        steps.append(&mut workers);
    }
    // etcd takes nobody in while one of its members is ill.
    steps.extend(all(first).chain(ill.into_iter().map(one)));
    let (exchange, shrink) = exchange(new_members, members);
    steps.extend(exchange.into_iter().chain(well.into_iter().map(one)).chain(all(shrink)));
    steps.extend(new_controllers.into_iter().map(one));
    steps.append(&mut workers);
    steps.extend(all(others));
    steps
}

fn all(removals: Vec<Removal>) -> impl Iterator<Item = Step> {
    removals.into_iter().map(Step::Remove)
}

fn one(change: NodeChange) -> Step {
    Step::Nodes { nodes: vec![change] }
}

fn split(changes: Vec<NodeChange>, choose: impl Fn(&NodeChange) -> bool) -> (Vec<NodeChange>, Vec<NodeChange>) {
    changes.into_iter().partition(choose)
}

/// Nodes whose network changes are off by then, all of a hypervisor at once.
fn is_cut_off(change: &NodeChange, changed_networks: &BTreeMap<String, String>) -> bool {
    !change.join_etcd && changed_networks.contains_key(&change.hypervisor)
}

/// Members that must go before others come: those that are ill, and those whose address a new one takes over. Then members
/// that can wait, and all else.
fn sorted_removals(
    context: &Context<'_>,
    removals: Vec<Removal>,
    new_members: &[NodeChange],
) -> (Vec<Removal>, Vec<Removal>, Vec<Removal>) {
    let (members, others): (Vec<_>, Vec<_>) = removals.into_iter().partition(|removal| removal.etcd_member);
    let (later, first) = members
        .into_iter()
        .partition(|removal| removal.healthy && !quorum::is_succeeded(context, removal, new_members));
    (first, later, others)
}

/// One comes, one goes. Those that only go, go at the end.
fn exchange(new_members: Vec<NodeChange>, mut leaving: Vec<Removal>) -> (Vec<Step>, Vec<Removal>) {
    let rest = leaving.split_off(leaving.len().min(new_members.len()));
    let mut leaving = leaving.into_iter();
    let steps = new_members.into_iter().flat_map(|new| [Some(one(new)), leaving.next().map(Step::Remove)]);
    (steps.flatten().collect(), rest)
}

/// New workers and those that are missed already, then the healthy ones in batches.
fn worker_steps(context: &Context<'_>, new: Vec<NodeChange>, workers: Vec<NodeChange>) -> Vec<Step> {
    let batch = |nodes: &[NodeChange]| Step::Nodes { nodes: nodes.to_vec() };
    let (healthy, ill) = split(workers, |change| change.healthy);
    let mut steps: Vec<Step> = [new, ill].iter().filter(|nodes| !nodes.is_empty()).map(|nodes| batch(nodes)).collect();
    steps.extend(healthy.chunks(context.options.max_unavailable.max(1)).map(batch));
    steps
}

/// etcd members, then other controllers, then the rest.
fn rank(context: &Context<'_>, change: &NodeChange) -> u8 {
    let Some(node) = context.build.deployment.node(&change.node) else { return 2 };
    match (node.etcd.is_some(), node.has(Role::Controller)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

/// Smaller is earlier. The sort is stable, so equals stay in the deployment's order.
fn urgency(context: &Context<'_>, change: &NodeChange) -> (u8, bool, bool) {
    (rank(context, change), change.healthy, change.member == Some(Member::Leader))
}
