//! Fills in what the libvirt files are made from.

use super::BuildError;
use super::artifacts::Disks;
use super::nodes::{BuiltNode, Context};
use crate::artifact::base::kernel_command_line;
use crate::libvirt::{
    BootInput, ClientCertificate, ClusterLink, DiskFormat, ImageFile, Input, Kept, ManagementLink, NodeInput,
    domain_file, domain_path, only_hypervisor, shared_files,
};
use crate::plan::{Class, NodePlan};
use crate::render::OperatorFile;
use crate::spec::addressing::gateway;
use crate::spec::model::Architecture;
use crate::spec::{Boot, Hypervisor, Node};
use crate::tree::Digest;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Writes `deploy/`, when every node has its overlay. Returns the digest of what all domains share: where it and the
/// node are those of the last build, so is the domain. `before` is the last build's `deploy.json`.
pub fn write(
    context: &Context<'_>,
    nodes: &[BuiltNode],
    disks: &Disks,
    operator: &[OperatorFile],
    before: Option<&str>,
) -> Result<Option<Digest>, BuildError> {
    let Some(base) = context.images.base_file() else { return Ok(None) };
    let mut input = cluster_input(context, operator);
    let shared = Digest::of(format!("{input:?} {base:?} {:?} {disks:?}", context.images.kernel()).as_bytes());
    let publication = context.publication;
    let same = publication.previous().is_some_and(|previous| previous.deploy.as_ref() == Some(&shared));
    let changed = nodes.iter().filter(|node| !node.unchanged).map(|node| node.name.as_str());
    let before = before.filter(|_| same).unwrap_or_default();
    let (kept, inputs) =
        rayon::join(|| Kept::new(before, changed), || node_inputs(context, nodes, base, disks, &input.hypervisors));
    input.nodes = inputs?;
    let (written, domains) =
        rayon::join(|| write_shared(context, &input, &kept), || write_domains(context, &input, nodes, same));
    written.and(domains)?;
    Ok(Some(shared))
}

fn write_shared(context: &Context<'_>, input: &Input, kept: &Kept<'_>) -> Result<(), BuildError> {
    for file in shared_files(input, kept)? {
        context.publication.deploy_file(&file.path, &file.contents)?;
    }
    Ok(())
}

/// `same` says that what all domains share is that of the last build.
fn write_domains(context: &Context<'_>, input: &Input, nodes: &[BuiltNode], same: bool) -> Result<(), BuildError> {
    for (node, built) in input.nodes.iter().zip(nodes) {
        if same && built.unchanged && context.publication.keep_deploy_file(&domain_path(&node.name)) {
            continue;
        }
        let file = domain_file(input, node)?;
        context.publication.deploy_file(&file.path, &file.contents)?;
    }
    Ok(())
}

fn node_inputs(
    context: &Context<'_>,
    nodes: &[BuiltNode],
    base: &ImageFile,
    disks: &Disks,
    hypervisors: &[Hypervisor],
) -> Result<Vec<NodeInput>, BuildError> {
    let spec = &context.prepared.cluster.spec;
    let base = Arc::new(base.clone());
    let mut machines: BTreeMap<*const Class, Machine> = BTreeMap::new();
    let input = |(plan, built): (&NodePlan, &BuiltNode)| {
        let machine = match machines.entry(Arc::as_ptr(&plan.class)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(machine(context, plan, &base, disks)?),
        };
        node(plan, &spec.nodes[plan.index], built, machine, hypervisors)
    };
    context.plan.nodes.iter().zip(nodes).map(input).collect()
}

