//! What is in the way of a plan.

use super::Context;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Problem {
    #[error("hypervisor {hypervisor} cannot be reached, so its nodes are left as they are: {reason}")]
    Unreachable { hypervisor: String, reason: String },
    #[error(
        "hypervisor {hypervisor} has no storage pool {pool}. Make one: virsh -c {uri} pool-define-as {pool} dir --target DIRECTORY, \
         then pool-build, pool-start and pool-autostart {pool}"
    )]
    NoPool { hypervisor: String, pool: String, uri: String },
    #[error("pool {pool} on hypervisor {hypervisor} is of type {found}: name one of type dir, fs or netfs in the spec")]
    PoolKind { hypervisor: String, pool: String, found: String },
    #[error(
        "pool {pool} on hypervisor {hypervisor} is full: {needed} bytes are needed, {available} are free. Free some, or name another pool in the spec"
    )]
    PoolFull { hypervisor: String, pool: String, needed: u64, available: u64 },
    #[error(
        "hypervisor {hypervisor} has no KVM. Enable virtualisation there (is /dev/kvm usable?), or emulate, slowly, with --allow-tcg"
    )]
    NoKvm { hypervisor: String },
    #[error(
        "the domain {name} on hypervisor {hypervisor} is not this cluster's. Rename the cluster or the node, or remove that domain yourself"
    )]
    DomainTaken { hypervisor: String, name: String },
    #[error(
        "the domain {name} on hypervisor {hypervisor} is of another cluster that is called {cluster} too: one that was made from \
         another root secret. Rename this cluster, or destroy the other one with its own `kubi-deploy`"
    )]
    OtherCluster { hypervisor: String, name: String, cluster: String },
    #[error(
        "the domain {name} on hypervisor {hypervisor} has the mark of node {node}, but another UUID than that has: it is a copy. \
         It is not touched. Take the mark off it: virsh metadata {name} urn:kubi:node:v1 --remove --config"
    )]
    Copy { hypervisor: String, name: String, node: String },
    #[error(
        "the network {name} on hypervisor {hypervisor} is not this cluster's. Rename the cluster, or remove that network yourself"
    )]
    NetworkTaken { hypervisor: String, name: String },
    #[error(
        "the addresses {cidr} are taken by network {by} on hypervisor {hypervisor}. Choose others in the spec, for instance \
         networks: {{management: {{cidr: {free}}}}} and each node's addresses.management in it; or, if nothing needs that network, \
         stop it: virsh net-destroy {by}"
    )]
    RangeTaken { hypervisor: String, cidr: String, by: String, free: String },
    #[error(
        "hypervisor {hypervisor} is reached by {uri}, whose libvirt may not make the network {network}. Use qemu:///system, or write \
         mode: bridge for networks.management and networks.cluster, with a bridge that /etc/qemu/bridge.conf allows"
    )]
    SessionNetwork { hypervisor: String, uri: String, network: String },
    #[error("the volume {volume} on hypervisor {hypervisor} is used by domain {by}, which is not this cluster's")]
    VolumeTaken { hypervisor: String, volume: String, by: String },
    #[error(
        "node {node} is left as it is: with Kubernetes {version}, a kubelet would be newer than an API server because of {by}, which \
         this plan does not change. Include {by}, or change it first"
    )]
    Skew { node: String, by: String, version: String },
    #[error(
        "network {network} on hypervisor {hypervisor} changes, which stops all of the cluster's nodes there: {left_out} would stay off. \
         Name them with --only too, or leave --only out"
    )]
    HalfANetwork { hypervisor: String, network: String, left_out: String },
    #[error(
        "network {network} on hypervisor {hypervisor} changes together with the cluster addresses of etcd's members {members}: all of them \
         would be off, and could not tell each other. Change one after the other, or restore a snapshot under the new addresses \
         (docs/operations.md, 'Recover a lost quorum')"
    )]
    MembersCutOff { hypervisor: String, network: String, members: String },
    #[error(
        "node {node} may still run on hypervisor {place}, which cannot be reached: a second one is not made. When that machine is gone \
         for good, say --lost {place}"
    )]
    PlaceUnseen { node: String, place: String },
    #[error(
        "the data disk {volume} of {node} is gone from hypervisor {hypervisor}, but its domain runs and still has it open. Is the pool's \
         directory mounted? Else save what you need, stop the domain (virsh shutdown {domain}), and run this again"
    )]
    DataGone { hypervisor: String, node: String, volume: String, domain: String },
    #[error(
        "{node} is etcd's only member and would start without its data: there is no other to copy it from. Bring its data disk {volume} to \
         hypervisor {hypervisor} (docs/operations.md, 'Move a node' and 'Recover a lost quorum')"
    )]
    OnlyCopy { hypervisor: String, node: String, volume: String },
    #[error(
        "etcd would start as a whole with the old data disks of {found} and without those of {empty}: the empty ones could outvote the \
         others, and overwrite what they have. Restore all from one snapshot (docs/operations.md, 'Recover a lost quorum'), or delete all"
    )]
    MixedData { found: String, empty: String },
    #[error("{path} cannot be read as libvirt XML; run `kubi verify`")]
    BadXml { path: String },
}

