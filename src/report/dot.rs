//! A topology in Graphviz' DOT language.

use super::topology::{Hypervisor, Topology};
use std::fmt::Write;

/// A whole graph, for `dot -Tsvg` and its like.
pub fn dot(topology: &Topology) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "graph {} {{", quoted(&topology.cluster));
    let label = format!("{}, Kubernetes {}", topology.cluster, topology.kubernetes);
    let _ = writeln!(out, "  graph [label={}, labelloc=t, fontname=\"sans-serif\"];", quoted(&label));
    out.push_str("  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    let api = &topology.api;
    let _ = writeln!(out, "  api [label={}, shape=ellipse];", quoted(&format!("{}\n{}", api.url, api.kind)));
    let networks: Vec<_> = topology.networks.iter().filter(|network| !network.mode.is_empty()).collect();
    for network in &networks {
        let label = format!("{} network\n{} ({})", network.name, network.cidr, network.mode);
        let _ = writeln!(
            out,
            "  {} [label={}, shape=plain];",
            quoted(&format!("network {}", network.name)),
            quoted(&label)
        );
    }
    for (index, hypervisor) in topology.hypervisors.iter().enumerate() {
        cluster(&mut out, index, hypervisor);
    }
    for card in topology.hypervisors.iter().flat_map(|hypervisor| &hypervisor.cards) {
        if card.roles.contains(&crate::spec::Role::Controller) {
            let _ = writeln!(out, "  api -- {};", quoted(&card.title));
        }
        for network in &networks {
            let _ = writeln!(out, "  {} -- {};", quoted(&card.title), quoted(&format!("network {}", network.name)));
        }
    }
    out.push_str("}\n");
    out
}

fn cluster(out: &mut String, index: usize, hypervisor: &Hypervisor) {
    let label = format!("{}\n{}", hypervisor.name, hypervisor.uri);
    let _ = writeln!(out, "  subgraph cluster_{index} {{\n    label={};", quoted(&label));
    for card in &hypervisor.cards {
        let label = format!("{}\n{}\n{}", card.title, card.role_names(), card.lines.join("\n"));
        let _ = writeln!(out, "    {} [label={}];", quoted(&card.title), quoted(&label));
    }
    out.push_str("  }\n");
}

/// A quoted ID; in labels `\n` is a line break.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
