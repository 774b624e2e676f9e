//! What to do, and why: `plan(build, observed) -> Plan`, a function on values.
//!
//! The plan follows from what libvirt has now, never from what an earlier run remembers; so a run that was interrupted
//! anywhere is continued by the next one. Nothing here touches or asks anything.

mod change;
mod destroy;
mod networks;
mod nodes;
mod order;
mod problem;
mod risk;
mod skew;
mod step;
mod storage;

pub use change::{Action, Member, NewData, NodeChange, Reason};
pub use destroy::{Destruction, destruction, leftovers};
pub use networks::stand_ins;
pub use problem::Problem;
pub use risk::Risk;
pub use step::{Removal, Step};

use crate::build::Build;
use crate::observed::Observed;
use serde::Serialize;
use std::collections::BTreeSet;

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// Workers that may be down at once.
    pub max_unavailable: usize,
    /// Emulate where a hypervisor has no KVM.
    pub allow_tcg: bool,
    /// Only these nodes are created, replaced or started, and none is removed.
    pub only: Option<BTreeSet<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_unavailable: 1, allow_tcg: false, only: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub cluster: String,
    /// Number of the build that the plan leads to.
    pub build: u64,
    /// In the order to do them.
    pub steps: Vec<Step>,
    pub risks: Vec<Risk>,
    /// What is in the way. With any that is blocking, nothing is done.
    pub problems: Vec<Problem>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub fn is_blocked(&self) -> bool {
        self.problems.iter().any(Problem::is_blocking)
    }

    /// Every node that a step starts, replaces or creates.
    pub fn changed_nodes(&self) -> impl Iterator<Item = &NodeChange> {
        self.steps.iter().flat_map(Step::changes)
    }
}

/// Compares what was built with what there is.
pub fn plan(build: &Build, observed: &Observed, options: &Options) -> Plan {
    let mut problems = problem::unreachable(build, observed);
    problems.extend(nodes::impostors(build, observed));
    let mut steps = Vec::new();
    storage::pools(build, observed, &mut steps, &mut problems);
    let changed_networks = networks::steps(build, observed, &mut steps, &mut problems);
    let changes = nodes::changes(build, observed, options, &changed_networks, &mut problems);
    let changes = skew::held_back(build, observed, changes, &mut problems);
    storage::uploads(build, observed, &changes, &mut steps, &mut problems);
    let touched: BTreeSet<String> = changes.iter().map(|change| change.node.clone()).collect();
    let removals = if options.only.is_some() { Vec::new() } else { nodes::removals(build, observed) };
    let risks = risk::risks(build, observed, &changes, &removals, &changed_networks);
    steps.extend(order::node_steps(build, observed, options, changes, removals, !changed_networks.is_empty()));
    let left = build.deployment.nodes.iter().filter_map(|node| node.kubernetes_node());
    let left =
        left.filter(|name| observed.nodes.get(*name).is_some_and(|node| node.cordoned) && !touched.contains(*name));
    steps.extend(left.map(|node| Step::Uncordon { node: node.to_owned() }));
    Plan { cluster: build.deployment.cluster.clone(), build: build.number, steps, risks, problems }
}
