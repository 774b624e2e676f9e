//! Why an entry changed: which of the inputs that moved does its origin name?

use super::inputs::Moved;
use super::keys::{MovedKeys, has_authority, is_own_key};
use super::model::{FieldChange, Why};
use crate::tree::Origin;

/// Inputs that moved and that the origin reads. `nodes` have the change.
pub fn why(origin: &Origin, nodes: &[String], moved: &[Moved], inputs: &[FieldChange], keys: &MovedKeys) -> Why {
    let concerns = |moved: &&Moved| {
        let own = moved.nodes.is_empty() || moved.nodes.iter().any(|name| nodes.contains(name));
        is_of_this_key(origin, &moved.key, nodes) && origin.spec.iter().any(|key| reads(key, &moved.key, own))
    };
    let spec = moved.iter().filter(concerns).map(|moved| moved.change.path.clone()).collect();
    let recipes: Vec<String> = origin.recipe.split(", ").map(|id| format!("recipe {id}")).collect();
    let component = |key: &str| key.strip_prefix("spec.components.").map(|name| format!("component {name}"));
    let components: Vec<String> = origin.spec.iter().filter_map(|key| component(key)).collect();
    let names = |path: &str| path == "kubi" || recipes.iter().chain(&components).any(|known| known == path);
    let sealed = |path: &str| path.strip_prefix("sealed file ").is_some_and(|file| keys.reads_sealed(origin, file));
    let found = inputs.iter().map(|input| &input.path).filter(|path| names(path) || sealed(path));
    Why { spec, inputs: found.cloned().collect() }
}

/// A generation moves the one key that it names, and an authority's all certificates below it; an import does, too.
fn is_of_this_key(origin: &Origin, moved: &str, nodes: &[String]) -> bool {
    let name = |rest: &str| rest.trim_matches(['.', '[', ']', '"']).to_owned();
    if let Some(authority) = moved.strip_prefix("spec.pki.import").map(name) {
        return has_authority(origin, &authority);
    }
    let Some(name) = moved.strip_prefix("spec.pki.generations").map(name) else { return true };
    match name.strip_prefix("ca/") {
        Some(authority) => has_authority(origin, authority),
        None => is_own_key(origin, &name, nodes),
    }
}

/// Whether something that reads `key` depends on `moved`; `own` says whether that is of the node itself.
pub fn reads(key: &str, moved: &str, own: bool) -> bool {
    if key == "spec.nodes" {
        // Other nodes' names, roles and addresses are seen by everybody, their labels and sizes are not.
        let rest = moved.strip_prefix("spec.nodes[]");
        let seen = ["", ".name", ".roles", ".addresses", ".podCIDR"];
        return rest.is_some_and(|rest| seen.iter().any(|field| *field == rest || within(field, rest)));
    }
    if !own {
        return false;
    }
    // The certificate's own names are listed by themselves.
    if key == "spec.pki" && moved.starts_with("spec.pki.sans.") {
        return false;
    }
    let layers = [Some(moved.to_owned()), unlayered(moved)];
    layers.into_iter().flatten().any(|moved| key == moved || within(key, &moved) || within(&moved, key))
}

/// Whether `path` lies below `above`.
fn within(above: &str, path: &str) -> bool {
    !above.is_empty() && path.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// What a role or a node overrides, as a key of the cluster: `spec.roles.worker.params.x` is `spec.params.x`.
fn unlayered(key: &str) -> Option<String> {
    let rest = match key.strip_prefix("spec.roles.") {
        Some(rest) => rest.split_once('.')?.1,
        None => key.strip_prefix("spec.nodes[].")?,
    };
    let layered = ["recipes", "params", "components", "machine"];
    layered.contains(&rest.split('.').next()?).then(|| format!("spec.{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_of_one_key() {
        let origin = |source: &str| {
            let authority = source.contains("#cert").then(|| "spec.pki.generations.ca/etcd".to_owned());
            let spec = ["spec.pki".to_owned()].into_iter().chain(authority).collect();
            Origin { source: source.into(), spec, ..Origin::default() }
        };
        let check = |source: &str, moved: &str, expected: bool| {
            assert_eq!(is_of_this_key(&origin(source), moved, &["c1".into()]), expected, "{source} {moved}");
        };
        check("recipe.yaml#certificates.etcd-server", "spec.pki.generations.etcd-server", true);
        check("recipe.yaml#certificates.etcd-server", "spec.pki.generations.etcd-server/c1", true);
        check("recipe.yaml#certificates.etcd-server", "spec.pki.generations.ca/etcd", true);
        check("recipe.yaml#certificates.etcd-server", "spec.pki.generations.etcd-server/c2", false);
        check("recipe.yaml#certificates.etcd-server", "spec.pki.generations.ca/cluster", false);
        check("recipe.yaml#certificates.etcd-server", "spec.pki.generations.etcd-peer", false);
        check("recipe.yaml#certificates.etcd-server", "spec.pki.import.etcd", true);
        check("recipe.yaml#certificates.etcd-server", "spec.pki.import.cluster", false);
        check("recipe.yaml#keyPairs.service-account", "spec.pki.generations.service-account", true);
        check("recipe.yaml#keyPairs.service-account", "spec.pki.generations.ca/cluster", false);
        check("recipe.yaml#authorityKeys.cluster-signing", "spec.pki.generations.ca/cluster", true);
        check("recipe.yaml#certificates.etcd-server", "spec.pki.epoch", true);
    }

    #[test]
    fn origins_are_matched_with_what_moved() {
        let check = |key: &str, moved: &str, own: bool, expected: bool| {
            assert_eq!(reads(key, moved, own), expected, "{key} {moved}");
        };
        check("spec.networks.pods", "spec.networks.pods.cidr", true, true);
        check("spec.networks.pods.cidr", "spec.networks.pods", true, true);
        check("spec.networks.pod", "spec.networks.pods.cidr", true, false);
        check("spec.params.kubelet/standard.maxPods", "spec.roles.worker.params.kubelet/standard.maxPods", true, true);
        check("spec.params.kubelet/standard.maxPods", "spec.nodes[].params.kubelet/standard.maxPods", false, false);
        check("spec.nodes[].labels", "spec.nodes[].labels[\"example.com/disk\"]", true, true);
        check("spec.nodes[].labels", "spec.nodes[].labels.disk", false, false);
        check("spec.nodes", "spec.nodes[].addresses.cluster", false, true);
        check("spec.nodes", "spec.nodes[].labels.disk", false, false);
        check("spec.nodes", "spec.nodes[]", false, true);
        check("spec.pki", "spec.pki.sans.kube-apiserver", true, false);
        check("spec.pki.sans.kube-apiserver", "spec.pki.sans.kube-apiserver", true, true);
        check("spec", "spec.base", true, true);
    }
}
