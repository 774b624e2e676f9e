//! What happens to each node.

use super::{Action, Context, Member, NewData, NodeChange, Problem, Reason, Removal, networks};
use crate::build::Build;
use crate::deployment::{Accelerator, Node};
use crate::observed::{Domain, Observed, State};
use std::collections::{BTreeMap, BTreeSet};

/// Changes in the order of the deployment, on hypervisors that could be reached.
pub fn changes(
    context: &Context<'_>,
    removals: &[Removal],
    changed_networks: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Vec<NodeChange> {
    let (build, observed, options) = (context.build, context.observed, context.options);
    let mut without_kvm = BTreeSet::new();
    let mut changes = Vec::new();
    let chosen = |name: &String| options.only.as_ref().is_none_or(|only| only.contains(name));
    for node in build.deployment.nodes.iter().filter(|node| chosen(&node.name)) {
        let Some(Ok(state)) = observed.hypervisors.get(&node.hypervisor) else { continue };
        problems.extend(conflicts(build, node, state));
        let leaves = removals.iter().find(|old| old.moved_to.is_some() && old.node == node.name);
        let network = changed_networks.get(&node.hypervisor);
        let Some((action, reasons)) = action(build, node, state, leaves, network) else { continue };
        if action != Action::Wait && needs_kvm(build, node) && !state.kvm && !options.allow_tcg {
            without_kvm.insert(node.hypervisor.clone());
        }
        let change = change(context, node, state, (action, reasons), leaves, network.is_some());
        problems.extend(dangers(context, node, state, &change));
        changes.push(change);
    }
    problems.extend(without_kvm.into_iter().map(|hypervisor| Problem::NoKvm { hypervisor }));
    changes
}

fn change(
    context: &Context<'_>,
    node: &Node,
    state: &State,
    (action, reasons): (Action, Vec<Reason>),
    leaves: Option<&Removal>,
    stops: bool,
) -> NodeChange {
    let goes_down = action == Action::Replace || (action == Action::Create && leaves.is_some());
    NodeChange {
        node: node.name.clone(),
        hypervisor: node.hypervisor.clone(),
        action,
        reasons,
        healthy: own(context.build, node, state).is_some_and(is_healthy) || leaves.is_some_and(|old| old.healthy),
        drain: context.formed && goes_down && !stops && node.kubernetes_node().is_some(),
        member: member(context.observed, node),
        new_data: new_data(node, state).filter(|_| action != Action::Wait),
        old_boot: old_boot(context.build, context.observed, node, state, action),
        join_etcd: context.formed && action != Action::Wait && joins_etcd(context.observed, node, state),
        leaves: leaves.cloned(),
    }
}

/// What would cost data, or make a second machine of one.
fn dangers(context: &Context<'_>, node: &Node, state: &State, change: &NodeChange) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (hypervisor, name) = (node.hypervisor.clone(), node.name.clone());
    if change.action == Action::Create && change.leaves.is_none() {
        let places = context.observed.places.get(&node.name).into_iter().flatten();
        let unseen = places.filter(|place| {
            **place != node.hypervisor
                && !context.options.lost.contains(*place)
                && !matches!(context.observed.hypervisors.get(*place), Some(Ok(_)))
        });
        problems.extend(unseen.map(|place| Problem::PlaceUnseen { node: name.clone(), place: place.clone() }));
    }
    let Some(data) = &change.new_data else { return problems };
    let volume = data.volume.clone();
    if own(context.build, node, state).is_some_and(|domain| domain.running) {
        problems.push(Problem::DataGone { hypervisor, node: name, volume, domain: node.domain.name.clone() });
    } else if change.join_etcd && is_only_copy(context, node) {
        problems.push(Problem::OnlyCopy { hypervisor, node: name, volume });
    }
    problems
}

/// Whether no other member has etcd's database.
fn is_only_copy(context: &Context<'_>, node: &Node) -> bool {
    let Some(etcd) = &context.observed.etcd else { return context.build.deployment.etcd_members().count() == 1 };
    etcd.voters().all(|voter| voter.info.name == node.name)
}

/// Of a node that was started already, its mark knows; else it is the one that Kubernetes sees now.
fn old_boot(build: &Build, observed: &Observed, node: &Node, state: &State, action: Action) -> Option<String> {
    if action == Action::Wait {
        return own(build, node, state)?.mark.as_ref()?.old_boot.clone();
    }
    let seen = observed.nodes.get(node.kubernetes_node()?)?;
    Some(seen.boot.clone()).filter(|boot| !boot.is_empty())
}

fn needs_kvm(build: &Build, node: &Node) -> bool {
    build.deployment.hypervisor(&node.hypervisor).is_some_and(|h| h.accelerator == Accelerator::Kvm)
}

fn own<'a>(build: &Build, node: &Node, state: &'a State) -> Option<&'a Domain> {
    state.domains.iter().find(|domain| domain.uuid == node.domain.uuid && domain.belongs_to(&build.deployment))
}

fn is_healthy(domain: &Domain) -> bool {
    domain.running && domain.mark.as_ref().is_some_and(|mark| mark.healthy)
}

/// Domains that look like the cluster's and are not.
pub fn impostors(build: &Build, observed: &Observed) -> Vec<Problem> {
    let states = observed.hypervisors.iter().filter_map(|(name, state)| Some((name, state.as_ref().ok()?)));
    let all = states.flat_map(|(name, state)| state.domains.iter().map(move |domain| (name.clone(), domain)));
    let problem = |(hypervisor, domain): (String, &Domain)| {
        let mark = domain.mark.as_ref().filter(|mark| mark.cluster == build.deployment.cluster)?;
        let (name, deployment) = (domain.name.clone(), &build.deployment);
        match (domain.has_mark_of(deployment), domain.belongs_to(deployment)) {
            (false, _) => Some(Problem::OtherCluster { hypervisor, name, cluster: mark.cluster.clone() }),
            (true, false) => Some(Problem::Copy { hypervisor, name, node: mark.node.clone() }),
            (true, true) => None,
        }
    };
    all.filter_map(problem).collect()
}