/// The input without its nodes.
fn cluster_input(context: &Context<'_>, operator: &[OperatorFile]) -> Input {
    let cluster = &context.prepared.cluster;
    let spec = &cluster.spec;
    let (management, cluster_network) = (&spec.networks.management, &spec.networks.cluster);
    Input {
        cluster: cluster.metadata.name.clone(),
        identity: context.keys.symmetric("identity", 1).commitment.to_string(),
        pod_network: pod_network(context),
        kubernetes_version: spec.kubernetes.version.to_string(),
        api_host: crate::plan::operator_host(cluster),
        api_port: spec.networks.api.port,
        operator_kubeconfig: operator_path(operator, "admin.kubeconfig"),
        operator_etcd: operator_etcd(operator),
        management: ManagementLink {
            cidr: management.cidr,
            gateway: gateway(cluster),
            mode: management.mode,
            bridge: management.bridge.clone(),
        },
        cluster_network: ClusterLink {
            cidr: cluster_network.cidr,
            mode: cluster_network.mode,
            bridge: cluster_network.bridge.clone(),
            mtu: cluster_network.mtu,
        },
        hypervisors: if spec.hypervisors.is_empty() { vec![only_hypervisor()] } else { spec.hypervisors.clone() },
        nodes: Vec::new(),
    }
}

fn pod_network(context: &Context<'_>) -> Option<String> {
    let chosen = context.plan.nodes.iter().filter_map(|node| node.class.chosen.get("cni")?.first());
    chosen.map(|choice| format!("cni/{choice}")).next()
}

/// Relative to `deploy.json`, when a recipe makes it.
fn operator_path(operator: &[OperatorFile], name: &str) -> Option<String> {
    operator.iter().find(|file| file.name == name).map(|_| format!("../operator/{name}"))
}

/// What the recipe of etcd makes for the operator.
fn operator_etcd(operator: &[OperatorFile]) -> Option<ClientCertificate> {
    Some(ClientCertificate {
        authority: operator_path(operator, "etcd-ca.crt")?,
        certificate: operator_path(operator, "etcd.crt")?,
        key: operator_path(operator, "etcd.key")?,
    })
}

/// What nodes of a class have in common.
struct Machine {
    base: Arc<ImageFile>,
    artifacts: Option<Arc<ImageFile>>,
    boot: Arc<BootInput>,
}

fn machine(
    context: &Context<'_>,
    plan: &NodePlan,
    base: &Arc<ImageFile>,
    disks: &Disks,
) -> Result<Machine, BuildError> {
    let boot = match (plan.class.size.boot, context.images.kernel()) {
        (Boot::Firmware, _) => BootInput::Firmware,
        (Boot::Kernel, Some((kernel, initrd, root))) => BootInput::Kernel {
            kernel: kernel.clone(),
            initrd: initrd.clone(),
            command_line: kernel_command_line(root, plan.class.architecture == Architecture::Amd64),
        },
        (Boot::Kernel, None) => {
            let message = format!("node {} boots a kernel directly, but the base image brings none", plan.name);
            return Err(BuildError::Missing {
                message,
                help: "run `kubi base build`, or write `boot: firmware`".to_owned(),
            });
        }
    };
    let artifacts = disks.of(&plan.class).cloned().map(Arc::new);
    Ok(Machine { base: Arc::clone(base), artifacts, boot: Arc::new(boot) })
}

fn node(
    plan: &NodePlan,
    node: &Node,
    built: &BuiltNode,
    machine: &Machine,
    hypervisors: &[Hypervisor],
) -> Result<NodeInput, BuildError> {
    let size = plan.class.size;
    let Some(overlay) = &built.record.overlay else {
        let message = format!("node {} has no overlay, although there is a base image", plan.name);
        return Err(BuildError::Missing { message, help: "remove the output directory and build again".to_owned() });
    };
    Ok(NodeInput {
        name: plan.name.clone(),
        roles: plan.roles.clone(),
        hypervisor: node.hypervisor.clone().unwrap_or_else(|| hypervisors[0].name.clone()),
        architecture: plan.class.architecture,
        cpus: size.cpus,
        memory: size.memory.0,
        addresses: node.addresses.clone(),
        bundle: built.record.bundle,
        taints: plan.class.chosen.contains_key("kubelet").then(|| plan.taints(node)),
        base: Arc::clone(&machine.base),
        overlay: ImageFile {
            file: overlay.file.clone(),
            digest: overlay.digest,
            size: overlay.size,
            format: DiskFormat::Qcow2,
        },
        artifacts: machine.artifacts.clone(),
        data_disk: size.data.map(|bytes| bytes.0),
        boot: Arc::clone(&machine.boot),
    })
}
