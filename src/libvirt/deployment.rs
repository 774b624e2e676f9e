//! Fills `deploy.json` from the input.

use super::domain::{METADATA_NAMESPACE, ownership};
use super::domain_parts::{ARTIFACTS_SERIAL, DATA_SERIAL, ROOT_SERIAL};
use super::input::{BootInput, DiskFormat, ImageFile, Input, LibvirtError, NetworkKind, NodeInput};
use super::kept::{self, Kept};
use super::schema::{
    Api, Boot, DataDisk, Deployment, DeploymentKind, DeploymentVersion, Disks, Domain, EtcdMember, HypervisorEntry,
    Image, ImageRole, Interface, Metadata, Network, NetworkMode, NodeEntry, RootDisk, Volume, Wait,
};
use super::{domain_path, identity, network_path};
use crate::spec::model::{ClusterMode, ManagementMode, Role};
use crate::tree::{Rows, with_rows};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Ports of etcd, as registered with IANA.
const ETCD_CLIENT_PORT: u16 = 2379;
const ETCD_PEER_PORT: u16 = 2380;
/// Longest value of a Kubernetes label.
const LABEL_MAX: usize = 63;

/// The bytes of `deploy.json`: indented, but for one line an image and a node, so that versions of it can be compared.
pub fn deploy_json(input: &Input, kept: &Kept<'_>) -> Result<Vec<u8>, LibvirtError> {
    let head = serde_json::to_vec_pretty(&without_nodes(input)?).map_err(json)?;
    // The last two fields: their empty lists end the text.
    let head = head.strip_suffix(b"[],\n  \"nodes\": []\n}").unwrap_or(&head);
    let (images, nodes) = rayon::join(
        || input.check(kept).and_then(|()| image_rows(input, kept)),
        || {
            let mut nodes: Vec<&NodeInput> = input.nodes.iter().collect();
            nodes.sort_by_key(|node| rank(node)); // stable: the spec's order within a rank
            Rows::new(&nodes, |node| node_row(input, node, kept))
        },
    );
    let head = [head, kept::IMAGES.as_bytes()].concat();
    Ok(with_rows(&head, &[(&images?, kept::NODES), (&nodes?, kept::END)]))
}

fn node_row<'a>(input: &Input, node: &NodeInput, kept: &Kept<'a>) -> Result<Cow<'a, [u8]>, LibvirtError> {
    match kept.node(node) {
        Some(line) => Ok(line.as_bytes().into()),
        None => Ok(serde_json::to_vec(&node_entry(input, node)?).map_err(json)?.into()),
    }
}

fn json(error: serde_json::Error) -> LibvirtError {
    LibvirtError::Json(error.to_string())
}

fn without_nodes(input: &Input) -> Result<Deployment, LibvirtError> {
    Ok(Deployment {
        api_version: DeploymentVersion::V1Alpha1,
        kind: DeploymentKind::Deployment,
        cluster: input.cluster.clone(),
        identity: input.identity.clone(),
        pod_network: input.pod_network.clone(),
        kubernetes_version: input.kubernetes_version.clone(),
        api: Api {
            host: input.api_host.clone(),
            port: input.api_port,
            url: format!("https://{}:{}", input.api_host, input.api_port),
        },
        operator_kubeconfig: input.operator_kubeconfig.clone(),
        operator_etcd: input.operator_etcd.clone(),
        image_directory: "../images".to_owned(),
        hypervisors: input.hypervisors.iter().map(hypervisor_entry).collect(),
        networks: networks(input)?,
        images: Vec::new(),
        nodes: Vec::new(),
    })
}

