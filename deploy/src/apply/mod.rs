//! Carries a plan out, step by step, and waits for health in between.
//!
//! In: a plan and the world behind two traits and a clock. Out: events as it goes, and the first thing that went wrong.
//! Every step can be interrupted and done again: the next plan is made from what is there.

mod availability;
mod drain;
mod error;
mod gates;
mod node;
mod quorum;
mod remove;
mod report;
mod storage;

pub use error::ApplyError;
pub use gates::{console_file, console_files, last_lines};
pub use report::{Clock, Event, Report};

use crate::build::Build;
use crate::hypervisor::Hypervisor;
use crate::mark::Mark;
use crate::observed::{Domain, MemberUrls};
use crate::plan::{Plan, Step};
use crate::services::Services;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Where image files come from: by name, an error when there is none.
pub type OpenImage<'a> = dyn Fn(&str) -> io::Result<Box<dyn io::Read + Send>> + Sync + 'a;

#[derive(Clone, Debug)]
pub struct Limits {
    /// How long pods may take to leave a node.
    pub drain: Duration,
    /// How long a node may take to become healthy.
    pub health: Duration,
    /// How long a guest may take to power off by itself.
    pub shutdown: Duration,
    /// Pods that nothing would make again may be evicted too.
    pub force: bool,
    /// Nodes are not drained.
    pub no_drain: bool,
    /// Emulate where there is no KVM.
    pub emulate: bool,
    /// Workers that may be away at once.
    pub max_unavailable: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(300),
            health: Duration::from_secs(600),
            shutdown: Duration::from_secs(90),
            force: false,
            no_drain: false,
            emulate: false,
            max_unavailable: 1,
        }
    }
}

/// The world that a plan is carried out in.
pub struct World<'a> {
    pub build: &'a Build,
    pub open_image: &'a OpenImage<'a>,
    /// Those that could be reached.
    pub hypervisors: &'a BTreeMap<String, Arc<dyn Hypervisor>>,
    /// Storage pools by hypervisor, also of those that the build has no more.
    pub pools: BTreeMap<String, String>,
    pub services: &'a dyn Services,
    /// Where members of etcd are reached, by name: the build's, and those that only their domains know of.
    pub member_urls: MemberUrls,
    /// What the plan was made from: the marks of the cluster's domains, by UUID.
    pub marks: BTreeMap<String, Mark>,
    pub clock: &'a dyn Clock,
    pub report: &'a dyn Report,
    pub limits: Limits,
}

/// Does what the plan says. Hypervisors are prepared side by side; nodes are touched in the plan's order.
pub fn apply(world: &World<'_>, plan: &Plan) -> Result<(), ApplyError> {
    prepare(world, plan)?;
    for step in &plan.steps {
        match step {
            Step::FirstBoot { nodes } => node::boot_all(world, nodes, false)?,
            Step::Nodes { nodes } => node::boot_all(world, nodes, true)?,
            Step::Remove(removal) => remove::remove(world, removal)?,
            Step::Uncordon { node } => drain::uncordon(world, node),
            Step::ForgetMember(old) => remove::forget_member(world, old)?,
            Step::RemoveNetwork { hypervisor, network } => remove::remove_network(world, hypervisor, network)?,
            // Done above.
            _ => {}
        }
    }
    stamp(world)
}

/// Nodes that are as the build wants them are the build's, whether it changed them or not: going back starts from there.
fn stamp(world: &World<'_>) -> Result<(), ApplyError> {
    for (name, hypervisor) in world.hypervisors {
        let Ok(pool) = world.pool(name) else { continue };
        let state = hypervisor.observe(pool)?;
        for node in world.build.deployment.nodes.iter().filter(|node| node.hypervisor == *name) {
            let own = |domain: &&Domain| domain.uuid == node.domain.uuid && domain.belongs_to(&world.build.deployment);
            let Some(domain) = state.domains.iter().find(own) else { continue };
            let Some(mark) = domain.mark.as_ref().filter(|mark| mark.build != world.build.number) else { continue };
            if mark.bundle == node.bundle && mark.definition == world.build.definition(node) {
                hypervisor.set_mark(&domain.name, &Mark { build: world.build.number, ..mark.clone() })?;
            }
        }
    }
    Ok(())
}

/// Pools, networks and uploads. One hypervisor's trouble does not undo another's work; no node is touched then.
fn prepare(world: &World<'_>, plan: &Plan) -> Result<(), ApplyError> {
    let work = |name: &String, hypervisor: &Arc<dyn Hypervisor>| {
        let mut own = plan.steps.iter().filter(|step| step.hypervisor() == Some(name.as_str()));
        own.try_for_each(|step| storage::prepare(world, hypervisor.as_ref(), step))
    };
    let results: Vec<Result<(), ApplyError>> = thread::scope(|scope| {
        let threads: Vec<_> =
            world.hypervisors.iter().map(|(name, hypervisor)| scope.spawn(move || work(name, hypervisor))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|result| result.unwrap_or(Err(ApplyError::Crashed))).collect()
    });
    let mut errors: Vec<ApplyError> = results.into_iter().filter_map(Result::err).collect();
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.swap_remove(0)),
        _ => Err(ApplyError::Several(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))),
    }
}

impl World<'_> {
    fn hypervisor(&self, name: &str) -> Result<&dyn Hypervisor, ApplyError> {
        let found = self.hypervisors.get(name).ok_or_else(|| ApplyError::NotReached(name.to_owned()))?;
        Ok(found.as_ref())
    }

    fn pool(&self, hypervisor: &str) -> Result<&str, ApplyError> {
        let found = self.pools.get(hypervisor);
        found.map(String::as_str).ok_or_else(|| ApplyError::NotReached(hypervisor.to_owned()))
    }

    fn say(&self, subject: &str, message: impl Into<String>) {
        self.report.event(Event { subject: subject.to_owned(), message: message.into() });
    }
}
