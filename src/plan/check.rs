//! What only the recipes and the lock can find wrong with a spec.

use super::class::Class;
use super::node::NodePlan;
use crate::pki::unknown_generations;
use crate::recipe::{Recipe, Recipes, version_numbers};
use crate::spec::{Cluster, Node, Params, Problem, SpecPath, Value, nearest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One given parameter against its declaration.
pub fn param(recipe: &Recipe, name: &str, given: &Value, path: SpecPath) -> Option<Problem> {
    let declared = &recipe.manifest.params;
    let Some(param) = declared.get(name) else {
        let names: Vec<&str> = declared.keys().map(String::as_str).collect();
        let guess = nearest(name, names.iter().copied()).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
        let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has: {}", names.join(", ")) };
        let message = format!("recipe {} has no parameter {name:?}", recipe.id);
        return Some(Problem::error("unknown-parameter", path, message).at_key().help(format!("{guess}{known}")));
    };
    let refusal = param.refuses(given)?;
    let message = format!("parameter {name} of recipe {} {}", recipe.id, refusal.reason);
    Some(Problem::error(refusal.code, path, message).help(refusal.help))
}

/// Kubernetes' version skew policy: nothing newer than the API server, kubelet and kube-proxy at most three minors older,
/// controller manager and scheduler at most one, kubectl at most one either way.
pub fn skew(cluster: &Cluster, class: &Class, problems: &mut Vec<Problem>) {
    let server = cluster.spec.kubernetes.version;
    for (name, older, newer) in [
        ("kubelet", 3, 0),
        ("kube-proxy", 3, 0),
        ("kube-controller-manager", 1, 0),
        ("kube-scheduler", 1, 0),
        ("kube-apiserver", 0, 0),
        ("kubectl", 1, 1),
    ] {
        let Some(component) = class.components.get(name) else { continue };
        let [1, minor, ..] = version_numbers(&component.version)[..] else { continue };
        let (minor, wanted) = (minor as i64, i64::from(server.minor));
        if minor > wanted + newer || minor < wanted - older {
            let message = format!("{name} {} does not go with an API server {server}", component.version);
            let help = format!("Kubernetes' version skew policy allows 1.{} to 1.{}", wanted - older, wanted + newer);
            let path = SpecPath::of("spec.components").key(name);
            problems.push(Problem::error("version-skew", path, message).help(help));
        }
    }
    let minimum = class.components.get("containerd").filter(|_| server.minor >= 36);
    if let Some(containerd) = minimum.filter(|c| !c.version.is_empty() && version_numbers(&c.version) < vec![2, 2]) {
        let message = format!("Kubernetes {server} wants containerd 2.2 or newer, this is {}", containerd.version);
        let help = "write `components: {containerd: {from: artifact}}`, or stay with it for a laboratory";
        problems.push(
            Problem::warning("containerd-version", SpecPath::of("spec.components.containerd"), message).help(help),
        );
    }
}

/// Parameters and components that name nothing which any node has.
pub fn unused(cluster: &Cluster, recipes: &Recipes, nodes: &[NodePlan], problems: &mut Vec<Problem>) {
    let spec = &cluster.spec;
    let mut classes: Vec<&Arc<Class>> = nodes.iter().map(|node| &node.class).collect();
    classes.dedup_by(|a, b| Arc::ptr_eq(a, b));
    let used: BTreeSet<&str> = classes.iter().flat_map(|class| class.recipes.iter().map(|r| r.id.as_str())).collect();
    let components: BTreeSet<&str> =
        recipes.by_id.values().flat_map(|r| r.manifest.components.keys()).map(String::as_str).collect();
    let mut look = |path: SpecPath, params: &Params, named: &mut dyn Iterator<Item = &String>| {
        for id in params.keys().filter(|id| !used.contains(id.as_str())) {
            let path = path.key("params").key(id);
            let known: Vec<&str> = recipes.by_id.keys().map(String::as_str).collect();
            problems.push(if recipes.get(id).is_some() {
                let message = format!("parameters for recipe {id}, which no node has");
                Problem::warning("unused-parameters", path, message)
                    .at_key()
                    .help("choose the recipe under `recipes`, or remove them")
            } else {
                let guess =
                    nearest(id, known.iter().copied()).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
                let message = format!("parameters for {id:?}, which is no recipe");
                Problem::error("unknown-recipe", path, message)
                    .at_key()
                    .help(format!("{guess}recipes: {}", known.join(", ")))
            });
        }
        for name in named.filter(|name| !components.contains(name.as_str())) {
            let guess =
                nearest(name, components.iter().copied()).map(|n| format!("did you mean {n}? ")).unwrap_or_default();
            let known: Vec<&str> = components.iter().copied().collect();
            let message = format!("no recipe has a component {name:?}");
            let problem = Problem::error("unknown-component", path.key("components").key(name), message).at_key();
            problems.push(problem.help(format!("{guess}components: {}", known.join(", "))));
        }
    };
    look(SpecPath::of("spec"), &spec.params, &mut spec.components.keys());
    for (role, layer) in &spec.roles {
        look(SpecPath::of("spec.roles").key(role.name()), &layer.params, &mut layer.components.keys());
    }
    let own = |node: &Node| !node.params.is_empty() || !node.components.is_empty();
    for (index, node) in spec.nodes.iter().enumerate().filter(|(_, node)| own(node)) {
        look(SpecPath::node(index), &node.params, &mut node.components.keys());
    }
}

/// `pki.generations` and `pki.sans` may only name what some recipe declares.
pub fn generations(cluster: &Cluster, nodes: &[NodePlan], problems: &mut Vec<Problem>) {
    let pki = &cluster.spec.pki;
    if pki.generations.is_empty() && pki.sans.is_empty() && pki.import.is_empty() {
        return;
    }
    let recipes: BTreeMap<&str, &Recipe> =
        nodes.iter().flat_map(|n| n.class.recipes.iter().map(|r| (r.id.as_str(), r.as_ref()))).collect();
    let mut certificates = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut authorities = BTreeSet::new();
    for manifest in recipes.values().map(|recipe| &recipe.manifest) {
        certificates.extend(manifest.certificates.iter().map(|c| c.name.clone()));
        names.extend(manifest.kubeconfigs.iter().chain(&manifest.operator).map(|k| k.certificate.clone()));
        names.extend(manifest.operator_certificates.iter().map(|c| c.certificate.clone()));
        names.extend(manifest.key_pairs.iter().map(|k| k.name.clone()));
        authorities.extend(manifest.authorities.keys().cloned());
    }
    names.extend(authorities.iter().map(|name| format!("ca/{name}")));
    names.extend(certificates.iter().cloned());
    let mut look = |map: &str, unknown: Vec<&str>, known: &BTreeSet<String>| {
        for name in unknown {
            let guess = nearest(name, known.iter().map(String::as_str))
                .map(|n| format!("did you mean {n}? "))
                .unwrap_or_default();
            let list: Vec<&str> = known.iter().map(String::as_str).collect();
            let path = SpecPath::of("spec.pki").key(map).key(name);
            let message = format!("nothing in this cluster is named {name:?}");
            problems.push(
                Problem::error("unknown-secret", path, message)
                    .at_key()
                    .help(format!("{guess}names: {}", list.join(", "))),
            );
        }
    };
    // Keys that encrypt etcd are not among the names: another generation could not read what the old one wrote.
    let node_names = nodes.iter().map(|node| node.name.clone()).collect();
    let missing = |given: Vec<&'_ String>, known: &BTreeSet<String>| -> Vec<String> {
        given.into_iter().filter(|name| !known.contains(*name)).cloned().collect()
    };
    look("generations", unknown_generations(pki, &names, &node_names), &names);
    look("sans", missing(pki.sans.keys().collect(), &certificates).iter().map(String::as_str).collect(), &certificates);
    look(
        "import",
        missing(pki.import.keys().collect(), &authorities).iter().map(String::as_str).collect(),
        &authorities,
    );
}

/// Says once what several classes of nodes have in common; what the lock lacks becomes one problem.
pub fn merge(problems: &mut Vec<Problem>) {
    let mut seen: Vec<Problem> = Vec::new();
    let mut unlocked: Vec<String> = Vec::new();
    for problem in problems.drain(..) {
        match problem.message.strip_suffix(super::components::NOT_LOCKED) {
            Some(artifact) if !unlocked.iter().any(|known| known == artifact) => unlocked.push(artifact.to_owned()),
            Some(_) => {}
            None if seen.contains(&problem) => {}
            None => seen.push(problem),
        }
    }
    if !unlocked.is_empty() {
        let message = format!("kubi.lock does not pin {}", unlocked.join(", "));
        let help = "run `kubi lock`; for a build of your own, `kubi vendor add FILE`";
        seen.push(Problem::error("artifact-not-locked", SpecPath::of("spec.kubernetes.version"), message).help(help));
    }
    *problems = seen;
}
