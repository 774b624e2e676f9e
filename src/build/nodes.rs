//! Renders, bundles and images every node that changed, on all processors.

use super::fingerprint::Shared;
use super::images::Source;
use super::{BuildError, Prepared, Request};
use crate::bundle::{Identity, bundle};
use crate::edge::publish::Publication;
use crate::pki::Keys;
use crate::plan::{NodePlan, Plan};
use crate::render::Renderer;
use crate::store::NodeRecord;
use rayon::prelude::*;

/// What all nodes of a build share.
pub struct Context<'a> {
    pub request: &'a Request<'a>,
    pub prepared: &'a Prepared,
    pub plan: &'a Plan<'a>,
    pub keys: &'a Keys,
    pub renderer: &'a Renderer<'a>,
    pub images: &'a Source,
    pub publication: &'a Publication,
}

/// A node that is ready to be published.
#[derive(Debug)]
pub struct BuiltNode {
    pub name: String,
    pub record: NodeRecord,
    /// Its record is that of the last build.
    pub unchanged: bool,
}

/// All nodes in the spec's order, whatever order they were built in.
pub fn build_all(context: &Context<'_>) -> Result<Vec<BuiltNode>, BuildError> {
    let shared = Shared::new(context.prepared, context.plan, context.keys, context.images.writes_overlays());
    context.request.progress.nodes(context.plan.nodes.len());
    let nodes: Vec<Result<BuiltNode, BuildError>> =
        context.plan.nodes.par_iter().map(|plan| one(context, &shared, plan)).collect();
    nodes.into_iter().collect()
}

fn one(context: &Context<'_>, shared: &Shared, plan: &NodePlan) -> Result<BuiltNode, BuildError> {
    let fingerprint = shared.of_node(plan);
    if let Some(record) = context.publication.unchanged(&plan.name, &fingerprint) {
        return Ok(BuiltNode { name: plan.name.clone(), record: record.clone(), unchanged: true });
    }
    context.request.progress.node_started(&plan.name);
    let built = render(context, plan, fingerprint).map_err(|error| error.in_node(&plan.name));
    context.request.progress.node_done(&plan.name);
    built
}

fn render(context: &Context<'_>, plan: &NodePlan, fingerprint: crate::tree::Digest) -> Result<BuiltNode, BuildError> {
    let tree = context.renderer.node(plan)?;
    let identity = Identity {
        cluster: context.prepared.cluster.metadata.name.clone(),
        node: plan.name.clone(),
        architecture: plan.class.architecture,
    };
    let root = plan.class.size.root.map(|bytes| bytes.0);
    let (bundled, overlay) = rayon::join(
        || -> Result<_, BuildError> {
            let bundle = bundle(&tree, &identity)?;
            let review = context.publication.node(&tree, &identity, &bundle)?;
            Ok((bundle.digest, review))
        },
        || context.images.overlay(context.publication, &plan.name, root, &tree, context.keys),
    );
    let ((bundle, review), overlay) = (bundled?, overlay?);
    let record = NodeRecord { plan: fingerprint, bundle, review, overlay };
    Ok(BuiltNode { name: plan.name.clone(), record, unchanged: false })
}
