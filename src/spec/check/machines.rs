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

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    let mut memory: BTreeMap<SpecPath, (Bytes, Bytes)> = BTreeMap::new();
    for (index, node) in cluster.spec.nodes.iter().enumerate() {
        let least = if node.roles.contains(&Role::Controller) { CONTROLLER_MEMORY } else { NODE_MEMORY };
        let layers = layers(cluster, index, node);
        if let Some((at, size)) = layers.into_iter().find_map(|(at, machine)| Some((at, machine.memory?)))
            && size < least
        {
            let entry = memory.entry(at).or_insert((size, least));
            entry.1 = entry.1.max(least);
        }
    }
    for (at, (size, least)) in memory {
        let message = format!("{size} of memory is little");
        problems.warning("little-memory", at.key("memory"), message, format!("write {least} or more"));
    }
    for (at, machine) in all(cluster) {
        if machine.cpus == Some(0) {
            problems.error("no-cpus", at.key("cpus"), "a machine needs a CPU", "write 1 or more; the default is 2");
        }
        for (key, size) in [("root", machine.disks.root), ("data", machine.disks.data)] {
            if let Some(size) = size.filter(|size| *size > DISK) {
                let message = format!("no file system of {size} can be made on this disk");
                problems.error("huge-disk", at.key("disks").key(key), message, format!("write {DISK} or less"));
            }
        }
        if let Some(data) = machine.disks.data.filter(|data| *data < DATA) {
            let message = format!("a data disk of {data} is soon full");
            problems.warning(
                "little-disk",
                at.key("disks").key("data"),
                message,
                format!("write {DATA} or more; the default is 20GiB"),
            );
        }
    }
}

/// The layers that make up a node's machine, the strongest first. Of several roles the one written last is the strongest.
fn layers<'a>(cluster: &'a Cluster, index: usize, node: &'a Node) -> Vec<(SpecPath, &'a Machine)> {
    let roles =
        node.roles.iter().rev().filter_map(|role| Some((role_path(*role), &cluster.spec.roles.get(role)?.machine)));
    let own = (SpecPath::node(index).key("machine"), &node.machine);
    std::iter::once(own).chain(roles).chain([(SpecPath::of("spec.machine"), &cluster.spec.machine)]).collect()
}

fn role_path(role: Role) -> SpecPath {
    let name = match role {
        Role::Controller => "controller",
        Role::Worker => "worker",
        Role::Etcd => "etcd",
    };
    SpecPath::of("spec.roles").key(name).key("machine")
}

fn all(cluster: &Cluster) -> impl Iterator<Item = (SpecPath, &Machine)> {
    let roles = cluster.spec.roles.iter().map(|(role, spec)| (role_path(*role), &spec.machine));
    let nodes = cluster
        .spec
        .nodes
        .iter()
        .enumerate()
        .map(|(index, node)| (SpecPath::node(index).key("machine"), &node.machine));
    std::iter::once((SpecPath::of("spec.machine"), &cluster.spec.machine)).chain(roles).chain(nodes)
}
