//! The spec as typed values: what a user writes, with every default filled in.
//!
//! Unknown keys are errors. Values that only make sense together are checked in `check.rs`.

use super::schema::Network;
use super::units::{Bytes, Date, Lifetime, PortRange, Version};
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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Networks {
    pub management: Management,
    pub cluster: ClusterNetwork,
    pub pods: Pods,
    pub services: Services,
    pub dns: Dns,
    pub api: Api,
}

/// Hypervisor to node. Holds the default route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Management {
    #[schemars(with = "Network")]
    pub cidr: Ipv4Net, // 192.168.122.0/24
    pub mode: ManagementMode,
    /// Default route; the first address of the network when unset.
    pub gateway: Option<Ipv4Addr>,
    /// At most two: glibc reads three and pods add one. The gateway when unset.
    pub nameservers: Vec<Ipv4Addr>,
    /// NTP servers; the distribution's when empty.
    pub time_servers: Vec<String>,
    /// Host bridge, for `mode: bridge`.
    pub bridge: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ManagementMode {
    Nat,
    Routed,
    Bridge,
}

/// Node to node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterNetwork {
    #[schemars(with = "Network")]
    pub cidr: Ipv4Net, // 192.168.24.0/24
    pub mode: ClusterMode,
    /// Host bridge, for `mode: bridge`; needed when nodes sit on several hypervisors.
    pub bridge: Option<String>,
    pub mtu: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClusterMode {
    Isolated,
    Bridge,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Pods {
    #[schemars(with = "Network")]
    pub cidr: Ipv4Net, // 10.200.0.0/16
    /// Prefix length of one node's share.
    pub node_prefix: u8, // 24
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Services {
    #[schemars(with = "Network")]
    pub cidr: Ipv4Net, // 10.32.0.0/24
    pub node_ports: PortRange, // 30000-32767
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    pub domain: String, // cluster.local
    /// Cluster DNS service address; the tenth of the service network when unset.
    pub address: Option<Ipv4Addr>,
}

/// How everybody reaches the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Api {
    pub port: u16, // 6443
    /// Virtual address on the cluster network; required with more than one controller unless `endpoint` is set.
    pub vip: Option<Ipv4Addr>,
    /// Host name or address of a load balancer of your own.
    pub endpoint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pki {
    /// Start of every certificate's validity: a date, UTC midnight.
    pub epoch: Date,
    #[serde(default)]
    pub lifetimes: Lifetimes,
    #[serde(default)]
    pub algorithm: Algorithm,
    #[serde(default)]
    pub subject: Subject,
    /// Additional names or addresses by certificate: `kube-apiserver: [api.example.com, 10.0.0.9]`.
    #[serde(default)]
    pub sans: BTreeMap<String, Vec<String>>,
    /// Generation by secret name; 1 when unset, one higher to rotate: `ca/etcd: 2`, `service-account: 2`.
    #[serde(default)]
    pub generations: BTreeMap<String, u32>,
    /// Certificate authorities of your own: a PEM pair sealed in this file, by authority name.
    #[serde(default)]
    pub import: BTreeMap<String, String>,
    /// Adds an intermediate CA that the controller manager signs CertificateSigningRequests with.
    #[serde(default)]
    pub cluster_signing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Lifetimes {
    pub authority: Lifetime,   // 10y
    pub certificate: Lifetime, // 1y
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    #[default]
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    #[serde(rename = "rsa-8192")]
    Rsa8192,
}

/// Subject fields of every certificate that Kubernetes gives no meaning to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// Two letters (ISO 3166).
    pub country: Option<String>,
    pub state: Option<String>,
    pub locality: Option<String>,
    /// Of the authorities only: in client certificates O is a Kubernetes group.
    pub organization: Option<String>,
    pub organizational_unit: Option<String>,
}

/// Encryption of API objects in etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Encryption {
    /// The first provider writes, the others still read.
    pub providers: Vec<EncryptionProvider>, // [secretbox]
    /// Key names, newest first; each is derived.
    pub keys: Vec<String>, // [key1]
    pub resources: Vec<String>, // [secrets]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EncryptionProvider {
    Secretbox,
    Aesgcm,
    Aescbc,
    Identity,
}

/// A virtual machine's size and how it boots. Later layers (role, node) win key by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    pub cpus: Option<u32>,     // 2
    pub memory: Option<Bytes>, // 4GiB
    pub disks: Disks,
    pub boot: Option<Boot>, // firmware
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Disks {
    /// Virtual size of the root disk; the base image's when unset, never smaller.
    pub root: Option<Bytes>,
    /// Size of the data disk, which outlives every rebuild.
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
    #[serde(default)]
    pub hypervisor: Option<String>,
    #[serde(default)]
    pub machine: Machine,
    #[serde(default)]
    pub recipes: Recipes,
    #[serde(default)]
    pub params: Params,
    #[serde(default)]
    pub components: Components,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `key=value:Effect`, as kubectl writes them.
    #[serde(default)]
    pub taints: Vec<String>,
    /// This node's share of the pod network; follows from its cluster address when unset.
    #[serde(default, rename = "podCIDR")]
    #[schemars(with = "Option<Network>")]
    pub pod_cidr: Option<Ipv4Net>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Addresses {
    pub cluster: Ipv4Addr,
    pub management: Ipv4Addr,
}