impl Problem {
    /// Whether nothing at all may be done. Without one hypervisor, the others can still be worked on.
    pub fn is_blocking(&self) -> bool {
        !matches!(self, Problem::Unreachable { .. } | Problem::Skew { .. })
    }
}

pub fn unreachable(context: &Context<'_>) -> Vec<Problem> {
    let observed = &context.observed.hypervisors;
    let built: BTreeSet<&String> = context.build.deployment.hypervisors.iter().map(|built| &built.name).collect();
    // One that the build has no more is not missed when it is said to be lost.
    let others = observed.keys().filter(|name| !built.contains(name) && !context.options.lost.contains(*name));
    let names: BTreeSet<&String> = built.iter().copied().chain(others).collect();
    let reason = |name: &String| match observed.get(name) {
        Some(Ok(_)) => None,
        Some(Err(reason)) => Some(reason.clone()),
        None => Some("it was not asked".to_owned()),
    };
    names
        .into_iter()
        .filter_map(|name| Some(Problem::Unreachable { hypervisor: name.clone(), reason: reason(name)? }))
        .collect()
}

/// A changed network stops every node on its hypervisor, and only those of the plan start again.
pub fn half_a_network(context: &Context<'_>, changed: &BTreeMap<String, String>) -> Vec<Problem> {
    let Some(only) = &context.options.only else { return Vec::new() };
    let left_out = |hypervisor: &String| -> Vec<&str> {
        let Some(Ok(state)) = context.observed.hypervisors.get(hypervisor) else { return Vec::new() };
        let own = state.domains.iter().filter(|domain| domain.running && domain.belongs_to(&context.build.deployment));
        let names = own.filter_map(|domain| Some(domain.mark.as_ref()?.node.as_str()));
        names.filter(|name| !only.contains(*name)).collect()
    };
    let problem = |(hypervisor, network): (&String, &String)| Problem::HalfANetwork {
        hypervisor: hypervisor.clone(),
        network: network.clone(),
        left_out: left_out(hypervisor).join(", "),
    };
    changed.iter().filter(|(hypervisor, _)| !left_out(hypervisor).is_empty()).map(problem).collect()
}

/// A member can tell the others its new address only while they run; one that is alone needs to tell nobody.
pub fn cut_off_members(context: &Context<'_>, changed: &BTreeMap<String, String>) -> Vec<Problem> {
    let Some(etcd) = context.observed.etcd.as_ref().filter(|etcd| etcd.voters().count() > 1) else { return Vec::new() };
    let known = |name: &str, url: &String| {
        etcd.members.iter().any(|member| member.info.name == name && !member.info.peer_urls.contains(url))
    };
    let members = |hypervisor: &String| -> Vec<&str> {
        let built = context.build.deployment.etcd_members().filter(|(node, _)| node.hypervisor == *hypervisor);
        let moved = built.filter(|(_, member)| known(&member.name, &member.peer_url));
        moved.map(|(node, _)| node.name.as_str()).collect()
    };
    let problem = |(hypervisor, network): (&String, &String)| Problem::MembersCutOff {
        hypervisor: hypervisor.clone(),
        network: network.clone(),
        members: members(hypervisor).join(", "),
    };
    changed.iter().filter(|(hypervisor, _)| !members(hypervisor).is_empty()).map(problem).collect()
}