fn rank(node: &NodeInput) -> u8 {
    match (node.roles.contains(&Role::Etcd), node.roles.contains(&Role::Controller)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

fn hypervisor_entry(hypervisor: &crate::spec::model::Hypervisor) -> HypervisorEntry {
    HypervisorEntry {
        name: hypervisor.name.clone(),
        uri: hypervisor.uri.clone(),
        pool: hypervisor.pool.clone(),
        accelerator: hypervisor.accelerator,
    }
}

fn networks(input: &Input) -> Result<Vec<Network>, LibvirtError> {
    let mut networks = Vec::new();
    for hypervisor in &input.hypervisors {
        for kind in NetworkKind::ALL {
            let own_bridge = identity::bridge_name(&input.cluster, kind.as_str());
            let (cidr, gateway) = match kind {
                NetworkKind::Management => (input.management.cidr, Some(input.management.gateway)),
                NetworkKind::Cluster => (input.cluster_network.cidr, None),
            };
            networks.push(Network {
                hypervisor: hypervisor.name.clone(),
                kind,
                name: input.network_name(kind),
                uuid: identity::network_uuid(&input.cluster, &hypervisor.name, kind.as_str()),
                mode: network_mode(input, kind),
                xml: network_path(&hypervisor.name, kind),
                cidr,
                gateway,
                bridge: input.host_bridge(kind)?.map_or(own_bridge, str::to_owned),
            });
        }
    }
    Ok(networks)
}

fn network_mode(input: &Input, kind: NetworkKind) -> NetworkMode {
    match (kind, input.management.mode, input.cluster_network.mode) {
        (NetworkKind::Management, ManagementMode::Nat, _) => NetworkMode::Nat,
        (NetworkKind::Management, ManagementMode::Routed, _) => NetworkMode::Routed,
        (NetworkKind::Management, ManagementMode::Bridge, _) => NetworkMode::Bridge,
        (NetworkKind::Cluster, _, ClusterMode::Isolated) => NetworkMode::Isolated,
        (NetworkKind::Cluster, _, ClusterMode::Bridge) => NetworkMode::Bridge,
    }
}

/// Every image once, bases before overlays.
fn image_rows<'a>(input: &Input, kept: &Kept<'a>) -> Result<Rows<'a>, LibvirtError> {
    let shared = shared_images(input);
    let mut nodes: Vec<&NodeInput> = input.nodes.iter().collect();
    nodes.sort_unstable_by_key(|node| &node.overlay.file);
    let shared = shared.values().map(|image| Ok(serde_json::to_vec(image)?.into()));
    let overlays = nodes.iter().map(|node| match kept.overlay(node) {
        Some(line) => Ok(line.as_bytes().into()),
        None => Ok(serde_json::to_vec(&overlay(node))?.into()),
    });
    shared.chain(overlays).collect::<Result<_, _>>().map_err(json)
}

fn overlay(node: &NodeInput) -> Image {
    let backing = Some(node.base.file.clone());
    Image { backing, ..image(&node.overlay, ImageRole::Overlay, node.hypervisor.clone()) }
}

/// Those that several nodes have, by role and file name.
fn shared_images(input: &Input) -> BTreeMap<(u8, &str), Image> {
    let mut images: BTreeMap<(u8, &str), Image> = BTreeMap::new();
    for node in &input.nodes {
        let (kernel, initrd) = match &*node.boot {
            BootInput::Firmware => (None, None),
            BootInput::Kernel { kernel, initrd, .. } => (Some(kernel), Some(initrd)),
        };
        let of_node = [
            (ImageRole::Base, Some(&*node.base)),
            (ImageRole::Kernel, kernel),
            (ImageRole::Initrd, initrd),
            (ImageRole::Artifacts, node.artifacts.as_deref()),
        ];
        for (order, (role, file)) in (0..).zip(of_node) {
            let Some(file) = file else { continue };
            let entry = images.entry((order, file.file.as_str()));
            let entry = entry.or_insert_with(|| image(file, role, node.hypervisor.clone()));
            if let Err(place) = entry.hypervisors.binary_search(&node.hypervisor) {
                entry.hypervisors.insert(place, node.hypervisor.clone());
            }
        }
    }
    images
}

fn image(file: &ImageFile, role: ImageRole, hypervisor: String) -> Image {
    Image {
        file: file.file.clone(),
        role,
        format: file.format,
        digest: file.digest,
        size: file.size,
        backing: None,
        hypervisors: vec![hypervisor],
    }
}

