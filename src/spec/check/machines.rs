//! Sizes of virtual machines, layer by layer: cluster, role, node.

use super::super::units::Bytes;
use super::{Cluster, Problems, SpecPath};
use crate::spec::model::{Machine, Node, Role};
use std::collections::BTreeMap;

const MIB: u64 = 1 << 20;
/// Below this, the API server and etcd are killed for want of memory.
const CONTROLLER_MEMORY: Bytes = Bytes(1024 * MIB);
/// Below this, a node starts, but no pod of any use.
const NODE_MEMORY: Bytes = Bytes(512 * MIB);
/// The largest file system of ext4 with blocks of 4 KiB.
const DISK: Bytes = Bytes(16 << 40);
/// Container images, logs and etcd do not fit into less.
const DATA: Bytes = Bytes(2048 * MIB);

/// Where a size is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Cluster,
    Role(Role),
    Node(usize),
}

impl Layer {
    fn path(self) -> SpecPath {
        let layer = match self {
            Layer::Cluster => SpecPath::of("spec"),
            Layer::Role(role) => SpecPath::of("spec.roles").key(role.name()),
            Layer::Node(index) => SpecPath::node(index),
        };
        layer.key("machine")
    }
}

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    let mut memory: BTreeMap<Layer, (Bytes, Bytes)> = BTreeMap::new();
    for (index, node) in cluster.spec.nodes.iter().enumerate() {
        let least = if node.roles.contains(&Role::Controller) { CONTROLLER_MEMORY } else { NODE_MEMORY };
        if let Some((layer, size)) =
            layers(cluster, index, node).find_map(|(layer, machine)| Some((layer, machine.memory?)))
            && size < least
        {
            let entry = memory.entry(layer).or_insert((size, least));
            entry.1 = entry.1.max(least);
        }
    }
    for (layer, (size, least)) in memory {
        let message = format!("{size} of memory is little");
        problems.warning("little-memory", layer.path().key("memory"), message, format!("write {least} or more"));
    }
    for (layer, machine) in all(cluster) {
        if machine.cpus == Some(0) {
            let at = layer.path().key("cpus");
            problems.error("no-cpus", at, "a machine needs a CPU", "write 1 or more; the default is 2");
        }
        let disk = |key: &str| layer.path().key("disks").key(key);
        for (key, size) in [("root", machine.disks.root), ("data", machine.disks.data)] {
            if let Some(size) = size.filter(|size| *size > DISK) {
                let message = format!("no file system of {size} can be made on this disk");
                problems.error("huge-disk", disk(key), message, format!("write {DISK} or less"));
            }
        }
        if let Some(data) = machine.disks.data.filter(|data| *data < DATA) {
            let message = format!("a data disk of {data} is soon full");
            problems.warning(
                "little-disk",
                disk("data"),
                message,
                format!("write {DATA} or more; the default is 20GiB"),
            );
        }
    }
}

/// The layers that make up a node's machine, the strongest first. Of several roles the one written last is the strongest.
fn layers<'a>(cluster: &'a Cluster, index: usize, node: &'a Node) -> impl Iterator<Item = (Layer, &'a Machine)> {
    let of_role = |role: &Role| Some((Layer::Role(*role), &cluster.spec.roles.get(role)?.machine));
    let roles = node.roles.iter().rev().filter_map(of_role);
    let own = (Layer::Node(index), &node.machine);
    std::iter::once(own).chain(roles).chain([(Layer::Cluster, &cluster.spec.machine)])
}

fn all(cluster: &Cluster) -> impl Iterator<Item = (Layer, &Machine)> {
    let roles = cluster.spec.roles.iter().map(|(role, spec)| (Layer::Role(*role), &spec.machine));
    let nodes = cluster.spec.nodes.iter().enumerate().map(|(index, node)| (Layer::Node(index), &node.machine));
    std::iter::once((Layer::Cluster, &cluster.spec.machine)).chain(roles).chain(nodes)
}
