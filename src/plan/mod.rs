//! `plan(Cluster, Recipes, Lock) -> Plan`: which recipe with which parameters lands on which node; no file contents yet.
//!
//! Nodes that choose alike share one [`Class`], so planning costs little more for a thousand nodes than for one.

mod check;
mod class;
mod components;
mod context;
mod layers;
mod node;
mod rules;

pub use class::Class;
pub use components::ResolvedComponent;
pub use context::{api_host, operator_host};
pub use node::{CONTROLLER_TAINT, NodePlan, effective_roles};

use crate::artifact::{Lock, Needed};
use crate::recipe::{ParamType, Recipe, Recipes};
use crate::spec::{Cluster, Problem};
use crate::template::Templates;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that rendering needs, save secrets.
#[derive(Debug)]
pub struct Plan<'a> {
    pub cluster: &'a Cluster,
    pub recipes: &'a Recipes,
    pub templates: &'a Templates,
    /// In the spec's order.
    pub nodes: Vec<NodePlan>,
    /// Template context that is the same for all nodes.
    pub shared: context::Shared,
    /// What some node has and brings something to every controller.
    pub for_cluster: Vec<ForCluster>,
    pub warnings: Vec<Problem>,
}

/// A recipe with files for the cluster, as the first class of nodes has it that has it at all.
#[derive(Debug)]
pub struct ForCluster {
    pub recipe: Arc<Recipe>,
    pub class: Arc<Class>,
}

/// Whether everything must be in the lock already. `kubi lock` and `kubi base build` plan before it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pins {
    Required,
    Open,
}

/// Plans all nodes, or reports everything that the recipes and the lock find wrong with the spec.
pub fn plan<'a>(
    cluster: &'a Cluster,
    recipes: &'a Recipes,
    templates: &'a Templates,
    lock: &Lock,
    pins: Pins,
) -> Result<Plan<'a>, Vec<Problem>> {
    let mut problems = Vec::new();
    let shared = context::Shared::new(cluster, recipes);
    let mut classes: BTreeMap<class::Key, Option<Arc<Class>>> = BTreeMap::new();
    let mut classed = Vec::with_capacity(cluster.spec.nodes.len());
    for (index, node) in cluster.spec.nodes.iter().enumerate() {
        let roles = node::effective_roles(cluster, node);
        let key = class::Key::new(node, &roles);
        let class = classes.entry(key).or_insert_with(|| {
            let resolver = class::Resolver {
                cluster,
                recipes,
                templates,
                lock,
                shared: &shared,
                require_lock: pins == Pins::Required,
            };
            resolver.resolve(index, node, &roles, &mut problems).map(Arc::new)
        });
        classed.extend(class.as_ref().map(|class| (index, roles, Arc::clone(class))));
    }
    let planned: Vec<Result<NodePlan, Problem>> = classed
        .into_par_iter()
        .map(|(index, roles, class)| node::plan(cluster, &shared, index, roles, class))
        .collect();
    let mut nodes = Vec::with_capacity(planned.len());
    for node in planned {
        match node {
            Ok(node) => nodes.push(node),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.iter().any(Problem::is_error) {
        check::unused(cluster, recipes, &nodes, &mut problems);
        check::generations(cluster, &nodes, &mut problems);
        rules::missing_on_controllers(&nodes, &mut problems);
    }
    check::merge(&mut problems);
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    let for_cluster = for_cluster(&nodes);
    Ok(Plan { cluster, recipes, templates, nodes, shared, for_cluster, warnings: problems })
}

fn for_cluster(nodes: &[NodePlan]) -> Vec<ForCluster> {
    let mut found: BTreeMap<&str, ForCluster> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for class in nodes.iter().map(|node| &node.class).filter(|class| seen.insert(Arc::as_ptr(class))) {
        for recipe in class.recipes.iter().filter(|recipe| recipe.has_files_for_cluster()) {
            let first = || ForCluster { recipe: Arc::clone(recipe), class: Arc::clone(class) };
            found.entry(&recipe.id).or_insert_with(first);
        }
    }
    found.into_values().collect()
}

impl Plan<'_> {
    /// Every class that some node has, each once, in the order of the nodes.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        let mut seen = BTreeSet::new();
        self.nodes.iter().map(|node| &node.class).filter(move |class| seen.insert(Arc::as_ptr(class))).map(Arc::as_ref)
    }

    /// Every artifact that some node needs, sorted.
    pub fn artifacts(&self) -> Vec<Needed> {
        let mut needed: Vec<Needed> = self.classes().flat_map(Class::artifacts).collect();
        needed.sort();
        needed.dedup();
        needed
    }

    /// Sealed files that parameters name, relative to the cluster's folder.
    pub fn sealed_params(&self) -> BTreeSet<String> {
        let of_recipe = |class: &Class, recipe: &Recipe| -> Vec<String> {
            let sealed = recipe.manifest.params.iter().filter(|(_, param)| param.r#type == ParamType::Sealed);
            let given = sealed.filter_map(|(name, _)| class.params.get(&recipe.id)?.get(name)?.as_str());
            given.map(str::to_owned).collect()
        };
        self.classes().flat_map(|class| class.recipes.iter().flat_map(move |recipe| of_recipe(class, recipe))).collect()
    }

    /// Every sealed file that the spec names besides the root secret.
    pub fn sealed_files(&self) -> BTreeSet<String> {
        self.cluster.spec.pki.import.values().cloned().chain(self.sealed_params()).collect()
    }

    /// Every Debian package that the base image must have, sorted.
    pub fn packages(&self) -> BTreeSet<String> {
        self.classes().flat_map(|class| class.packages.iter().cloned()).collect()
    }

    /// Names of all key pairs that rendering may ask for, without their `key/`; conditions are not looked at.
    pub fn key_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for node in &self.nodes {
            for manifest in node.class.recipes.iter().map(|recipe| &recipe.manifest) {
                let certificates = manifest.certificates.iter().map(|c| (&c.name, c.scope));
                let kubeconfigs = manifest.kubeconfigs.iter().map(|k| (&k.certificate, k.scope));
                let pairs = manifest.key_pairs.iter().map(|k| (&k.name, k.scope));
                names.extend(
                    certificates.chain(kubeconfigs).chain(pairs).map(|(name, scope)| scope.secret(name, &node.name)),
                );
                names.extend(manifest.operator.iter().map(|k| k.scope.secret(&k.certificate, "operator")));
                names.extend(manifest.operator_certificates.iter().map(|c| c.certificate.clone()));
                // Those of the user's own bring their keys.
                let made =
                    manifest.authorities.iter().filter(|(name, _)| !self.cluster.spec.pki.import.contains_key(*name));
                names.extend(made.map(|(name, authority)| match authority.parent {
                    Some(_) => format!("intermediate/{name}"),
                    None => format!("ca/{name}"),
                }));
            }
        }
        names
    }
}