fn is_impostor(build: &Build, domain: &Domain) -> bool {
    domain.mark.as_ref().is_some_and(|mark| mark.cluster == build.deployment.cluster)
}

/// Names and volumes that another domain holds.
fn conflicts(build: &Build, node: &Node, state: &State) -> Vec<Problem> {
    let hypervisor = || node.hypervisor.clone();
    let foreign = |domain: &&Domain| !domain.belongs_to(&build.deployment);
    let taken = state.domains.iter().filter(foreign).filter(|domain| !is_impostor(build, domain));
    let mut problems: Vec<Problem> = taken
        .filter(|domain| domain.name == node.domain.name || domain.uuid == node.domain.uuid)
        .map(|domain| Problem::DomainTaken { hypervisor: hypervisor(), name: domain.name.clone() })
        .collect();
    let data = node.disks.data.as_ref().map(|data| &data.volume);
    for volume in [&node.disks.root.volume].into_iter().chain(data) {
        let mut users = state.domains.iter().filter(foreign).filter(|domain| domain.name != node.domain.name);
        if let Some(user) = users.find(|domain| domain.volumes.contains(volume)) {
            let (volume, by) = (volume.clone(), user.name.clone());
            problems.push(Problem::VolumeTaken { hypervisor: hypervisor(), volume, by });
        }
    }
    problems
}

/// `None`: the node is as it should be.
fn action(
    build: &Build,
    node: &Node,
    state: &State,
    leaves: Option<&Removal>,
    network: Option<&String>,
) -> Option<(Action, Vec<Reason>)> {
    let Some(domain) = own(build, node, state) else {
        let reason = leaves.map_or(Reason::New, |old| Reason::Moves { from: old.hypervisor.clone() });
        return Some((Action::Create, vec![reason]));
    };
    let mut reasons = differences(build, node, domain);
    reasons.extend(volume_reasons(node, state));
    let network = network.cloned().or_else(|| networks::wrong_network(build, node, domain, state));
    reasons.extend(network.map(|network| Reason::NetworkChanges { network }));
    if !reasons.is_empty() {
        return Some((Action::Replace, reasons));
    }
    if !domain.running {
        return Some((Action::Start, vec![Reason::Stopped]));
    }
    (!is_healthy(domain)).then(|| (Action::Wait, vec![Reason::NeverHealthy]))
}

/// Which digest changed. The domain's XML covers them all: it is named only when nothing else is.
fn differences(build: &Build, node: &Node, domain: &Domain) -> Vec<Reason> {
    let Some(mark) = &domain.mark else { return Vec::new() };
    let mut reasons = Vec::new();
    if mark.bundle != node.bundle {
        reasons.push(Reason::Bundle { from: mark.bundle.clone(), to: node.bundle.clone() });
    }
    let chain = |serial: &str| domain.disks.get(serial).map(|disk| disk.chain.clone()).unwrap_or_default();
    let root = chain(&node.disks.root.serial);
    let base = build.deployment.image(&node.disks.root.backing).and_then(|image| image.backing.clone());
    match (root.get(2), base) {
        (Some(from), Some(to)) if *from != to => reasons.push(Reason::Base { from: from.clone(), to }),
        _ => {}
    }
    let wanted = node.disks.artifacts.as_ref().map(|disk| disk.file.clone());
    let found = chain("kubi-artifacts").into_iter().next();
    if wanted != found {
        reasons.push(Reason::Artifacts { from: found, to: wanted });
    }
    match root.get(1) {
        Some(from) if reasons.is_empty() && *from != node.disks.root.backing => {
            reasons.push(Reason::Overlay { from: from.clone(), to: node.disks.root.backing.clone() });
        }
        _ => {}
    }
    if reasons.is_empty() && mark.definition != build.definition(node) {
        reasons.push(Reason::Definition);
    }
    reasons
}

fn volume_reasons(node: &Node, state: &State) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let Some(pool) = state.pool.as_ref().filter(|pool| pool.active) else { return reasons };
    if !pool.volumes.contains_key(&node.disks.root.volume) {
        reasons.push(Reason::RootMissing);
    }
    if let Some(data) = &node.disks.data {
        match pool.volumes.get(&data.volume) {
            None => reasons.push(Reason::DataMissing),
            Some(volume) if volume.capacity < data.size => {
                reasons.push(Reason::DataGrows { from: volume.capacity, to: data.size });
            }
            _ => {}
        }
    }
    reasons
}

/// What an inactive pool holds is not known.
fn new_data(node: &Node, state: &State) -> Option<NewData> {
    let data = node.disks.data.as_ref()?;
    let pool = state.pool.as_ref().filter(|pool| pool.active)?;
    (!pool.volumes.contains_key(&data.volume)).then(|| NewData { volume: data.volume.clone(), size: data.size })
}

fn member(observed: &Observed, node: &Node) -> Option<Member> {
    let member = node.etcd.as_ref()?;
    let leader = observed.etcd.as_ref().and_then(|etcd| etcd.leader.as_ref());
    Some(if leader == Some(&member.name) { Member::Leader } else { Member::Follower })
}

/// A member of a cluster that runs has to be taken in anew when its data is not there, or when it is none yet.
fn joins_etcd(observed: &Observed, node: &Node, state: &State) -> bool {
    let Some(member) = &node.etcd else { return false };
    let known = observed.etcd.as_ref().is_none_or(|etcd| etcd.knows(&member.name));
    new_data(node, state).is_some() || !known
}
