//! A topology as a Mermaid flowchart, which code hosts draw in Markdown.

use super::topology::Topology;
use crate::spec::Role;
use std::fmt::Write;

/// The diagram without the fence around it.
pub fn mermaid(topology: &Topology) -> String {
    let mut out = String::from("flowchart TB\n");
    let api = &topology.api;
    let _ = writeln!(out, "  api([\"{}<br/>{}\"])", escape(&api.url), api.kind);
    let networks: Vec<_> = topology.networks.iter().filter(|network| !network.mode.is_empty()).collect();
    let mut links = String::new();
    let mut number = 0;
    for (index, hypervisor) in topology.hypervisors.iter().enumerate() {
        let _ = writeln!(out, "  subgraph h{index}[\"{}<br/>{}\"]", escape(&hypervisor.name), escape(&hypervisor.uri));
        for card in &hypervisor.cards {
            let lines: Vec<String> = card.lines.iter().map(|line| escape(line)).collect();
            let label = format!("<b>{}</b><br/>{}<br/>{}", escape(&card.title), card.role_names(), lines.join("<br/>"));
            let _ = writeln!(out, "    n{number}[\"{label}\"]");
            if card.roles.contains(&Role::Controller) {
                let _ = writeln!(links, "  api --- n{number}");
            }
            number += 1;
        }
        out.push_str("  end\n");
        for network in 0..networks.len() {
            let _ = writeln!(links, "  h{index} --- net{network}");
        }
    }
    for (index, network) in networks.iter().enumerate() {
        let _ = writeln!(out, "  net{index}[/\"{} network {} ({})\"/]", network.name, network.cidr, network.mode);
    }
    out + &links
}

/// Mermaid's own escapes: entities that begin with `#`.
fn escape(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
