//! What the operator should know before saying yes.

use super::{Action, Context, NodeChange, Removal, stand_ins};
use crate::build::Build;
use crate::deployment::{Node, Role};
use crate::observed::Observed;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Risk {
    /// etcd cannot do without the member: it stands still meanwhile.
    NoQuorum { node: String, members: usize },
    /// etcd can do without one more member, but no more than that.
    LastSpareMember { members: usize },
    /// Members come and go one after the other.
    Resize { from: usize, to: usize, spare: usize },
    /// The only API server is away meanwhile.
    LastController { node: String },
    /// A member of a running etcd starts without its data, and copies it from the others.
    EmptyMember { node: String, volume: String },
    /// A new member finds a data disk: with a former member's database on it, it cannot start.
    OldData { hypervisor: String, node: String, volume: String },
    /// Everything is stopped while a network changes.
    Outage { hypervisor: String, network: String },
    /// The data disk is kept, but no longer used.
    DataLeftBehind { hypervisor: String, node: String, volume: String },
    /// The hypervisor's own network is used as it is, and gives addresses to others too.
    SharedNetwork { hypervisor: String, network: String },
    /// Without one machine etcd stands still, although it has members elsewhere.
    MajorityOnOne { hypervisor: String, there: usize, members: usize },
    /// All members, or all controllers, stand and fall with one machine.
    OneHypervisor { what: String, hypervisor: String },
}

impl Risk {
    /// Whether something is unavailable meanwhile, which nobody should agree to by accident.
    pub fn is_outage(&self) -> bool {
        matches!(self, Risk::NoQuorum { .. } | Risk::LastController { .. } | Risk::Outage { .. })
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Risk::NoQuorum { node, members } => {
                write!(f, "etcd has {members} member(s): it stands still while {node} is away")
            }
            Risk::LastSpareMember { members } => {
                write!(f, "while one of etcd's {members} members is away, no other may fail")
            }
            Risk::Resize { from, to, spare } => {
                let may = match spare {
                    0 => "on the way no member may fail",
                    1 => "on the way one member may fail, no more",
                    _ => "on the way few members may fail",
                };
                write!(f, "etcd goes from {from} to {to} members, one after the other: {may}")
            }
            Risk::LastController { node } => {
                write!(f, "the Kubernetes API is away while {node}, the only controller, is")
            }
            Risk::EmptyMember { node, volume } => {
                write!(f, "{node} has no data ({volume} is missing): etcd forgets it and takes it in anew")
            }
            Risk::OldData { hypervisor, node, volume } => write!(
                f,
                "{node} joins etcd and finds the data disk {volume} on {hypervisor}: a former member's database on it would keep it \
                 from starting; then stop it, delete the volume, and apply again"
            ),
            Risk::Outage { hypervisor, network } => {
                write!(f, "network {network} changes: all of the cluster's nodes on {hypervisor} stop at once")
            }
            Risk::DataLeftBehind { hypervisor, node, volume } => {
                write!(f, "the data disk of {node}, {volume}, stays on {hypervisor} and is no longer used")
            }
            Risk::SharedNetwork { hypervisor, network } => write!(
                f,
                "libvirt's own network {network} on {hypervisor} is used as it is. It hands out addresses, so another guest may \
                 get that of a node that is off. Choose another networks.management.cidr to have a network of the cluster's own"
            ),
            Risk::MajorityOnOne { hypervisor, there, members } => {
                write!(
                    f,
                    "{there} of etcd's {members} members are on hypervisor {hypervisor}: without it, etcd stands still"
                )
            }
            Risk::OneHypervisor { what, hypervisor } => write!(f, "all {what} are on hypervisor {hypervisor}"),
        }
    }
}

pub fn risks(
    context: &Context<'_>,
    changes: &[NodeChange],
    removals: &[Removal],
    changed_networks: &BTreeMap<String, String>,
) -> Vec<Risk> {
    let build = context.build;
    let mut risks: Vec<Risk> = changed_networks
        .iter()
        .map(|(hypervisor, network)| Risk::Outage { hypervisor: hypervisor.clone(), network: network.clone() })
        .collect();
    if context.formed {
        risks.extend(resize(changes, removals, current_members(context)));
        risks.extend(replacement_risks(context, changes));
    }
    if !changes.is_empty() {
        risks.extend(shared_networks(build, context.observed));
        risks.extend(majority_on_one(build));
        risks.extend(one_hypervisor(build, "etcd members", |node| node.etcd.is_some()));
        risks.extend(one_hypervisor(build, "controllers", |node| node.has(Role::Controller)));
    }
    for removal in changes.iter().filter_map(|change| change.leaves.as_ref()).chain(removals) {
        let (hypervisor, node) = (&removal.hypervisor, &removal.node);
        risks.extend(removal.data_volumes.iter().map(|volume| Risk::DataLeftBehind {
            hypervisor: hypervisor.clone(),
            node: node.clone(),
            volume: volume.clone(),
        }));
    }
    risks
}

