//! What a build, and what each node of it, depends on.

use super::{Images, Prepared, Request};
use crate::edge::inputs::sealed_names;
use crate::pki::Keys;
use crate::plan::{NodePlan, Plan};
use crate::spec::Node;
use crate::tree::Digest;
use serde_json::json;

/// Covers every input of the build. Another value may still give the same output; the same value never another one.
pub fn of_build(request: &Request<'_>) -> Digest {
    // Images appear in the output once their bytes are in the cache.
    let present: Vec<u8> = match (request.images, request.inputs.lock()) {
        (Images::Never, _) | (_, Err(_)) => vec![],
        (_, Ok(lock)) => {
            let base = lock.base.iter().flat_map(|b| [Some(&b.digest), b.kernel.as_ref(), b.initrd.as_ref()]).flatten();
            let all = base.chain(lock.artifacts.iter().map(|artifact| &artifact.digest));
            all.map(|digest| u8::from(request.cache.has(digest))).collect()
        }
    };
    let sealed = Digest::of_json(&request.inputs.digests(sealed_names(&request.inputs.text)));
    request.inputs.digest(&[&[request.images as u8], &present, sealed.as_str().as_bytes()])
}

/// `metadata.name`, read off the text without parsing it all. Only used to find an output that is then compared by digest.
pub fn cluster_name(text: &str) -> Option<&str> {
    let after =
        &text[text.find("\nmetadata:").map(|at| at + 1).or_else(|| text.starts_with("metadata:").then_some(0))?..];
    let value = after[after.find("name:")? + "name:".len()..].trim_start();
    let value = value.trim_start_matches(['"', '\'']);
    let end = value.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(value.len());
    Some(&value[..end]).filter(|name| !name.is_empty())
}

/// What all nodes of a build depend on.
#[derive(Debug)]
pub struct Shared {
    digest: Digest,
    /// The list of nodes, where some recipe reads it.
    nodes: Option<Digest>,
}

impl Shared {
    pub fn new(prepared: &Prepared, plan: &Plan<'_>, keys: &Keys, writes_overlays: bool) -> Self {
        let spec = prepared.cluster.spec.without_nodes();
        let nodes = &prepared.cluster.spec.nodes;
        let peers: Vec<_> = plan
            .nodes
            .iter()
            .filter(|node| node.roles.iter().any(|role| *role != crate::spec::Role::Worker))
            .map(|node| json!([node.name, node.roles, nodes[node.index].addresses]))
            .collect();
        let shared = json!([
            crate::SOURCES,
            prepared.recipes.digest,
            prepared.cluster.metadata.name,
            spec,
            peers,
            plan.for_cluster.iter().map(|brought| (&brought.recipe.id, &brought.class.digest)).collect::<Vec<_>>(),
            prepared.lock.base.as_ref().map(|base| (&base.digest, &base.packages)),
            writes_overlays,
            // A keyed hash: tells one root secret from another and says nothing about either.
            keys.symmetric("fingerprint", 1).commitment,
            keys.imported_digests(),
            keys.sealed_commitments(),
        ]);
        let listed = |node: &Node| json!([node.name, node.roles, node.addresses, node.pod_cidr]);
        let read = plan.nodes.iter().any(|node| node.class.uses_nodes);
        let nodes = read.then(|| Digest::of_json(&nodes.iter().map(listed).collect::<Vec<_>>()));
        Self { digest: Digest::of_json(&shared), nodes }
    }

    /// What this node's tree and overlay depend on; the plan's digest covers what the spec says of the node.
    pub fn of_node(&self, plan: &NodePlan) -> Digest {
        let nodes = self.nodes.as_ref().filter(|_| plan.class.uses_nodes);
        Digest::of_json(&(&self.digest, &plan.digest, nodes))
    }
}

#[cfg(test)]
mod tests {
    use super::cluster_name;

    #[test]
    fn the_cluster_name_is_found_in_every_usual_form() {
        for text in [
            "kind: Cluster\nmetadata: {name: dev}\n",
            "metadata:\n  name: \"dev\"\nspec:",
            "a: 1\nmetadata:\n  name: dev # x\n",
        ] {
            assert_eq!(cluster_name(text), Some("dev"), "{text}");
        }
        assert_eq!(cluster_name("kind: Cluster\n"), None);
    }
}
