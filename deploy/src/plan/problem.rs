//! What is in the way of a plan.

use crate::build::Build;
use crate::observed::Observed;
use serde::Serialize;

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
    #[error("the volume {volume} on hypervisor {hypervisor} is used by domain {by}, which is not this cluster's")]
    VolumeTaken { hypervisor: String, volume: String, by: String },
    #[error(
        "node {node} is left as it is: with Kubernetes {version}, a kubelet would be newer than an API server because of {by}, which \
         this plan does not change. Include {by}, or change it first"
    )]
    Skew { node: String, by: String, version: String },
    #[error("{path} cannot be read as libvirt XML; run `kubi verify`")]
    BadXml { path: String },
}

impl Problem {
    /// Whether nothing at all may be done. Without one hypervisor, the others can still be worked on.
    pub fn is_blocking(&self) -> bool {
        !matches!(self, Problem::Unreachable { .. } | Problem::Skew { .. })
    }
}

pub fn unreachable(build: &Build, observed: &Observed) -> Vec<Problem> {
    let names = build.deployment.hypervisors.iter().map(|hypervisor| &hypervisor.name);
    names
        .filter_map(|name| match observed.hypervisors.get(name) {
            Some(Ok(_)) => None,
            Some(Err(reason)) => Some(Problem::Unreachable { hypervisor: name.clone(), reason: reason.clone() }),
            None => Some(Problem::Unreachable { hypervisor: name.clone(), reason: "it was not asked".to_owned() }),
        })
        .collect()
}
