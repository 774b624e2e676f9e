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

#[cfg(test)]
mod tests {
    use super::super::topology::{Api, Card, Hypervisor, Network};
    use super::*;

    const HOSTILE: &str = "a\"]; end --> x %% {b} (c) #35; <script> click";

    fn topology() -> Topology {
        let network = |name, mode: &str| Network { name, cidr: "10.0.0.0/24".into(), mode: mode.into() };
        let card = |roles: &[Role]| Card {
            title: HOSTILE.into(),
            nodes: 1,
            roles: roles.to_vec(),
            lines: vec![HOSTILE.into(), "2 CPU".into()],
        };
        let cards = vec![card(&[Role::Controller, Role::Etcd]), card(&[Role::Worker])];
        Topology {
            cluster: HOSTILE.into(),
            kubernetes: "1.36.4".into(),
            api: Api { url: HOSTILE.into(), kind: "controller", controllers: "c".into(), operator_url: "u".into() },
            networks: vec![network("cluster", "nat"), network("pods", "")],
            hypervisors: vec![Hypervisor { name: HOSTILE.into(), uri: HOSTILE.into(), cards }],
        }
    }

    /// The name at the start of a line, made of letters and digits, and what follows it.
    fn name(line: &str) -> (&str, &str) {
        line.split_at(line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len()))
    }

    /// Whether a text is a quoted label between these brackets, with nothing in it that could end it.
    fn is_label(text: &str, open: &str, close: &str) -> bool {
        let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        let inner = inner.and_then(|rest| rest.strip_prefix('"')).and_then(|rest| rest.strip_suffix('"'));
        inner.is_some_and(|label| {
            let text = ["<b>", "</b>", "<br/>"].iter().fold(label.to_owned(), |text, tag| text.replace(tag, " "));
            !text.contains(['"', '<', '>', '\n'])
        })
    }

    /// The part of Mermaid's grammar that is used here, as its own parser (version 11) takes it.
    #[test]
    fn every_line_is_of_the_grammar() {
        let text = mermaid(&topology());
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("flowchart TB"));
        let (mut depth, mut known, mut linked) = (0, Vec::new(), Vec::new());
        for line in lines.map(str::trim) {
            if line == "end" {
                depth -= 1;
            } else if let Some(rest) = line.strip_prefix("subgraph ") {
                let (name, label) = name(rest);
                assert!(is_label(label, "[", "]"), "{line}");
                known.push(name);
                depth += 1;
            } else if let Some((from, to)) = line.split_once(" --- ") {
                linked.extend([from, to]);
            } else {
                let (name, label) = name(line);
                let shapes = [("[", "]"), ("([", "])"), ("[/", "/]")];
                assert!(shapes.iter().any(|(open, close)| is_label(label, open, close)), "{line}");
                known.push(name);
            }
        }
        assert_eq!(depth, 0, "{text}");
        assert!(linked.len() == 4 && linked.iter().all(|name| known.contains(name)), "{linked:?} {known:?}");
        let names: std::collections::BTreeSet<&str> = known.iter().copied().collect();
        assert!(names.len() == known.len() && !names.contains("end"), "a name stands for one thing: {known:?}");
    }
}
