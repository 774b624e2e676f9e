//! How a cluster is, at one moment, against what was built: values that are shown, or written as JSON.
//!
//! What could not be asked is missing or says why; a status is never an error.

mod gather;
mod kubernetes;

pub use gather::status;

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub cluster: String,
    /// Number of the newest build.
    pub build: u64,
    pub kubernetes_version: String,
    pub hypervisors: Vec<HypervisorStatus>,
    pub etcd: Vec<MemberRow>,
    pub control_plane: Vec<ComponentRow>,
    pub kubernetes: KubernetesStatus,
    pub certificates: Vec<CertificateRow>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HypervisorStatus {
    pub name: String,
    pub uri: String,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Free bytes in the pool.
    pub pool_available: u64,
    pub domains: Vec<DomainRow>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainRow {
    pub node: String,
    pub domain: String,
    pub state: DomainState,
    /// Number of the build that it was started from.
    pub build: u64,
    /// Bundle that it was started with; empty when there is no domain.
    pub running: String,
    /// Bundle that was built; empty when the node left the spec.
    pub built: String,
    /// Every condition held once since it was started.
    pub seen_healthy: bool,
}

impl DomainRow {
    pub fn is_current(&self) -> bool {
        !self.running.is_empty() && self.running == self.built
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DomainState {
    Running,
    /// Stopped in the middle, by somebody or because a disk is full.
    Paused,
    Off,
    Missing,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRow {
    pub name: String,
    pub healthy: bool,
    pub leader: bool,
    pub version: String,
    /// Bytes.
    pub database_size: u64,
    /// Why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An API server by its URL, or a component by its lease.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentRow {
    pub name: String,
    pub place: String,
    pub healthy: bool,
    pub detail: String,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesStatus {
    /// Why the API could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub nodes: Vec<NodeRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_network: Option<PodNetwork>,
    pub runtime_classes: Vec<String>,
    pub volumes: Vec<VolumeRow>,
    pub addons: Vec<AddonRow>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRow {
    pub name: String,
    pub roles: Vec<String>,
    pub ready: bool,
    pub schedulable: bool,
    pub kubelet: String,
    pub runtime: String,
    pub pods: usize,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeRow {
    pub name: String,
    pub capacity: String,
    pub phase: String,
    pub claim: String,
}

/// What connects pods: it may be files on the nodes alone, and no workload.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodNetwork {
    pub recipe: String,
    /// Nodes on which it is up.
    pub ready: usize,
    pub nodes: usize,
}

/// A workload in `kube-system`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddonRow {
    pub kind: String,
    pub name: String,
    pub ready: u64,
    pub wanted: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRow {
    pub what: String,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Until then; negative when it has expired.
    pub days_left: i64,
}
