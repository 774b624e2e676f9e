//! Members of etcd that would form a new cluster, some with an old database and some with none.

use super::{Context, Problem};
use crate::deployment::Node;
use crate::observed::{State, Volume};

/// Those without one could outvote those with one, and the old database would be overwritten. A disk on which nothing was
/// ever written is as good as none: it is from a run that was interrupted.
pub fn mixed(context: &Context<'_>) -> Option<Problem> {
    if context.formed {
        return None;
    }
    let members = || context.build.deployment.etcd_members().map(|(node, _)| node);
    let found: Vec<&str> =
        members().filter(|node| has_old_data(context, node)).map(|node| node.name.as_str()).collect();
    let empty = members().filter(|node| is_empty(context, node));
    let empty: Vec<&str> = empty.map(|node| node.name.as_str()).collect();
    let mixed = !found.is_empty() && !empty.is_empty();
    mixed.then(|| Problem::MixedData { found: found.join(", "), empty: empty.join(", ") })
}

fn state<'a>(context: &'a Context<'_>, node: &Node) -> Option<&'a State> {
    context.observed.hypervisors.get(&node.hypervisor)?.as_ref().ok()
}

fn volume<'a>(context: &'a Context<'_>, node: &Node) -> Option<&'a Volume> {
    let pool = state(context, node)?.pool.as_ref()?;
    pool.volumes.get(&node.disks.data.as_ref()?.volume).filter(|volume| volume.allocation > 0)
}

/// Of a cluster that was destroyed: one that is being made has a domain.
fn has_old_data(context: &Context<'_>, node: &Node) -> bool {
    let has_domain = |state: &State| state.domains.iter().any(|domain| domain.uuid == node.domain.uuid);
    volume(context, node).is_some() && !state(context, node).is_some_and(has_domain)
}

fn is_empty(context: &Context<'_>, node: &Node) -> bool {
    node.disks.data.is_some() && state(context, node).is_some() && volume(context, node).is_none()
}
