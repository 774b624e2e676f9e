//! Proves that overlays are the base image and exactly their bundles, by making them again and reading them back.

use super::fingerprint::Shared;
use super::images::Source;
use super::{BuildError, Prepared, Request};
use crate::edge::keys::{open_keys, unlock};
use crate::edge::output::Output;
use crate::image::verify_overlay;
use crate::pki::Keys;
use crate::plan::{NodePlan, Pins};
use crate::store::NodeRecord;
use rayon::prelude::*;
use std::sync::Arc;

/// What could be proved of the overlays of one cluster.
#[derive(Debug, Default)]
pub struct OverlayProof {
    /// Overlays that were made again and read back, right or wrong.
    pub proved: usize,
    /// Why the others were not.
    pub skipped: Option<String>,
    /// Paths below the output folder, and what is wrong there.
    pub mismatches: Vec<(String, String)>,
}

/// Proves the overlays of the cluster that the request's spec describes, if that is the cluster `asked` for. An error
/// says why nothing can be proved: an identity that is missing, a spec that is wrong.
pub fn prove_overlays(request: &Request<'_>, output: &Output, asked: Option<&str>) -> Result<OverlayProof, BuildError> {
    let prepared = Prepared::new(request.inputs)?;
    let name = &prepared.cluster.metadata.name;
    let skipped = |reason: String| Ok(OverlayProof { skipped: Some(reason), ..OverlayProof::default() });
    if asked.is_some_and(|asked| asked != name) {
        return skipped(format!("{} is of cluster {name}", request.inputs.file.display()));
    }
    let record = output.built(name)?;
    let images = Source::open(request, &prepared)?;
    if let Some(reason) = &images.missing {
        return skipped(reason.clone());
    }
    let plan = prepared.plan(Pins::Required)?;
    let keys = open_keys(unlock(request.inputs)?, &plan)?;
    let shared = Shared::new(&prepared, &plan, &keys, images.writes_overlays());
    // Other inputs give other overlays, which proves nothing.
    let same = |node: &&NodePlan| {
        record.nodes.get(&node.name).is_some_and(|built| built.overlay.is_some() && built.plan == shared.of_node(node))
    };
    let nodes: Vec<&NodePlan> = plan.nodes.iter().filter(same).collect();
    request.progress.nodes(nodes.len());
    let results: Vec<Vec<(String, String)>> = nodes
        .par_iter()
        .map(|node| {
            let found = prove(output, name, node, &record.nodes[&node.name], &images, &keys);
            request.progress.node_done(&node.name);
            found
        })
        .collect();
    let changed = record.nodes.values().filter(|node| node.overlay.is_some()).count() - nodes.len();
    let reason = format!("the inputs of {changed} nodes have changed since build {}", record.number);
    Ok(OverlayProof {
        proved: nodes.len(),
        skipped: (changed > 0).then_some(reason),
        mismatches: results.into_iter().flatten().collect(),
    })
}

fn prove(
    output: &Output,
    cluster: &str,
    node: &NodePlan,
    built: &NodeRecord,
    images: &Source,
    keys: &Keys,
) -> Vec<(String, String)> {
    let options = images.overlay_options(node.class.size.root.map(|bytes| bytes.0));
    let (Some(image), Some((base, options))) = (&built.overlay, options) else { return Vec::new() };
    let path = output.image_path(cluster, &image.file);
    let object = path.strip_prefix(output.root()).unwrap_or(&path).display().to_string();
    let mismatches = (|| -> Result<Vec<String>, String> {
        let tree = output.tree(&built.bundle).map_err(|error| error.to_string())?;
        let file = output.open_image(cluster, &image.file).map_err(|error| format!("cannot be read: {error}"))?;
        let found = verify_overlay(Arc::new(file), base, &options, &tree, keys).map_err(|error| error.to_string())?;
        Ok(found.iter().map(ToString::to_string).collect())
    })();
    let problems = mismatches.unwrap_or_else(|error| vec![format!("cannot be proved: {error}")]);
    problems.into_iter().map(|problem| (object.clone(), problem)).collect()
}
