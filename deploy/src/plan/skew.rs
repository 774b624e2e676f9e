//! No kubelet may be of a newer minor version than an API server (<https://kubernetes.io/releases/version-skew-policy/>).
//!
//! In: what is to change, and which version everything runs now. Out: the changes that can be made now, and whether workers go
//! before controllers, as they must on the way down.

use super::{Action, NodeChange, Problem};
use crate::build::Build;
use crate::deployment::{Node, Role};
use crate::observed::Observed;

/// Major and minor number.
pub type Minor = (u64, u64);

/// Of `1.36.4` or `v1.36.4`.
pub fn minor(version: &str) -> Option<Minor> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Leaves out the changes that would make a kubelet newer than an API server, and says so.
pub fn held_back(
    build: &Build,
    observed: &Observed,
    changes: Vec<NodeChange>,
    problems: &mut Vec<Problem>,
) -> Vec<NodeChange> {
    let Some(wanted) = minor(&build.deployment.kubernetes_version) else { return changes };
    let changed = |node: &&Node| changes.iter().any(|change| change.node == node.name && is_new_start(change));
    let stays = || build.deployment.nodes.iter().filter(|node| !changed(node));
    let older = stays().find(|node| is_controller(node) && version(observed, build, node).is_some_and(|v| v < wanted));
    let newer = stays().find(|node| is_worker(node) && version(observed, build, node).is_some_and(|v| v > wanted));
    let blocker = |node: &Node| if is_worker(node) { older } else { newer.filter(|_| is_controller(node)) };
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for change in &changes {
        let node = build.deployment.node(&change.node).filter(|_| is_new_start(change));
        // One that has the wanted version already makes nothing worse.
        let node = node.filter(|node| version(observed, build, node) != Some(wanted));
        match node.and_then(blocker) {
            Some(blocker) => held.push((change.node.clone(), blocker.name.clone())),
            None => kept.push(change.clone()),
        }
    }
    let version = build.deployment.kubernetes_version.clone();
    problems.extend(held.into_iter().map(|(node, by)| Problem::Skew { node, by, version: version.clone() }));
    kept
}

/// Whether any kubelet is newer than what was built: then workers go down first.
pub fn goes_down(build: &Build, observed: &Observed) -> bool {
    let wanted = minor(&build.deployment.kubernetes_version);
    let running = build.deployment.nodes.iter().filter_map(|node| version(observed, build, node));
    wanted.is_some_and(|wanted| running.into_iter().any(|running| running > wanted))
}

fn is_new_start(change: &NodeChange) -> bool {
    matches!(change.action, Action::Create | Action::Replace | Action::Start)
}

fn is_controller(node: &Node) -> bool {
    node.has(Role::Controller)
}

fn is_worker(node: &Node) -> bool {
    !is_controller(node) && node.kubernetes_node().is_some()
}

/// What the node's domain was started with, or else what its kubelet told the API.
fn version(observed: &Observed, build: &Build, node: &Node) -> Option<Minor> {
    let domains = observed.hypervisors.values().flatten().flat_map(|state| &state.domains);
    let mut own = domains.filter(|domain| domain.uuid == node.domain.uuid && domain.belongs_to(&build.deployment));
    let marked = own.find_map(|domain| domain.mark.as_ref()?.kubernetes.clone());
    let told = observed.nodes.get(&node.name).map(|node| &node.kubelet);
    marked.as_ref().or(told).and_then(|version| minor(version))
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(minor("v1.36.4"), Some((1, 36)));
        assert!(minor("1.9.0") < minor("1.36.0"));
        assert_eq!(minor("none"), None);
    }
}
