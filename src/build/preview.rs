//! A spec as it would be built: rendered in memory when asked for, for comparisons. Writes nothing.

use super::Prepared;
use super::facts::{Sealed, facts};
use super::fingerprint::Shared;
use crate::bundle::{Identity, bundle};
use crate::diff::{Facts, NodeKey, Side, SideEntry, SideError, SideInfo};
use crate::pki::Keys;
use crate::plan::{NodePlan, Plan};
use crate::render::Renderer;
use crate::tree::{Digest, Kind, NodePath, Origin, Tree};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One side of a comparison. A node is rendered once, when it is first asked for.
pub struct Preview<'a> {
    info: SideInfo,
    facts: Facts,
    keys: BTreeMap<String, NodeKey>,
    plans: BTreeMap<&'a str, &'a NodePlan>,
    renderer: &'a Renderer<'a>,
    trees: Mutex<BTreeMap<String, Arc<Tree>>>,
}

impl<'a> Preview<'a> {
    /// `overlays`: whether the build that it is compared with wrote them, which is part of a node's fingerprint.
    pub fn new(
        info: SideInfo,
        prepared: &Prepared,
        plan: &'a Plan<'_>,
        keys: &Keys,
        renderer: &'a Renderer<'a>,
        sealed: Sealed,
        overlays: bool,
    ) -> Self {
        let shared = Shared::new(prepared, plan, keys, overlays);
        let key = |node: &NodePlan| (node.name.clone(), NodeKey { bundle: None, plan: Some(shared.of_node(node)) });
        Self {
            info,
            facts: facts(prepared, plan, sealed),
            keys: plan.nodes.iter().map(key).collect(),
            plans: plan.nodes.iter().map(|node| (node.name.as_str(), node)).collect(),
            renderer,
            trees: Mutex::default(),
        }
    }

    fn tree(&self, node: &str) -> Result<Arc<Tree>, SideError> {
        let known = self.trees.lock().unwrap_or_else(PoisonError::into_inner).get(node).cloned();
        if let Some(tree) = known {
            return Ok(tree);
        }
        let failed = |message: String| {
            SideError::new(
                format!("{}: node {node}: {message}", self.info.label),
                "`kubi check` says more about a spec",
            )
        };
        let plan = self.plans.get(node).ok_or_else(|| failed("is not there".to_owned()))?;
        let tree = Arc::new(self.renderer.node(plan).map_err(|error| failed(error.to_string()))?);
        self.trees.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned(), Arc::clone(&tree));
        Ok(tree)
    }
}

impl Side for Preview<'_> {
    fn info(&self) -> SideInfo {
        self.info.clone()
    }

    fn facts(&self) -> Result<Option<&Facts>, SideError> {
        Ok(Some(&self.facts))
    }

    fn nodes(&self) -> &BTreeMap<String, NodeKey> {
        &self.keys
    }

    fn entries(&self, node: &str) -> Result<Vec<SideEntry>, SideError> {
        let tree = self.tree(node)?;
        let entry = |(path, entry): (&NodePath, &crate::tree::Entry)| {
            let digest = match &entry.kind {
                Kind::File(contents) => Some(Digest::of(contents.bytes())),
                _ => None,
            };
            SideEntry::of(path, entry, digest)
        };
        Ok(tree.iter().map(entry).collect())
    }

    fn origins(&self, node: &str) -> Result<BTreeMap<String, Origin>, SideError> {
        let tree = self.tree(node)?;
        Ok(tree.iter().map(|(path, entry)| (path.to_string(), entry.origin.clone())).collect())
    }

    fn contents(&self, node: &str, entry: &SideEntry) -> Result<Vec<u8>, SideError> {
        let tree = self.tree(node)?;
        let found = NodePath::new(entry.path.clone()).ok().and_then(|path| tree.get(&path).cloned());
        match found.map(|entry| entry.kind) {
            Some(Kind::File(contents)) => Ok(contents.bytes().to_vec()),
            _ => Ok(Vec::new()),
        }
    }

    fn bundle(&self, node: &str) -> Result<Option<Digest>, SideError> {
        let (tree, plan) = (self.tree(node)?, self.plans.get(node));
        let architecture = plan.map(|plan| plan.class.architecture).unwrap_or_default();
        let identity = Identity { cluster: self.facts.cluster.clone(), node: node.to_owned(), architecture };
        let bundle = bundle(&tree, &identity).map_err(|error| SideError::new(error, "`kubi build` says more"))?;
        Ok(Some(bundle.digest))
    }
}
