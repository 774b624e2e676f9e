//! The spec as typed values: what a user writes, with every default filled in.
//!
//! Unknown keys are errors. Values that only make sense together are checked in `check.rs`.

mod networks;
mod pki;

pub use networks::{Api, ClusterMode, ClusterNetwork, Dns, Management, ManagementMode, Networks, Pods, Services};
pub use pki::{Algorithm, Encryption, EncryptionProvider, Lifetimes, Pki, Subject};

use super::schema::Network;
use super::units::{Bytes, Version};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A recipe parameter's value.
pub type Value = serde_json::Value;
/// Parameters by recipe (`slot/choice`), then by name.
pub type Params = BTreeMap<String, BTreeMap<String, Value>>;

/// One Kubernetes cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    pub api_version: ApiVersion,
    pub kind: ClusterKind,
    pub metadata: Metadata,
    pub spec: ClusterSpec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    #[serde(rename = "kubi/v1alpha1")]
    V1Alpha1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClusterKind {
    Cluster,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// A DNS label; names the output directory, the libvirt domains and the certificates' cluster.
    pub name: String,
}

/// `slot: choice`, `slot: [choice, choice]` or `slot: none`.
pub type Recipes = BTreeMap<String, Chosen>;
/// Where each component comes from, by component name (`etcd`, `containerd`, `kubelet`, ...).
pub type Components = BTreeMap<String, Component>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    pub kubernetes: Kubernetes,
    /// Base image by name: `debian-12`, `debian-13` or one added with `kubi base add`.
    pub base: String,
    #[serde(default)]
    pub networks: Networks,
    pub pki: Pki,
    #[serde(default)]
    pub encryption: Encryption,
    /// Recipes by slot, for every node.
    #[serde(default)]
    pub recipes: Recipes,
    /// Parameters by recipe (`slot/choice`), for every node.
    #[serde(default)]
    pub params: Params,
    #[serde(default)]
    pub components: Components,
    /// Size and boot way of every node's virtual machine.
    #[serde(default)]
    pub machine: Machine,
    /// Choices for all nodes of a role; they win over the cluster's.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::role_specs")]
    pub roles: BTreeMap<Role, RoleSpec>,
    #[serde(default)]
    pub hypervisors: Vec<Hypervisor>,
    pub nodes: Vec<Node>,
}

impl ClusterSpec {
    /// What all nodes share; their list, which may be long, is not copied.
    pub fn without_nodes(&self) -> Self {
        Self {
            kubernetes: self.kubernetes.clone(),
            base: self.base.clone(),
            networks: self.networks.clone(),
            pki: self.pki.clone(),
            encryption: self.encryption.clone(),
            recipes: self.recipes.clone(),
            params: self.params.clone(),
            components: self.components.clone(),
            machine: self.machine.clone(),
            roles: self.roles.clone(),
            hypervisors: self.hypervisors.clone(),
            nodes: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kubernetes {
    /// Full release without a leading v: `1.36.4`.
    pub version: Version,
}

/// A recipe choice for one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Chosen {
    One(String),
    Many(Vec<String>),
}

/// Where a component's binaries come from, and which version. Unset: an artifact of the version that suits Kubernetes'.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    pub from: Option<From>,
    /// Upstream version without a leading v; for artifacts only.
    pub version: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// From the artifact disk at `/opt/kubi`.
    Artifact,
    /// From the base image's packages.
    Package,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    Controller,
    Worker,
    /// An etcd member. When no node has this role, the controllers are the members.
    Etcd,
}

impl Role {
    /// As the spec writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Controller => "controller",
            Role::Worker => "worker",
            Role::Etcd => "etcd",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleSpec {
    pub recipes: Recipes,
    pub params: Params,
    pub components: Components,
    pub machine: Machine,
}

/// A virtual machine's size and how it boots. Later layers (role, node) win key by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>, // 2
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>, // 4GiB
    #[serde(skip_serializing_if = "is_default")]
    pub disks: Disks,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>, // firmware
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Disks {
    /// Virtual size of the root disk; the base image's when unset, never smaller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Bytes>,
    /// Size of the data disk, which outlives every rebuild.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Bytes>, // 20GiB
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Boot {
    /// The base image's own boot loader, by BIOS or UEFI.
    Firmware,
    /// libvirt loads kernel and initrd itself.
    Kernel,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hypervisor {
    pub name: String,
    /// libvirt connection URI, for example `qemu:///system` or `qemu+ssh://root@hv1/system`.
    pub uri: String,
    #[serde(default)]
    pub accelerator: Accelerator,
    /// Storage pool for images and data disks.
    #[serde(default = "default_pool")]
    pub pool: String,
}

fn default_pool() -> String {
    "default".to_owned()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Accelerator {
    #[default]
    Kvm,
    /// Software emulation: slow, needs no hardware support.
    Tcg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Architecture {
    #[default]
    Amd64,
    Arm64,
}

impl Architecture {
    /// The name that Debian, Go and this spec use.
    pub const fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }
}

/// What is not said is not written either: a key that kubi learns later changes no node that lacks it.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// A DNS label: host name and Node name.
    pub name: String,
    pub roles: Vec<Role>,
    #[serde(default)]
    pub architecture: Architecture,
    pub addresses: Addresses,
    /// Name of a hypervisor; the only one when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub machine: Machine,
    #[serde(default, skip_serializing_if = "is_default")]
    pub recipes: Recipes,
    #[serde(default, skip_serializing_if = "is_default")]
    pub params: Params,
    #[serde(default, skip_serializing_if = "is_default")]
    pub components: Components,
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// `key=value:Effect`, as kubectl writes them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub taints: Vec<String>,
    /// This node's share of the pod network; follows from its cluster address when unset.
    #[serde(default, rename = "podCIDR", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Network>")]
    pub pod_cidr: Option<Ipv4Net>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Addresses {
    pub cluster: Ipv4Addr,
    pub management: Ipv4Addr,
}
