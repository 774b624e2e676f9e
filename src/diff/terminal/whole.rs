//! Nodes that only one side has: how they differ from another one; of those that are shown whole, what files there are.

use super::super::model::WholeNodes;
use super::super::node_words::{about, count, own, places};
use super::{BOLD, DIM, MAX_NODES, Out};

impl Out {
    pub(super) fn whole_nodes(&mut self, whole: &WholeNodes) {
        self.line(2, BOLD, &format!("{}{}", whole.nodes.text, count(whole)));
        self.wrapped(6, "", "", &about(whole));
        let places = places(whole);
        let shown = if self.style.lines { places.len() } else { places.len().min(MAX_NODES) };
        places[..shown].iter().for_each(|(node, text)| self.wrapped(8, "", DIM, &format!("{node}: {text}")));
        if places.len() > shown {
            self.line(8, DIM, &format!("... {} more: --lines shows all", places.len() - shown));
        }
        let all = self.style.lines;
        if all {
            own(whole).iter().for_each(|(path, text)| self.wrapped(6, "", "", format!("= {path} {text}").trim()));
        }
        if all || whole.like.is_some() {
            whole.changes.iter().for_each(|change| self.change(change));
        } else {
            whole.changes.iter().for_each(|change| self.path(change));
        }
        if !all && (whole.like.is_none() || !whole.own.is_empty()) {
            let what = if whole.like.is_some() { "each node's own entries" } else { "what is in them" };
            self.line(6, DIM, &format!("--lines shows {what}"));
        }
    }
}
