//! What the libvirt files are made from: finished values, no spec defaults left to fill in.

use super::identity;
use super::kept::Kept;
use super::schema::ClientCertificate;
use crate::spec::model::{Accelerator, Addresses, Architecture, ClusterMode, Hypervisor, ManagementMode, Role};
use crate::tree::Digest;
use ipnet::Ipv4Net;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// A whole cluster, after planning and after the images were written.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub cluster: String,
    /// Of the cluster's root secret, and no secret itself: tells two clusters of one name apart.
    pub identity: String,
    /// The recipe that connects pods, if there is one: `cni/bridge`.
    pub pod_network: Option<String>,
    /// Full release without a leading v.
    pub kubernetes_version: String,
    /// Name or address and port that clients of the API server use.
    pub api_host: String,
    pub api_port: u16,
    /// Relative to `deploy.json`; `None` when the build wrote none.
    pub operator_kubeconfig: Option<String>,
    /// Relative likewise.
    pub operator_etcd: Option<ClientCertificate>,
    pub management: ManagementLink,
    pub cluster_network: ClusterLink,
    pub hypervisors: Vec<Hypervisor>,
    pub nodes: Vec<NodeInput>,
}

/// The hypervisor of a spec that names none.
pub fn only_hypervisor() -> Hypervisor {
    Hypervisor {
        name: "local".to_owned(),
        uri: "qemu:///system".to_owned(),
        accelerator: Accelerator::Kvm,
        pool: "default".to_owned(),
    }
}

/// The network that holds the default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementLink {
    pub cidr: Ipv4Net,
    pub gateway: Ipv4Addr,
    pub mode: ManagementMode,
    /// Host bridge, for [`ManagementMode::Bridge`].
    pub bridge: Option<String>,
}

/// The network between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterLink {
    pub cidr: Ipv4Net,
    pub mode: ClusterMode,
    /// Host bridge, for [`ClusterMode::Bridge`].
    pub bridge: Option<String>,
    pub mtu: Option<u32>,
}

/// One node with its images.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeInput {
    pub name: String,
    /// Effective roles: a controller that is an etcd member has both.
    pub roles: Vec<Role>,
    pub hypervisor: String,
    pub architecture: Architecture,
    pub cpus: u32,
    /// In bytes.
    pub memory: u64,
    pub addresses: Addresses,
    /// The manifest digest of the node's bundle.
    pub bundle: Digest,
    /// Of its Node object by the spec; `None` where no kubelet registers one.
    pub taints: Option<Vec<String>>,
    pub base: Arc<ImageFile>,
    pub overlay: ImageFile,
    pub artifacts: Option<Arc<ImageFile>>,
    /// Size of the data disk in bytes; `None` for a node without one.
    pub data_disk: Option<u64>,
    pub boot: Arc<BootInput>,
}

/// An image file in `images/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// File name without directory; also the volume's name in the storage pool.
    pub file: String,
    /// Of the file's bytes.
    pub digest: Digest,
    /// Of the file, in bytes.
    pub size: u64,
    pub format: DiskFormat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each class of nodes")]
pub enum BootInput {
    /// The base image's boot loader: BIOS on amd64, UEFI on arm64.
    Firmware,
    /// libvirt loads the kernel itself.
    Kernel { kernel: ImageFile, initrd: ImageFile, command_line: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DiskFormat {
    Raw,
    Qcow2,
}

/// The two networks that every node is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NetworkKind {
    Management,
    Cluster,
}

impl NetworkKind {
    pub const ALL: [NetworkKind; 2] = [NetworkKind::Management, NetworkKind::Cluster];

    /// Also the interface's name inside the node.
    pub fn as_str(self) -> &'static str {
        match self {
            NetworkKind::Management => "management",
            NetworkKind::Cluster => "cluster",
        }
    }
}

impl fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl DiskFormat {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
        }
    }
}

/// Why no libvirt files can be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibvirtError {
    #[error("node {node} is to run on hypervisor {hypervisor}, which is not in the spec")]
    UnknownHypervisor { node: String, hypervisor: String },
    #[error("the {network} network has mode bridge, but no bridge is named")]
    MissingBridge { network: NetworkKind },
    #[error("{first} and {second} have the same MAC address {mac} by chance: rename one of the nodes")]
    SameMac { mac: String, first: String, second: String },
    #[error("{name:?} cannot be a file name")]
    FileName { name: String },
    #[error("{value:?} has a character that XML cannot hold")]
    Unwritable { value: String },
    #[error("deploy.json could not be written: {0}")]
    Json(String),
}

