//! In which order nodes are touched.
//!
//! etcd members and controllers one at a time and before any worker, so that no kubelet is ever newer than an API server;
//! workers first where Kubernetes goes back to an older minor version, for the same reason.
//! Among equals, a node that is already down goes first, and the member that leads etcd last. Members without a quorum wait
//! for each other, so they start together.

use super::nodes::is_formed;
use super::skew::goes_down;
use super::step::Removal;
use super::{Action, Member, NodeChange, Options, Step};
use crate::build::Build;
use crate::deployment::Role;
use crate::observed::Observed;

pub fn node_steps(
    build: &Build,
    observed: &Observed,
    options: &Options,
    mut changes: Vec<NodeChange>,
    removals: Vec<Removal>,
    network_changes: bool,
) -> Vec<Step> {
    let (moved, left): (Vec<_>, Vec<_>) = removals.into_iter().partition(|removal| removal.moved_to.is_some());
    let (members, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|removal| removal.etcd_member);
    let all = |removals: Vec<Removal>| removals.into_iter().map(Step::Remove);
    if !is_formed(build, observed) || network_changes {
        // Nothing runs that could be kept running.
        let boot = (!changes.is_empty()).then_some(Step::FirstBoot { nodes: changes });
        return all(moved).chain(boot).chain(all(members)).chain(all(others)).collect();
    }
    changes.sort_by_key(|change| urgency(build, change));
    let (together, changes) =
        split(changes, |change| lacks_quorum(build, observed) && is_down_member(build, observed, change));
    let (waiting, changes) = split(changes, |change| change.action == Action::Wait);
    let (new, existing) = split(changes, |change| change.action == Action::Create);
    let (new_members, new_others) = split(new, |change| change.member.is_some());
    let (careful, workers) = split(existing, |change| rank(build, change) < 2);
    // A worker that is down is missed already: such ones need not wait for each other.
    let (healthy_workers, ill_workers) = split(workers, |change| change.healthy);
    let one = |change: NodeChange| Step::Nodes { nodes: vec![change] };
    let batch = |nodes: &[NodeChange]| Step::Nodes { nodes: nodes.to_vec() };
    let mut steps = Vec::new();
    steps.extend((!together.is_empty()).then(|| batch(&together)));
    steps.extend(waiting.into_iter().map(one));
    steps.extend(all(moved));
    let (new_controllers, new_workers) = split(new_others, |change| rank(build, change) < 2);
    let mut workers: Vec<Step> =
        [new_workers, ill_workers].iter().filter(|nodes| !nodes.is_empty()).map(|nodes| batch(nodes)).collect();
    workers.extend(healthy_workers.chunks(options.max_unavailable.max(1)).map(batch));
    if goes_down(build, observed) {
        steps.append(&mut workers);
    }
    steps.extend(careful.into_iter().map(one));
    // etcd takes a new member in only when the list of members is the one that the new member was built with.
    steps.extend(all(members));
    steps.extend(new_members.into_iter().map(one));
    steps.extend(new_controllers.into_iter().map(one));
    steps.append(&mut workers);
    steps.extend(all(others));
    steps
}

fn split(changes: Vec<NodeChange>, choose: impl Fn(&NodeChange) -> bool) -> (Vec<NodeChange>, Vec<NodeChange>) {
    changes.into_iter().partition(choose)
}

/// So many members are off that none can become healthy alone, as after a power cut.
fn lacks_quorum(build: &Build, observed: &Observed) -> bool {
    let members = build.deployment.etcd_members().count();
    let on = build.deployment.etcd_members().filter(|(node, _)| observed.runs(&node.hypervisor, &node.domain.uuid));
    on.count() < members / 2 + 1
}

fn is_down_member(build: &Build, observed: &Observed, change: &NodeChange) -> bool {
    let Some(node) = build.deployment.node(&change.node).filter(|node| node.etcd.is_some()) else { return false };
    change.action == Action::Wait || !observed.runs(&node.hypervisor, &node.domain.uuid)
}

/// etcd members, then other controllers, then the rest.
fn rank(build: &Build, change: &NodeChange) -> u8 {
    let Some(node) = build.deployment.node(&change.node) else { return 2 };
    match (node.etcd.is_some(), node.has(Role::Controller)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

/// Smaller is earlier. The sort is stable, so equals stay in the deployment's order.
fn urgency(build: &Build, change: &NodeChange) -> (u8, bool, bool) {
    (rank(build, change), change.healthy, change.member == Some(Member::Leader))
}
