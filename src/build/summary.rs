//! What a build did, for people and, as JSON, for programs.

use super::artifacts::Disks;
use super::nodes::{BuiltNode, Context};
use crate::store::BuildRecord;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// `kubi build --output json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub cluster: String,
    /// The output directory of this cluster.
    pub directory: String,
    pub build: u64,
    /// Whether anything was written.
    pub changed: bool,
    pub nodes: Vec<SummaryNode>,
    /// Nodes of the previous build that this one does not have.
    pub removed: Vec<String>,
    /// Why images are missing; empty when all are there.
    pub missing_images: Vec<String>,
    pub warnings: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SummaryNode {
    pub name: String,
    pub bundle: String,
    pub overlay: Option<String>,
    /// `new`, `changed`, `same`: the bundle and the overlay against the previous build.
    pub state: &'static str,
}

impl Summary {
    pub(super) fn unchanged(cluster: &str, out: &Path, record: &BuildRecord) -> Self {
        let nodes = record.nodes.iter().map(|(name, node)| SummaryNode {
            name: name.clone(),
            bundle: node.bundle.to_string(),
            overlay: node.overlay.as_ref().map(|overlay| overlay.file.clone()),
            state: "same",
        });
        Self {
            cluster: cluster.to_owned(),
            directory: out.join(cluster).display().to_string(),
            build: record.number,
            changed: false,
            nodes: nodes.collect(),
            removed: vec![],
            missing_images: vec![],
            warnings: 0,
        }
    }

    pub(super) fn built(context: &Context<'_>, nodes: &[BuiltNode], disks: &Disks) -> Self {
        let previous = context.publication.previous();
        let cluster = &context.prepared.cluster.metadata.name;
        let describe = |node: &BuiltNode| {
            let old = previous.and_then(|record| record.nodes.get(&node.name));
            let state = match old {
                None => "new",
                Some(old) if old.bundle == node.record.bundle && old.overlay == node.record.overlay => "same",
                Some(_) => "changed",
            };
            SummaryNode {
                name: node.name.clone(),
                bundle: node.record.bundle.to_string(),
                overlay: node.record.overlay.as_ref().map(|overlay| overlay.file.clone()),
                state,
            }
        };
        let now: BTreeSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let before = previous.into_iter().flat_map(|record| record.nodes.keys());
        Self {
            cluster: cluster.clone(),
            directory: context.request.out.join(cluster).display().to_string(),
            build: 0,
            changed: true,
            nodes: nodes.iter().map(describe).collect(),
            removed: before.filter(|name| !now.contains(name.as_str())).cloned().collect(),
            missing_images: context.images.missing.iter().chain(&disks.missing).cloned().collect(),
            warnings: context.plan.warnings.len(),
        }
    }

    pub(super) fn finished(mut self, record: &BuildRecord) -> Self {
        self.build = record.number;
        self
    }
}