impl Input {
    /// Checks what the files rely on and the spec's own checks cannot see.
    pub(super) fn check(&self, kept: &Kept<'_>) -> Result<(), LibvirtError> {
        let hypervisors: BTreeSet<_> = self.hypervisors.iter().map(|h| h.name.as_str()).collect();
        let names = self.hypervisors.iter().map(|h| &h.name).chain(self.nodes.iter().map(|n| &n.name));
        names.into_iter().try_for_each(|name| check_file_name(name))?;
        for node in &self.nodes {
            let (kernel, initrd) = match &*node.boot {
                BootInput::Firmware => (None, None),
                BootInput::Kernel { kernel, initrd, .. } => (Some(kernel), Some(initrd)),
            };
            let images = [Some(&*node.base), Some(&node.overlay), node.artifacts.as_deref(), kernel, initrd];
            images.into_iter().flatten().try_for_each(|image| check_file_name(&image.file))?;
            if !hypervisors.contains(node.hypervisor.as_str()) {
                let (node, hypervisor) = (node.name.clone(), node.hypervisor.clone());
                return Err(LibvirtError::UnknownHypervisor { node, hypervisor });
            }
        }
        // MAC addresses follow from names: those of a build that has happened differ.
        if self.nodes.iter().all(|node| kept.knows(&node.name)) { Ok(()) } else { self.check_macs() }
    }

    fn check_macs(&self) -> Result<(), LibvirtError> {
        let of_node = |node: &NodeInput| {
            NetworkKind::ALL.map(|kind| identity::mac_octets(&self.cluster, &node.name, kind.as_str()))
        };
        let of_all: Vec<_> = self.nodes.par_iter().map(of_node).collect();
        let mut known = BTreeMap::new();
        for (node, macs) in self.nodes.iter().zip(of_all) {
            for (mac, kind) in macs.into_iter().zip(NetworkKind::ALL) {
                if let Some(first) = known.insert(mac, &node.name) {
                    let mac = identity::mac(&self.cluster, &node.name, kind.as_str());
                    return Err(LibvirtError::SameMac { mac, first: first.clone(), second: node.name.clone() });
                }
            }
        }
        Ok(())
    }

    pub(super) fn accelerator(&self, node: &NodeInput) -> Accelerator {
        self.hypervisors.iter().find(|h| h.name == node.hypervisor).map(|h| h.accelerator).unwrap_or_default()
    }

    /// The host bridge of a network, when the spec says to use an existing one.
    pub(super) fn host_bridge(&self, kind: NetworkKind) -> Result<Option<&str>, LibvirtError> {
        let (wanted, bridge) = match kind {
            NetworkKind::Management => (self.management.mode == ManagementMode::Bridge, &self.management.bridge),
            NetworkKind::Cluster => (self.cluster_network.mode == ClusterMode::Bridge, &self.cluster_network.bridge),
        };
        match (wanted, bridge) {
            (false, _) => Ok(None),
            (true, Some(bridge)) => Ok(Some(bridge)),
            (true, None) => Err(LibvirtError::MissingBridge { network: kind }),
        }
    }

    /// The libvirt network's name.
    pub(super) fn network_name(&self, kind: NetworkKind) -> String {
        format!("{}-{kind}", self.cluster)
    }

    /// The libvirt domain's name.
    pub(super) fn domain_name(&self, node: &NodeInput) -> String {
        format!("{}-{}", self.cluster, node.name)
    }

    /// The throw-away layer's volume in the storage pool; made anew by deploy whenever it replaces the node.
    pub(super) fn root_volume(&self, node: &NodeInput) -> String {
        format!("{}-root.qcow2", self.domain_name(node))
    }

    /// The data disk's volume in the storage pool; made once by deploy, never replaced.
    pub(super) fn data_volume(&self, node: &NodeInput) -> String {
        format!("{}-data.raw", self.domain_name(node))
    }
}

fn check_file_name(name: &str) -> Result<(), LibvirtError> {
    let bad = matches!(name, "" | "." | "..") || name.contains(['/', '\0']) || name.len() > 200;
    if bad { Err(LibvirtError::FileName { name: name.to_owned() }) } else { Ok(()) }
}
