//! Nodes that only one side has, folded: how they differ from another one, or their files.

use super::super::model::{Change, WholeNodes};
use super::super::node_words::{about, count, own, places};
use super::super::phrases::escape;
use super::budget::{Part, Section};
use super::markup::{code, folded, prose};
use super::{Detail, change, start};

/// Nodes and entries that are listed, as many as there is room for.
const LISTED: [usize; 3] = [100, 20, 0];

/// Files of a node that is shown whole are many: each has less room than a change.
const FILES: [Detail; 3] = [
    Detail { fields: 12, lines: 30, nodes: 0 },
    Detail { fields: 3, lines: 0, nodes: 0 },
    Detail { fields: 0, lines: 0, nodes: 0 },
];
const CHANGES: [Detail; 3] = [
    Detail { fields: 40, lines: 60, nodes: 5 },
    Detail { fields: 8, lines: 0, nodes: 0 },
    Detail { fields: 0, lines: 0, nodes: 0 },
];

pub fn section<'a>(what: &str, whole: &'a WholeNodes) -> Section<'a> {
    let names = format!("<code>{}</code>", escape(&start(&whole.nodes.text)));
    let (open, close) = folded(&format!("{what}{names}{}", count(whole)), whole.like.is_some());
    let details = if whole.like.is_some() { CHANGES } else { FILES };
    let part = |one: &'a Change| Part::of(details.map(|detail| Box::new(move || change(one, detail)) as Box<_>));
    let head = Part::of(LISTED.map(|most| Box::new(move || head(whole, most)) as Box<_>));
    let parts = std::iter::once(head).chain(whole.changes.iter().map(part)).collect();
    Section { open, parts, close, what: "file" }
}

fn head(whole: &WholeNodes, most: usize) -> String {
    let mut out = format!("\n{}\n", prose(&about(whole)));
    out += &list("addresses", &places(whole), most);
    out += &list("entries with values of their own", &own(whole), most);
    out
}

/// Folded once more.
fn list(title: &str, rows: &[(&str, String)], most: usize) -> String {
    if rows.is_empty() || most == 0 {
        return String::new();
    }
    let row = |(name, text): &(&str, String)| match text.is_empty() {
        true => format!("- {}\n", code(name)),
        false => format!("- {}: {}\n", code(name), code(&start(text))),
    };
    let mut body: String = rows.iter().take(most).map(row).collect();
    if rows.len() > most {
        body += &format!("- {} more\n", rows.len() - most);
    }
    let (open, close) = folded(title, false);
    open + &body + close
}