/// Those that count now: etcd's own list, else what was built.
fn current_members(context: &Context<'_>) -> usize {
    let built = || context.build.deployment.etcd_members().count();
    context.observed.etcd.as_ref().map_or_else(built, |etcd| etcd.voters().count())
}

/// Members come before others go, so that there is most to spare; with two, none may fail.
fn resize(changes: &[NodeChange], removals: &[Removal], from: usize) -> Option<Risk> {
    let comes = |change: &&NodeChange| change.join_etcd && change.action == Action::Create && change.leaves.is_none();
    let added = changes.iter().filter(comes).count();
    let removed = removals.iter().filter(|removal| removal.etcd_member).count();
    let to = (from + added).saturating_sub(removed);
    let fewest = from.min(to).max(1);
    // An even number spares no more than the odd one below.
    let spare = (fewest..=(from + added)).filter(|n| *n == from || *n > 1).map(|n| (n - 1) / 2).min().unwrap_or(0);
    (added + removed > 0 && from > 0).then_some(Risk::Resize { from, to, spare })
}

fn replacement_risks(context: &Context<'_>, changes: &[NodeChange]) -> Vec<Risk> {
    let deployment = &context.build.deployment;
    let members = current_members(context).max(deployment.etcd_members().count());
    let controllers = deployment.nodes.iter().filter(|node| node.has(Role::Controller)).count();
    let mut risks = Vec::new();
    let mut spare = false;
    for change in changes.iter().filter(|change| change.action == Action::Replace || change.leaves.is_some()) {
        let Some(node) = deployment.node(&change.node) else { continue };
        let running = change.healthy || context.observed.runs(&node.hypervisor, &node.domain.uuid);
        spare |= change.member.is_some() && (3..5).contains(&members);
        if running && change.member.is_some() && members < 3 {
            risks.push(Risk::NoQuorum { node: change.node.clone(), members });
        }
        if running && node.has(Role::Controller) && controllers == 1 {
            risks.push(Risk::LastController { node: change.node.clone() });
        }
    }
    risks.extend(spare.then_some(Risk::LastSpareMember { members }));
    let old = changes.iter().filter(|change| change.join_etcd && change.new_data.is_none());
    risks.extend(old.filter_map(|change| {
        let (hypervisor, node) = (change.hypervisor.clone(), change.node.clone());
        let volume = deployment.node(&node)?.disks.data.as_ref()?.volume.clone();
        Some(Risk::OldData { hypervisor, node, volume })
    }));
    let is_new = |change: &NodeChange| change.action == Action::Create && change.leaves.is_none();
    let empty = changes.iter().filter(|change| change.join_etcd && change.new_data.is_some() && !is_new(change));
    risks.extend(empty.filter_map(|change| {
        let volume = deployment.node(&change.node)?.disks.data.as_ref()?.volume.clone();
        Some(Risk::EmptyMember { node: change.node.clone(), volume })
    }));
    risks
}

fn shared_networks(build: &Build, observed: &Observed) -> Vec<Risk> {
    let states = observed.hypervisors.iter().filter_map(|(name, state)| Some((name, state.as_ref().ok()?)));
    let shared = states.flat_map(|(hypervisor, state)| {
        let dhcp = |name: &String| state.networks.iter().any(|found| found.name == *name && found.facts.dhcp);
        let stand_ins = stand_ins(build, hypervisor, state).into_values().filter(dhcp);
        stand_ins.map(|network| Risk::SharedNetwork { hypervisor: hypervisor.clone(), network }).collect::<Vec<_>>()
    });
    shared.collect()
}

fn majority_on_one(build: &Build) -> Option<Risk> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    build.deployment.etcd_members().for_each(|(node, _)| *places.entry(&node.hypervisor).or_default() += 1);
    let members = build.deployment.etcd_members().count();
    let (hypervisor, there) = places.iter().find(|(_, there)| **there > members / 2 && **there < members)?;
    Some(Risk::MajorityOnOne { hypervisor: (*hypervisor).to_owned(), there: *there, members })
}

/// Three members on one machine survive no failure of it, where there are others to put them on.
fn one_hypervisor(build: &Build, what: &str, choose: impl Fn(&Node) -> bool) -> Option<Risk> {
    let chosen: Vec<&Node> = build.deployment.nodes.iter().filter(|node| choose(node)).collect();
    let on: BTreeSet<&str> = chosen.iter().map(|node| node.hypervisor.as_str()).collect();
    let alone = build.deployment.hypervisors.len() > 1 && chosen.len() > 1 && on.len() == 1;
    let hypervisor = on.into_iter().next().filter(|_| alone)?.to_owned();
    Some(Risk::OneHypervisor { what: what.to_owned(), hypervisor })
}
