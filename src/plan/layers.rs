//! Cluster, then roles, then node: later layers win key by key.

use crate::spec::units::Bytes;
use crate::spec::{Boot, Chosen, Cluster, Component, Disks, Machine, Node, Params, Recipes as Choices, Role, SpecPath};
use std::collections::BTreeMap;

/// One layer of choices and where it stands in the spec.
pub struct Layer<'a> {
    pub path: SpecPath,
    pub recipes: &'a Choices,
    pub params: &'a Params,
    pub components: &'a BTreeMap<String, Component>,
    pub machine: &'a Machine,
}

/// The layers that hold for a node with these roles, weakest first.
pub fn layers<'a>(cluster: &'a Cluster, index: usize, node: &'a Node, roles: &[Role]) -> Vec<Layer<'a>> {
    let spec = &cluster.spec;
    let mut layers = vec![Layer {
        path: SpecPath::of("spec"),
        recipes: &spec.recipes,
        params: &spec.params,
        components: &spec.components,
        machine: &spec.machine,
    }];
    for (role, layer) in spec.roles.iter().filter(|(role, _)| roles.contains(role)) {
        layers.push(Layer {
            path: SpecPath::of("spec.roles").key(role.name()),
            recipes: &layer.recipes,
            params: &layer.params,
            components: &layer.components,
            machine: &layer.machine,
        });
    }
    layers.push(Layer {
        path: SpecPath::node(index),
        recipes: &node.recipes,
        params: &node.params,
        components: &node.components,
        machine: &node.machine,
    });
    layers
}

/// The choices of a slot as a list; `none` is the empty one.
pub fn choices(chosen: &Chosen) -> Vec<&str> {
    let all: Vec<&str> = match chosen {
        Chosen::One(one) => vec![one],
        Chosen::Many(many) => many.iter().map(String::as_str).collect(),
    };
    all.into_iter().filter(|choice| *choice != "none").collect()
}

/// A machine with every default filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub cpus: u32,
    pub memory: Bytes,
    pub root: Option<Bytes>,
    pub data: Option<Bytes>,
    pub boot: Boot,
}

const GIB: u64 = 1 << 30;

/// Merges the layers' machines over the defaults: 2 CPUs, 4 GiB, 20 GiB of data, firmware boot.
pub fn size(layers: &[Layer<'_>]) -> Size {
    let mut size =
        Size { cpus: 2, memory: Bytes(4 * GIB), root: None, data: Some(Bytes(20 * GIB)), boot: Boot::Firmware };
    for Machine { cpus, memory, disks: Disks { root, data }, boot } in layers.iter().map(|layer| layer.machine) {
        size.cpus = cpus.unwrap_or(size.cpus);
        size.memory = memory.unwrap_or(size.memory);
        size.root = root.or(size.root);
        size.data = data.or(size.data);
        size.boot = boot.unwrap_or(size.boot);
    }
    size
}
