//! The shape of `deploy.json` (docs/deploy-json.md): what one build wants to run.
//!
//! In: JSON text. Out: typed values whose names and references have been checked. Never reads a file, and never guesses:
//! an unknown key is an error.

use serde::Deserialize;

/// One build of one cluster. Paths are relative to the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    pub api_version: ApiVersion,
    pub kind: Kind,
    pub cluster: String,
    /// Tells clusters of the same name apart. Absent in builds of older kubis.
    pub identity: Option<String>,
    pub pod_network: Option<String>,
    pub kubernetes_version: String,
    pub api: Api,
    pub operator_kubeconfig: Option<String>,
    pub operator_etcd: Option<ClientCertificate>,
    pub image_directory: String,
    pub hypervisors: Vec<Hypervisor>,
    pub networks: Vec<Network>,
    /// An image comes after the one it is based on.
    pub images: Vec<Image>,
    /// In the order to start them.
    pub nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ApiVersion {
    #[serde(rename = "kubi/v1alpha1")]
    V1Alpha1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Kind {
    Deployment,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Api {
    pub host: String,
    pub port: u16,
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    pub authority: String,
    pub certificate: String,
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hypervisor {
    pub name: String,
    pub uri: String,
    pub pool: String,
    pub accelerator: Accelerator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Accelerator {
    Kvm,
    Tcg,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    pub hypervisor: String,
    pub kind: NetworkKind,
    pub name: String,
    pub uuid: String,
    pub mode: NetworkMode,
    pub xml: String,
    pub cidr: String,
    pub gateway: Option<String>,
    pub bridge: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NetworkKind {
    Management,
    Cluster,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NetworkMode {
    Nat,
    Routed,
    Isolated,
    Bridge,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// Name of the file in `image_directory`, and of the volume. Holds the digest.
    pub file: String,
    pub role: ImageRole,
    pub format: Format,
    pub digest: String,
    pub size: u64,
    pub backing: Option<String>,
    pub hypervisors: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageRole {
    Base,
    Overlay,
    Artifacts,
    Kernel,
    Initrd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    Raw,
    Qcow2,
}

impl Format {
    /// As libvirt calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    pub name: String,
    pub roles: Vec<Role>,
    pub hypervisor: String,
    pub architecture: String,
    pub cpus: u32,
    pub memory: u64,
    pub domain: Domain,
    pub machine_id: String,
    pub interfaces: Vec<Interface>,
    pub bundle: String,
    pub disks: Disks,
    pub boot: Boot,
    pub etcd: Option<EtcdMember>,
    /// Of its Node, `KEY=VALUE:EFFECT` or `KEY:EFFECT`. Absent in builds of older kubis, too.
    pub taints: Option<Vec<String>>,
    pub wait_for: Vec<Wait>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    Controller,
    Worker,
    Etcd,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Controller => "controller",
            Role::Worker => "worker",
            Role::Etcd => "etcd",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Domain {
    pub name: String,
    pub uuid: String,
    pub xml: String,
    pub metadata: Metadata,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    pub namespace: String,
    pub prefix: String,
    pub element: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interface {
    pub network: NetworkKind,
    pub mac: String,
    pub address: String,
    pub prefix: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disks {
    pub root: RootDisk,
    pub artifacts: Option<ArtifactDisk>,
    pub data: Option<DataDisk>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RootDisk {
    pub volume: String,
    pub format: Format,
    pub backing: String,
    pub serial: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactDisk {
    pub file: String,
    pub serial: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataDisk {
    pub volume: String,
    pub format: Format,
    pub size: u64,
    pub serial: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Boot {
    Firmware,
    #[serde(rename_all = "camelCase")]
    Kernel {
        kernel: String,
        initrd: String,
        command_line: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdMember {
    pub name: String,
    pub peer_url: String,
    pub client_url: String,
    pub management_url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Wait {
    EtcdMember { url: String },
    ApiServer { url: String },
    Node { name: String, label: String },
}

/// Why a `deploy.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error("it is not what this kubi-deploy understands: {0}. Use the kubi-deploy of the kubi that built it")]
    Json(#[from] serde_json::Error),
    #[error("{0:?} cannot be a file name or a libvirt name")]
    Name(String),
    #[error("{0:?} leads out of the cluster's folder")]
    Path(String),
    #[error("kubi-deploy does not connect to {uri}: {reason}")]
    Uri { uri: String, reason: String },
    #[error("{place} names {name:?}, which the file does not declare")]
    Unknown { place: String, name: String },
}

impl Deployment {
    /// Reads `deploy.json` and checks it.
    pub fn parse(text: &str) -> Result<Self, DeploymentError> {
        let deployment: Self = serde_json::from_str(text)?;
        deployment.check()?;
        Ok(deployment)
    }

    /// Paths of the operator's credentials.
    pub fn operator_files(&self) -> impl Iterator<Item = &String> {
        let etcd = self.operator_etcd.iter().flat_map(|files| [&files.authority, &files.certificate, &files.key]);
        etcd.chain(&self.operator_kubeconfig)
    }

    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    pub fn image(&self, file: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.file == file)
    }

    pub fn hypervisor(&self, name: &str) -> Option<&Hypervisor> {
        self.hypervisors.iter().find(|hypervisor| hypervisor.name == name)
    }

    pub fn etcd_members(&self) -> impl Iterator<Item = (&Node, &EtcdMember)> {
        self.nodes.iter().filter_map(|node| Some((node, node.etcd.as_ref()?)))
    }
}

impl Node {
    /// Files of the images that the node boots from, its base aside.
    pub fn images(&self) -> Vec<&str> {
        let artifacts = self.disks.artifacts.as_ref().map(|disk| disk.file.as_str());
        let boot = match &self.boot {
            Boot::Firmware => vec![],
            Boot::Kernel { kernel, initrd, .. } => vec![kernel.as_str(), initrd.as_str()],
        };
        std::iter::once(self.disks.root.backing.as_str()).chain(artifacts).chain(boot).collect()
    }

    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The Node object that its kubelet registers, if it has one.
    pub fn kubernetes_node(&self) -> Option<&str> {
        self.wait_for.iter().find_map(|wait| match wait {
            Wait::Node { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }
}
