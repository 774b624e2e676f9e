//! What to do, and why: `plan(build, observed) -> Plan`, a function on values.
//!
//! The plan follows from what libvirt has now, never from what an earlier run remembers; so a run that was interrupted
//! anywhere is continued by the next one. Nothing here touches or asks anything.

mod change;
mod data;
mod destroy;
mod members;
mod networks;
mod nodes;
mod order;
mod problem;
mod quorum;
mod removals;
mod risk;
mod skew;
mod step;
mod storage;

pub use change::{Action, Member, NewData, NodeChange, Reason};
pub use destroy::{Destruction, destruction, leftovers};
pub use networks::stand_ins;
pub use problem::Problem;
pub use risk::Risk;
pub use step::{OldMember, Removal, Step};

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
    /// Hypervisors that are gone for good, with all that they had.
    pub lost: BTreeSet<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_unavailable: 1, allow_tcg: false, only: None, lost: BTreeSet::new() }
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
    /// The steps are only those that let pools be looked into: what they hold decides what is to be done, in the next plan.
    pub look_again: bool,
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

/// What all parts of a plan look at.
struct Context<'a> {
    build: &'a Build,
    observed: &'a Observed,
    options: &'a Options,
    /// The cluster has run: nodes are replaced with care, and members of etcd join it.
    formed: bool,
    /// Nothing of the cluster can be where nobody has looked.
    all_seen: bool,
}

impl<'a> Context<'a> {
    fn new(build: &'a Build, observed: &'a Observed, options: &'a Options) -> Self {
        let seen = |name: &String| matches!(observed.hypervisors.get(name), Some(Ok(_))) || options.lost.contains(name);
        let built = build.deployment.hypervisors.iter().map(|hypervisor| &hypervisor.name);
        let all_seen = built.chain(observed.hypervisors.keys()).all(seen);
        let domains = observed.hypervisors.values().flatten().flat_map(|state| &state.domains);
        let mut own = domains.filter(|domain| domain.belongs_to(&build.deployment));
        let healthy = own.any(|domain| domain.mark.as_ref().is_some_and(|mark| mark.healthy));
        // A member of etcd that was where nobody can look runs there.
        let may_be_member = |name: &String| build.deployment.node(name).is_none_or(|node| node.etcd.is_some());
        let mut unseen = observed.places.iter().filter(|(_, places)| !places.iter().all(seen));
        let formed = healthy || unseen.any(|(name, _)| may_be_member(name));
        Self { build, observed, options, formed, all_seen }
    }
}

fn networks_left_behind(context: &Context<'_>, changes: &[NodeChange], removals: &[Removal]) -> Vec<Step> {
    if context.options.only.is_some() {
        return Vec::new();
    }
    let going = changes.iter().filter_map(|change| change.leaves.as_ref()).chain(removals);
    let going = going.map(|old| (old.hypervisor.as_str(), old.domain.as_str())).collect();
    networks::left_behind(context.build, context.observed, &going)
}

/// Compares what was built with what there is.
pub fn plan(build: &Build, observed: &Observed, options: &Options) -> Plan {
    let context = Context::new(build, observed, options);
    let mut problems = problem::unreachable(&context);
    problems.extend(nodes::impostors(build, observed));
    let mut steps = Vec::new();
    storage::pools(build, observed, &mut steps, &mut problems);
    let plan = |steps, risks, problems, look_again| Plan {
        cluster: build.deployment.cluster.clone(),
        build: build.number,
        steps,
        risks,
        problems,
        look_again,
    };
    let mut network_steps = Vec::new();
    let changed_networks = networks::steps(build, observed, &mut network_steps, &mut problems);
    if !steps.is_empty() {
        return plan(steps, Vec::new(), problems, true);
    }
    steps.append(&mut network_steps);
    problems.extend(problem::half_a_network(&context, &changed_networks));
    problems.extend(problem::cut_off_members(&context, &changed_networks));
    problems.extend(data::mixed(&context));
    let removals = removals::removals(&context);
    let changes = nodes::changes(&context, &removals, &changed_networks, &mut problems);
    let changes = skew::held_back(build, observed, changes, &mut problems);
    storage::uploads(build, observed, &changes, &mut steps, &mut problems);
    let touched: BTreeSet<String> = changes.iter().map(|change| change.node.clone()).collect();
    let removals = removals::alone(&context, removals, &changes);
    let forgotten = members::nobodys(&context);
    let risks = risk::risks(&context, &changes, &removals, &changed_networks);
    let left_behind = networks_left_behind(&context, &changes, &removals);
    steps.extend(order::node_steps(&context, changes, removals, forgotten, &changed_networks));
    steps.extend(left_behind);
    let left = build.deployment.nodes.iter().filter_map(|node| node.kubernetes_node());
    let left =
        left.filter(|name| observed.nodes.get(*name).is_some_and(|node| node.cordoned) && !touched.contains(*name));
    steps.extend(left.map(|node| Step::Uncordon { node: node.to_owned() }));
    plan(steps, risks, problems, false)
}
