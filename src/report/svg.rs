//! A topology as SVG: hypervisors as boxes with their nodes, the two networks as lines below them, the API server's address
//! above. Light and dark by the reader's own setting. The same topology gives the same bytes.

use super::topology::{Card, Hypervisor, Network, Topology};
use crate::diff::escape;
use crate::spec::Role;
use std::fmt::Write;

const CARD: (usize, usize) = (220, 112);
const GAP: usize = 16;
const CARDS_A_ROW: usize = 3;
const BOXES_A_ROW: usize = 2;
const HEAD: usize = 46;
const TOP: usize = 104;
const LINE: usize = 34;

/// Colours and type; the report's page uses the same names.
pub const STYLE: &str = include_str!("assets/topology.css");

/// A whole SVG document.
pub fn svg(topology: &Topology) -> String {
    let rows: Vec<&[Hypervisor]> = topology.hypervisors.chunks(BOXES_A_ROW).collect();
    let width = rows.iter().map(|row| row_width(row)).max().unwrap_or(0).max(640) + 2 * GAP;
    let lines: Vec<&Network> = topology.networks.iter().filter(|network| !network.mode.is_empty()).collect();
    let height = TOP + rows.iter().map(|row| row_height(row, lines.len())).sum::<usize>() + GAP;
    let mut out = String::new();
    let title = escape(&topology.cluster);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" class=\"topology\" aria-label=\"Topology of cluster {title}\">\n<style>{STYLE}</style>\n<rect \
         class=\"t-page\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    heading(&mut out, topology);
    let mut y = TOP;
    for row in rows {
        draw_row(&mut out, row, &lines, y, width);
        y += row_height(row, lines.len());
    }
    out.push_str("</svg>\n");
    out
}

fn heading(out: &mut String, topology: &Topology) {
    text(out, "t-title", GAP, 34, &topology.cluster);
    let inside: Vec<String> = topology
        .networks
        .iter()
        .filter(|network| network.mode.is_empty())
        .map(|network| format!("{} {}", network.name, network.cidr))
        .collect();
    let facts = format!("Kubernetes {}  ·  {}", topology.kubernetes, inside.join("  ·  "));
    text(out, "t-facts", GAP, 56, &facts);
    let api = &topology.api;
    let address = format!("API {}  ·  {} at {}", api.url, api.kind, api.controllers);
    text(out, "t-api", GAP, 80, &address);
}

fn columns(hypervisor: &Hypervisor) -> usize {
    hypervisor.cards.len().clamp(1, CARDS_A_ROW)
}

fn box_width(hypervisor: &Hypervisor) -> usize {
    columns(hypervisor) * (CARD.0 + GAP) + GAP
}

fn box_height(hypervisor: &Hypervisor) -> usize {
    HEAD + hypervisor.cards.len().div_ceil(CARDS_A_ROW).max(1) * (CARD.1 + GAP)
}

fn row_width(row: &[Hypervisor]) -> usize {
    row.iter().map(|hypervisor| box_width(hypervisor) + GAP).sum()
}

fn row_height(row: &[Hypervisor], lines: usize) -> usize {
    row.iter().map(box_height).max().unwrap_or(0) + lines * LINE + 2 * GAP
}

fn draw_row(out: &mut String, row: &[Hypervisor], networks: &[&Network], y: usize, width: usize) {
    let bottom = y + row.iter().map(box_height).max().unwrap_or(0);
    let mut x = GAP;
    for hypervisor in row {
        // Lines first, so that boxes cover where they start.
        for index in 0..networks.len() {
            let (at, to) = (x + box_width(hypervisor) / 2 + 14 * index, bottom + LINE * (index + 1));
            let _ = writeln!(
                out,
                "<line class=\"t-line t-net{index}\" x1=\"{at}\" y1=\"{}\" x2=\"{at}\" y2=\"{to}\"/><circle class=\"t-dot \
                 t-net{index}\" cx=\"{at}\" cy=\"{to}\" r=\"4\"/>",
                y + box_height(hypervisor)
            );
        }
        draw_hypervisor(out, hypervisor, x, y);
        x += box_width(hypervisor) + GAP;
    }
    for (index, network) in networks.iter().enumerate() {
        let at = bottom + LINE * (index + 1);
        let label = format!("{} network {} ({})", network.name, network.cidr, network.mode);
        let _ = writeln!(
            out,
            "<line class=\"t-line t-net{index}\" x1=\"{GAP}\" y1=\"{at}\" x2=\"{}\" y2=\"{at}\"/>",
            width - GAP
        );
        text(out, "t-network", GAP, at - 6, &label);
    }
}

fn draw_hypervisor(out: &mut String, hypervisor: &Hypervisor, x: usize, y: usize) {
    let (width, height) = (box_width(hypervisor), box_height(hypervisor));
    let _ =
        writeln!(out, "<rect class=\"t-host\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"10\"/>");
    text(out, "t-name", x + GAP, y + 28, &fit(&hypervisor.name, 28));
    let uri = fit(&hypervisor.uri, (width - 2 * GAP) / 7 - hypervisor.name.chars().count().min(28) - 3);
    let _ = writeln!(
        out,
        "<text class=\"t-small\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>",
        x + width - GAP,
        y + 28,
        escape(&uri)
    );
    for (index, card) in hypervisor.cards.iter().enumerate() {
        let (column, row) = (index % CARDS_A_ROW, index / CARDS_A_ROW);
        draw_card(out, card, x + GAP + column * (CARD.0 + GAP), y + HEAD + row * (CARD.1 + GAP));
    }
}

fn draw_card(out: &mut String, card: &Card, x: usize, y: usize) {
    let role = match card.main_role() {
        Role::Controller => "controller",
        Role::Etcd => "etcd",
        Role::Worker => "worker",
    };
    let _ = writeln!(out, "<g class=\"t-node t-{role}\" data-node=\"{}\">", escape(&card.title));
    let _ = writeln!(out, "<title>{}: {}</title>", escape(&card.title), card.role_names());
    if card.nodes > 1 {
        // A card behind the card: there are more of them.
        let (x, y) = (x + 5, y + 5);
        let _ = writeln!(
            out,
            "<rect class=\"t-card\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            CARD.0, CARD.1
        );
    }
    let _ = writeln!(
        out,
        "<rect class=\"t-card\" x=\"{x}\" y=\"{y}\" width=\"{0}\" height=\"{1}\" rx=\"6\"/><rect class=\"t-band\" x=\"{x}\" \
         y=\"{y}\" width=\"5\" height=\"{1}\" rx=\"2\"/>",
        CARD.0, CARD.1
    );
    text(out, "t-name", x + 14, y + 21, &fit(&card.title, 26));
    text(out, "t-role", x + 14, y + 37, &card.role_names());
    for (index, line) in card.lines.iter().enumerate() {
        text(out, "t-small", x + 14, y + 54 + index * 15, &fit(line, 30));
    }
    out.push_str("</g>\n");
}

fn text(out: &mut String, class: &str, x: usize, y: usize, text: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(text));
}

/// At most `width` characters, the middle left out.
fn fit(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let half = width.saturating_sub(1) / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head}…{tail}")
}
