//! Hypervisors, and which node sits on which.

use super::super::names::{DNS_LABEL_HELP, dns_label};
use super::super::nearest::nearest;
use super::{Cluster, Problem, Problems, SpecPath};
use crate::spec::model::{Accelerator, Architecture, Chosen, ClusterMode, Hypervisor, Node};
use std::collections::{BTreeMap, BTreeSet};

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    let hypervisors = &cluster.spec.hypervisors;
    let at = |index: usize| SpecPath::of("spec.hypervisors").index(index);
    for (index, hypervisor) in hypervisors.iter().enumerate() {
        if let Err(message) = dns_label(&hypervisor.name) {
            problems.error("bad-name", at(index).key("name"), message, DNS_LABEL_HELP);
        }
        let scheme = hypervisor.uri.split_once("://").map(|(scheme, _)| scheme);
        if !scheme.is_some_and(|scheme| scheme == "qemu" || scheme.starts_with("qemu+") || scheme == "test") {
            let message = format!("{:?} is no libvirt connection to QEMU", hypervisor.uri);
            let help = "write qemu:///system for this machine, or qemu+ssh://user@host/system";
            problems.error("bad-uri", at(index).key("uri"), message, help);
        }
        if hypervisor.pool.is_empty() {
            problems.error(
                "bad-name",
                at(index).key("pool"),
                "a storage pool has a name",
                "leave it out for `default`",
            );
        }
    }
    let names =
        hypervisors.iter().enumerate().map(|(index, hypervisor)| (&hypervisor.name, move || at(index).key("name")));
    let message = |name: &&String, first: &SpecPath| format!("{name} is also the name of {}", first.parent());
    problems.duplicates("duplicate-name", names, message, "give every hypervisor a name of its own");
    placement(cluster, problems);
}

fn placement(cluster: &Cluster, problems: &mut Problems) {
    let known: BTreeMap<&str, &Hypervisor> =
        cluster.spec.hypervisors.iter().map(|hypervisor| (hypervisor.name.as_str(), hypervisor)).collect();
    let mut used: BTreeMap<&str, BTreeSet<Architecture>> = BTreeMap::new();
    for (index, node) in cluster.spec.nodes.iter().enumerate() {
        let at = || SpecPath::node(index).key("hypervisor");
        match &node.hypervisor {
            Some(name) if !known.contains_key(name.as_str()) => {
                let names: Vec<&str> = known.keys().copied().collect();
                let help = match (nearest(name, names.iter().copied()), names.as_slice()) {
                    (_, []) => "add it to spec.hypervisors, or leave the key out to use this machine".to_owned(),
                    (Some(meant), _) => format!("did you mean {meant:?}? Known: {}", names.join(", ")),
                    (None, _) => format!("known: {}", names.join(", ")),
                };
                problems.error("unknown-hypervisor", at(), format!("there is no hypervisor {name:?}"), help);
                continue;
            }
            None if known.len() > 1 => {
                let names: Vec<&str> = known.keys().copied().collect();
                let message = format!("{} is on which of {} hypervisors?", node.name, names.len());
                problems.error(
                    "no-hypervisor",
                    at(),
                    message,
                    format!("add `hypervisor:` with one of {}", names.join(", ")),
                );
                continue;
            }
            _ => {}
        }
        let hypervisor =
            node.hypervisor.as_ref().map_or_else(|| known.values().next(), |name| known.get(name.as_str()));
        if let Some(hypervisor) = hypervisor {
            used.entry(&hypervisor.name).or_default().insert(node.architecture);
            kata(cluster, node, index, hypervisor, problems);
        }
    }
    isolated(cluster, used.len(), problems);
    for (index, hypervisor) in cluster.spec.hypervisors.iter().enumerate() {
        let several = used.get(hypervisor.name.as_str()).is_some_and(|architectures| architectures.len() > 1);
        if several && hypervisor.accelerator == Accelerator::Kvm {
            let at = SpecPath::of("spec.hypervisors").index(index);
            let message =
                format!("{} has nodes of two architectures, but KVM runs the machine's own only", hypervisor.name);
            problems.error(
                "mixed-architectures",
                at,
                message,
                "write `accelerator: tcg`, or move the nodes of one architecture",
            );
        }
    }
}

fn isolated(cluster: &Cluster, hypervisors: usize, problems: &mut Problems) {
    if hypervisors > 1 && cluster.spec.networks.cluster.mode == ClusterMode::Isolated {
        let message =
            format!("nodes sit on {hypervisors} hypervisors, but an isolated cluster network does not leave one");
        let help = "write networks.cluster.mode: bridge and the name of the bridge that connects the hypervisors";
        let problem =
            Problem::error("isolated-across-hypervisors", SpecPath::of("spec.networks.cluster.mode"), message);
        problems.0.push(problem.help(help).or_at(SpecPath::of("spec.hypervisors")));
    }
}

/// Kata starts a virtual machine for each pod, which emulated nodes cannot.
fn kata(cluster: &Cluster, node: &Node, index: usize, hypervisor: &Hypervisor, problems: &mut Problems) {
    let has_kata = |chosen: &Chosen| match chosen {
        Chosen::One(choice) => choice == "kata",
        Chosen::Many(choices) => choices.iter().any(|choice| choice == "kata"),
    };
    let roles = node.roles.iter().rev().filter_map(|role| cluster.spec.roles.get(role)).map(|role| &role.recipes);
    let layers = std::iter::once(&node.recipes).chain(roles).chain([&cluster.spec.recipes]);
    let runtime = layers.into_iter().find_map(|recipes| recipes.get("runtime"));
    if hypervisor.accelerator == Accelerator::Tcg && runtime.is_some_and(has_kata) {
        let message =
            format!("{} runs kata, but {} emulates its CPUs without virtualisation", node.name, hypervisor.name);
        let help = "choose runtime: containerd for it, or a hypervisor with accelerator: kvm";
        problems.warning("kata-without-kvm", SpecPath::node(index), message, help);
    }
}
