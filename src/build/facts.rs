//! What a build was made from, for comparisons: a value computed from the plan, kept beside the build.

use super::nodes::Context;
use super::{BuildError, Images, Prepared};
use crate::diff::facts::{ArtifactFacts, BaseFacts, ClassFacts, ComponentFacts, Facts, MachineFacts, NodeFacts, prune};
use crate::edge::output::OutputError;
use crate::plan::{Class, NodePlan, Plan};
use crate::spec::{Node, Role, Value};
use crate::store::FACTS;
use crate::tree::Digest;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Digests of sealed files as they are.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    pub root: Option<Digest>,
    /// Every other one that the spec names, by path.
    pub files: BTreeMap<String, Digest>,
}

/// A node's facts as they lie in the plan.
type Borrowed<'a> = NodeFacts<&'a [Role], &'a Node>;

/// What `plan` was made from.
pub fn facts(prepared: &Prepared, plan: &Plan<'_>, sealed: Sealed) -> Facts {
    let (facts, nodes) = gather(prepared, plan, sealed, |_| None);
    let owned = |node: Borrowed<'_>| NodeFacts {
        roles: node.roles.to_vec(),
        class: node.class,
        pod_cidr: node.pod_cidr,
        spec: node.spec.clone(),
    };
    Facts { nodes: nodes.into_iter().map(owned).collect(), ..facts }
}

/// The facts, and those of the nodes beside them; `size` knows how large artifacts are.
fn gather<'a>(
    prepared: &'a Prepared,
    plan: &'a Plan<'_>,
    sealed: Sealed,
    size: impl Fn(&Digest) -> Option<u64>,
) -> (Facts, Vec<Borrowed<'a>>) {
    let mut classes: Vec<Arc<Class>> = Vec::new();
    let nodes = plan.nodes.iter().map(|node| node_facts(prepared, node, &mut classes)).collect();
    let spec = prepared.cluster.spec.without_nodes();
    let recipes: BTreeMap<String, Digest> =
        classes.iter().flat_map(|class| &class.recipes).map(|recipe| (recipe.id.clone(), recipe.digest)).collect();
    let facts = Facts {
        format: Facts::current_format(),
        kubi: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: prepared.cluster.metadata.name.clone(),
        kubernetes: prepared.cluster.spec.kubernetes.version.to_string(),
        spec: pruned(&spec),
        recipes,
        base: prepared.lock.base.as_ref().map(|b| BaseFacts { name: b.name.clone(), digest: b.digest }),
        sealed_root: sealed.root,
        sealed: sealed.files,
        classes: classes.iter().map(|class| class_facts(prepared, class, &size)).collect(),
        nodes: Vec::new(),
    };
    (facts, nodes)
}

/// Keeps the facts of a build that is being published.
pub fn write(context: &Context<'_>) -> Result<(), BuildError> {
    let inputs = context.request.inputs;
    let sealed = Sealed {
        root: inputs.sealed_root.as_deref().map(Digest::of),
        files: inputs.digests(context.plan.sealed_files()),
    };
    // A build without images does not ask what is in the cache, and must not depend on it.
    let size = |digest: &Digest| match context.request.images {
        Images::Never => None,
        _ => context.request.cache.open(digest).ok().map(|(_, size)| size),
    };
    let (facts, nodes) = gather(context.prepared, context.plan, sealed, size);
    let failed = |source| BuildError::Output(OutputError::Json { path: FACTS.to_owned(), source });
    Ok(context.publication.facts(&facts.to_bytes_with(&nodes).map_err(failed)?)?)
}

fn node_facts<'a>(prepared: &'a Prepared, plan: &'a NodePlan, classes: &mut Vec<Arc<Class>>) -> Borrowed<'a> {
    let known = classes.iter().position(|class| Arc::ptr_eq(class, &plan.class));
    let class = known.unwrap_or_else(|| {
        classes.push(Arc::clone(&plan.class));
        classes.len() - 1
    });
    let spec = &prepared.cluster.spec.nodes[plan.index];
    NodeFacts { roles: &plan.roles, class, pod_cidr: plan.pod_cidr.to_string(), spec }
}

fn class_facts(prepared: &Prepared, class: &Class, size: impl Fn(&Digest) -> Option<u64>) -> ClassFacts {
    let component = |(name, component): (&String, &crate::plan::ResolvedComponent)| {
        (name.clone(), ComponentFacts { from: component.from, version: component.version.clone() })
    };
    let artifacts = class.artifacts().into_iter().map(|needed| {
        let locked = prepared.lock.artifact(&needed.name, &needed.version, needed.platform);
        let digest = locked.map(|locked| locked.digest);
        let size = digest.and_then(|digest| size(&digest));
        ArtifactFacts { name: needed.name, version: needed.version, platform: needed.platform, digest, size }
    });
    let size = class.size;
    ClassFacts {
        recipes: class.recipes.iter().map(|recipe| recipe.id.clone()).collect(),
        components: class.components.iter().map(component).collect(),
        artifacts: artifacts.collect(),
        machine: MachineFacts {
            cpus: size.cpus,
            memory: size.memory,
            root: size.root,
            data: size.data,
            boot: size.boot,
        },
    }
}

fn pruned<T: serde::Serialize>(value: &T) -> Value {
    // Values of a spec have text for keys, so they always become JSON.
    let mut value = serde_json::to_value(value).unwrap_or_default();
    prune(&mut value);
    value
}
