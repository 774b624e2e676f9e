//! The shape of `deploy.json`: everything `kubi-deploy` needs, so that it never reads a spec. See docs/deploy-json.md.

use super::input::{DiskFormat, NetworkKind};
use crate::spec::model::{Accelerator, Architecture, Role};
use crate::tree::Digest;
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// One build of one cluster, ready to deploy. Paths are relative to the file itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    pub api_version: DeploymentVersion,
    pub kind: DeploymentKind,
    pub cluster: String,
    /// Keyed hash that depends on the cluster's root secret alone, and tells nothing of it: two clusters of the same name
    /// differ in it.
    pub identity: String,
    /// The recipe that connects pods. Absent when no node has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_network: Option<String>,
    /// Kubernetes release without a leading v.
    pub kubernetes_version: String,
    pub api: Api,
    /// Administrator's kubeconfig; holds a private key. Absent when the build wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_kubeconfig: Option<String>,
    /// Client certificate for etcd. Absent when the build wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_etcd: Option<ClientCertificate>,
    /// Directory of the image files.
    pub image_directory: String,
    pub hypervisors: Vec<HypervisorEntry>,
    pub networks: Vec<Network>,
    /// Each image file once, an image after the one it is based on.
    pub images: Vec<Image>,
    /// In the order to start them: etcd members, other controllers, then the rest.
    pub nodes: Vec<NodeEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeploymentVersion {
    #[serde(rename = "kubi/v1alpha1")]
    V1Alpha1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeploymentKind {
    Deployment,
}

/// How clients reach the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Api {
    pub host: String,
    pub port: u16,
    pub url: String,
}

/// PEM files of a client that authenticates with a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// The authority that the server's certificate is checked against.
    pub authority: String,
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// A machine that runs libvirt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HypervisorEntry {
    pub name: String,
    /// libvirt connection URI.
    pub uri: String,
    /// Storage pool of all volumes.
    pub pool: String,
    pub accelerator: Accelerator,
}

/// A libvirt network to define on one hypervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    pub hypervisor: String,
    pub kind: NetworkKind,
    /// Name and UUID in libvirt.
    pub name: String,
    pub uuid: String,
    pub mode: NetworkMode,
    pub xml: String,
    #[schemars(with = "String")]
    pub cidr: Ipv4Net,
    /// Default route of the nodes; management network only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
    /// Host interface: an existing bridge for mode bridge, else one that libvirt makes.
    pub bridge: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NetworkMode {
    Nat,
    Routed,
    Isolated,
    Bridge,
}

/// An image file to upload as a volume of the same name, where it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    pub file: String,
    pub role: ImageRole,
    pub format: DiskFormat,
    /// Of the file's bytes.
    #[schemars(with = "String", regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Digest,
    /// Of the file, in bytes.
    pub size: u64,
    /// File name of the image that this one is an overlay of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backing: Option<String>,
    /// Hypervisors that need it, sorted.
    pub hypervisors: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImageRole {
    Base,
    Overlay,
    Artifacts,
    Kernel,
    Initrd,
}

/// One node: what to define, what it runs, and what to wait for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeEntry {
    pub name: String,
    pub roles: Vec<Role>,
    pub hypervisor: String,
    pub architecture: Architecture,
    pub cpus: u32,
    /// In bytes.
    pub memory: u64,
    pub domain: Domain,
    pub machine_id: String,
    /// Management first, then cluster.
    pub interfaces: Vec<Interface>,
    /// Manifest digest of the node's bundle: a node whose domain records another one is to be replaced.
    #[schemars(with = "String", regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub bundle: Digest,
    pub disks: Disks,
    pub boot: Boot,
    /// For members of etcd: replace one at a time, and only while the others are a healthy majority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdMember>,
    /// Of its Node object by the spec, `KEY=VALUE:EFFECT` or `KEY:EFFECT`: a kubelet sets them only when it registers its Node for
    /// the first time, and may not change them. Absent where no kubelet registers one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taints: Option<Vec<String>>,
    /// What must hold before the next node is touched.
    pub wait_for: Vec<Wait>,
}

/// The libvirt domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Domain {
    /// `CLUSTER-NODE`.
    pub name: String,
    pub uuid: String,
    pub xml: String,
    pub metadata: Metadata,
}

/// The ownership element in the domain's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// XML namespace.
    pub namespace: String,
    /// Prefix of that namespace.
    pub prefix: String,
    /// The whole element, as the domain's XML has it.
    pub element: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interface {
    pub network: NetworkKind,
    pub mac: String,
    pub address: Ipv4Addr,
    pub prefix: u8,
}

/// The node's disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disks {
    pub root: RootDisk,
    /// Read-only squashfs, mounted at `/opt/kubi`. Absent when nothing of the node comes from artifacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Volume>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataDisk>,
}

/// An empty qcow2 layer on the overlay: made anew whenever the node is replaced, so the overlay is never written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RootDisk {
    pub volume: String,
    pub format: DiskFormat,
    /// The overlay: an entry of `images`. The layer has its virtual size.
    pub backing: String,
    /// virtio serial.
    pub serial: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// An entry of `images`.
    pub file: String,
    /// virtio serial.
    pub serial: String,
}

/// The only disk that keeps anything: made empty when it is missing, never overwritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataDisk {
    pub volume: String,
    pub format: DiskFormat,
    /// In bytes. An existing volume may be grown to it, never shrunk.
    pub size: u64,
    /// virtio serial.
    pub serial: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Boot {
    /// The base image's boot loader.
    Firmware,
    /// `kernel` and `initrd` are entries of `images`; the domain's XML has their paths in libvirt's default pool.
    #[serde(rename_all = "camelCase")]
    Kernel { kernel: String, initrd: String, command_line: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdMember {
    pub name: String,
    pub peer_url: String,
    /// On the cluster network, which hypervisors have no address on.
    pub client_url: String,
    /// On the management network.
    pub management_url: String,
}

/// A condition that tells a node is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Wait {
    /// The etcd member answers healthy at `url`, trusting the authority in `operatorEtcd` and showing its certificate.
    EtcdMember { url: String },
    /// A GET of `url` answers 200, trusting the authority in the operator's kubeconfig.
    ApiServer { url: String },
    /// The Node object is Ready, and its label `kubi/bundle` is `label`: the first 63 hex digits of the bundle digest.
    Node { name: String, label: String },
}

/// The JSON schema of `deploy.json`.
pub fn deployment_schema() -> schemars::Schema {
    schemars::schema_for!(Deployment)
}
