//! Fills in what the libvirt files are made from.

use super::BuildError;
use super::artifacts::Disks;
use super::nodes::{BuiltNode, Context};
use crate::libvirt::{BootInput, ClusterLink, DiskFormat, ImageFile, Input, ManagementLink, NodeInput, deploy_files};
use crate::plan::NodePlan;
use crate::spec::addressing::gateway;
use crate::spec::{Accelerator, Boot, Hypervisor, Node};

/// The hypervisor of a spec that names none.
fn only_hypervisor() -> Hypervisor {
    Hypervisor {
        name: "local".to_owned(),
        uri: "qemu:///system".to_owned(),
        accelerator: Accelerator::Kvm,
        pool: "default".to_owned(),
    }
}

/// Writes `deploy/`, when every node has its overlay.
pub fn write(context: &Context<'_>, nodes: &[BuiltNode], disks: &Disks) -> Result<(), BuildError> {
    let Some(base) = context.images.base_file() else { return Ok(()) };
    let spec = &context.prepared.cluster.spec;
    let hypervisors = if spec.hypervisors.is_empty() { vec![only_hypervisor()] } else { spec.hypervisors.clone() };
    let (management, cluster) = (&spec.networks.management, &spec.networks.cluster);
    let mut inputs = Vec::with_capacity(nodes.len());
    for (plan, built) in context.plan.nodes.iter().zip(nodes) {
        inputs.push(node(context, plan, &spec.nodes[plan.index], built, base, disks, &hypervisors)?);
    }
    let input = Input {
        cluster: context.prepared.cluster.metadata.name.clone(),
        build: context.publication.number(),
        kubernetes_version: spec.kubernetes.version.to_string(),
        api_host: crate::plan::operator_host(&context.prepared.cluster),
        api_port: spec.networks.api.port,
        operator_kubeconfig: context.renderer.operator()?.first().map(|file| format!("../operator/{}", file.name)),
        management: ManagementLink {
            cidr: management.cidr,
            gateway: gateway(&context.prepared.cluster),
            mode: management.mode,
            bridge: management.bridge.clone(),
        },
        cluster_network: ClusterLink {
            cidr: cluster.cidr,
            mode: cluster.mode,
            bridge: cluster.bridge.clone(),
            mtu: cluster.mtu,
        },
        hypervisors,
        nodes: inputs,
    };
    for file in deploy_files(&input)? {
        context.publication.deploy_file(&file.path, &file.contents)?;
    }
    Ok(())
}

fn node(
    context: &Context<'_>,
    plan: &NodePlan,
    node: &Node,
    built: &BuiltNode,
    base: &ImageFile,
    disks: &Disks,
    hypervisors: &[Hypervisor],
) -> Result<NodeInput, BuildError> {
    let size = plan.class.size;
    let Some(overlay) = &built.record.overlay else {
        let message = format!("node {} has no overlay, although there is a base image", plan.name);
        return Err(BuildError::Missing { message, help: "remove the output directory and build again".to_owned() });
    };
    let boot = match (size.boot, context.images.kernel()) {
        (Boot::Firmware, _) => BootInput::Firmware,
        (Boot::Kernel, Some((kernel, initrd, root))) => BootInput::Kernel {
            kernel: kernel.clone(),
            initrd: initrd.clone(),
            command_line: format!("root={root} ro console=tty0 console=ttyS0,115200"),
        },
        (Boot::Kernel, None) => {
            let message = format!("node {} boots a kernel directly, but the base image brings none", plan.name);
            return Err(BuildError::Missing {
                message,
                help: "run `kubi base build`, or write `boot: firmware`".to_owned(),
            });
        }
    };
    Ok(NodeInput {
        name: plan.name.clone(),
        roles: plan.roles.clone(),
        hypervisor: node.hypervisor.clone().unwrap_or_else(|| hypervisors[0].name.clone()),
        architecture: plan.class.architecture,
        cpus: size.cpus,
        memory: size.memory.0,
        addresses: node.addresses.clone(),
        bundle: built.record.bundle.clone(),
        kubelet: plan.class.chosen.contains_key("kubelet"),
        base: base.clone(),
        overlay: ImageFile {
            file: overlay.file.clone(),
            digest: overlay.digest.clone(),
            size: context.publication.image_size(&overlay.file)?,
            format: DiskFormat::Qcow2,
        },
        artifacts: disks.of(plan).cloned(),
        data_disk: size.data.map(|bytes| bytes.0),
        boot,
    })
}