fn node_entry(input: &Input, node: &NodeInput) -> Result<NodeEntry, LibvirtError> {
    let etcd = node.roles.contains(&Role::Etcd).then(|| EtcdMember {
        name: node.name.clone(),
        peer_url: format!("https://{}:{ETCD_PEER_PORT}", node.addresses.cluster),
        client_url: format!("https://{}:{ETCD_CLIENT_PORT}", node.addresses.cluster),
        management_url: format!("https://{}:{ETCD_CLIENT_PORT}", node.addresses.management),
    });
    Ok(NodeEntry {
        name: node.name.clone(),
        roles: node.roles.clone(),
        hypervisor: node.hypervisor.clone(),
        architecture: node.architecture,
        cpus: node.cpus,
        memory: node.memory,
        domain: Domain {
            name: input.domain_name(node),
            uuid: identity::domain_uuid(&input.cluster, &node.name),
            xml: domain_path(&node.name),
            metadata: metadata(input, node)?,
        },
        machine_id: identity::machine_id(&input.cluster, &node.name),
        interfaces: interfaces(input, node),
        bundle: node.bundle,
        disks: disks(input, node),
        boot: boot(node),
        wait_for: wait_for(input, node, etcd.as_ref()),
        etcd,
        taints: node.taints.clone(),
    })
}

fn metadata(input: &Input, node: &NodeInput) -> Result<Metadata, LibvirtError> {
    let element = ownership(input, node).render()?;
    Ok(Metadata {
        namespace: METADATA_NAMESPACE.to_owned(),
        prefix: "kubi".to_owned(),
        element: element.trim_end().to_owned(),
    })
}

fn interfaces(input: &Input, node: &NodeInput) -> Vec<Interface> {
    let interface = |network: NetworkKind, address: Ipv4Addr, prefix: u8| Interface {
        network,
        mac: identity::mac(&input.cluster, &node.name, network.as_str()),
        address,
        prefix,
    };
    let (management, cluster) = (input.management.cidr.prefix_len(), input.cluster_network.cidr.prefix_len());
    vec![
        interface(NetworkKind::Management, node.addresses.management, management),
        interface(NetworkKind::Cluster, node.addresses.cluster, cluster),
    ]
}

fn disks(input: &Input, node: &NodeInput) -> Disks {
    let volume = |image: &ImageFile, serial: &str| Volume { file: image.file.clone(), serial: serial.to_owned() };
    Disks {
        root: RootDisk {
            volume: input.root_volume(node),
            format: DiskFormat::Qcow2,
            backing: node.overlay.file.clone(),
            serial: ROOT_SERIAL.to_owned(),
        },
        artifacts: node.artifacts.as_ref().map(|image| volume(image, ARTIFACTS_SERIAL)),
        data: node.data_disk.map(|size| DataDisk {
            volume: input.data_volume(node),
            format: DiskFormat::Raw,
            size,
            serial: DATA_SERIAL.to_owned(),
        }),
    }
}

fn boot(node: &NodeInput) -> Boot {
    match &*node.boot {
        BootInput::Firmware => Boot::Firmware,
        BootInput::Kernel { kernel, initrd, command_line } => Boot::Kernel {
            kernel: kernel.file.clone(),
            initrd: initrd.file.clone(),
            command_line: command_line.clone(),
        },
    }
}

fn wait_for(input: &Input, node: &NodeInput, etcd: Option<&EtcdMember>) -> Vec<Wait> {
    let mut wait = Vec::new();
    wait.extend(etcd.map(|member| Wait::EtcdMember { url: member.management_url.clone() }));
    if node.roles.contains(&Role::Controller) {
        // The hypervisor reaches nodes on the management network; it has no address on the cluster network.
        let url = format!("https://{}:{}/readyz", node.addresses.management, input.api_port);
        wait.push(Wait::ApiServer { url });
    }
    if node.taints.is_some() {
        let label = node.bundle.hex()[..LABEL_MAX].to_owned();
        wait.push(Wait::Node { name: node.name.clone(), label });
    }
    wait
}
