//! Which spec keys an output depends on: read off the names that a template uses.

use crate::plan::CONTROLLER_TAINT;
use crate::recipe::{Recipe, RecipeSource};

/// Spec keys that a file's template reads, sorted. A plain file depends on the choice of its recipe alone.
pub fn of_source(recipe: &Recipe, source: &RecipeSource) -> Vec<String> {
    let mut keys = vec![chosen(recipe)];
    if source.is_template {
        keys.extend(of_text(recipe, &String::from_utf8_lossy(&source.bytes)));
    }
    sorted(keys)
}

/// Spec keys behind an entry that `recipe.yaml` declares.
pub fn of_manifest_key(recipe: &Recipe, key: &str) -> Vec<String> {
    let mut keys = vec![chosen(recipe)];
    let name = key.split_once('.').map_or("", |(_, name)| name);
    for certificate in recipe.manifest.certificates.iter().filter(|c| c.name == name) {
        keys.push("spec.pki".to_owned());
        keys.push(format!("spec.pki.sans.{name}"));
        keys.push(authority_key(&certificate.authority));
        let texts = certificate.dns.iter().chain(&certificate.addresses).chain(&certificate.organizations);
        keys.extend(texts.chain([&certificate.common_name]).flat_map(|text| of_text(recipe, text)));
    }
    for kubeconfig in recipe.manifest.kubeconfigs.iter().filter(|k| k.certificate == name) {
        keys.extend(["spec.pki".to_owned(), authority_key(&kubeconfig.authority)]);
        let texts = kubeconfig.organizations.iter().chain([&kubeconfig.user, &kubeconfig.server]);
        keys.extend(texts.flat_map(|text| of_text(recipe, text)));
    }
    for trust in recipe.manifest.trust.iter().filter(|trust| key.strip_prefix("trust.") == Some(trust.path.as_str())) {
        keys.extend(trust.authorities.iter().map(|name| authority_key(name)));
    }
    if key.starts_with("trust.") || key.starts_with("keyPairs.") || key.starts_with("authorityKeys.") {
        keys.push("spec.pki".to_owned());
    }
    sorted(keys)
}

/// The key that rotates an authority, and with it what it signs.
fn authority_key(name: &str) -> String {
    format!("spec.pki.generations.ca/{name}")
}

fn chosen(recipe: &Recipe) -> String {
    format!("spec.recipes.{}", recipe.slot())
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys.dedup();
    keys
}

/// Spec keys behind the names in a template's text.
pub fn of_text(recipe: &Recipe, text: &str) -> Vec<String> {
    let named = names(text);
    let of_facts: Vec<String> = named.iter().filter_map(|name| own_fact(recipe, name)).collect();
    let read = of_facts.iter().flat_map(|fact| names(fact));
    named.iter().copied().chain(read).filter_map(|name| spec_key(recipe, name)).collect()
}

/// The templates of a fact that the recipe itself provides: what they read is behind the fact.
fn own_fact(recipe: &Recipe, name: &str) -> Option<String> {
    let fact = match name.split_once('.')? {
        // Of controllers, the recipe's own are among them.
        ("node", "taints") => CONTROLLER_TAINT,
        ("facts", fact) => fact.split('.').next()?,
        _ => return None,
    };
    recipe.manifest.provides.get(fact).map(ToString::to_string)
}

/// Dotted names inside `{{ }}` and `{% %}`.
fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let inside = &rest[open + 2..];
        let end = inside.find("}}").into_iter().chain(inside.find("%}")).min().unwrap_or(inside.len());
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        found.extend(
            inside[..end].split(|c| !is_name(c)).filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())),
        );
        rest = &inside[end..];
    }
    found
}

/// The spec key behind a name of the template context; `None` for loop variables, filters and constants.
fn spec_key(recipe: &Recipe, name: &str) -> Option<String> {
    let (root, rest) = name.split_once('.').unwrap_or((name, ""));
    let below = |key: &str| if rest.is_empty() { key.to_owned() } else { format!("{key}.{rest}") };
    let first = rest.split('.').next().unwrap_or("");
    Some(match root {
        "cluster" => "metadata.name".to_owned(),
        "kubernetes" | "table" => "spec.kubernetes.version".to_owned(),
        "networks" => below("spec.networks"),
        "api" => "spec.networks.api".to_owned(),
        "node" => match first {
            "podCIDR" | "podGateway" => "spec.networks.pods".to_owned(),
            "machineId" | "interfaces" | "name" => "spec.nodes[].name".to_owned(),
            // Names the node's whole plan.
            "instanceId" => "spec".to_owned(),
            "dataDisk" => "spec.nodes[].machine.disks.data".to_owned(),
            "index" => "spec.nodes".to_owned(),
            _ => below("spec.nodes[]"),
        },
        "nodes" | "controllers" | "etcdMembers" => "spec.nodes".to_owned(),
        "encryption" => below("spec.encryption"),
        "pki" => below("spec.pki"),
        "params" => format!("spec.params.{}.{first}", recipe.id),
        "facts" | "chosen" => "spec.recipes".to_owned(),
        "components" => format!("spec.components.{first}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fact_of_the_recipe_reads_is_behind_it() {
        let recipes = crate::recipe::load(crate::recipe::built_in(), crate::recipe::Files::new()).unwrap();
        let keys = of_text(&recipes.by_id["kubelet/standard"], "{% if node.taints | length > 0 %}x{% endif %}");
        assert_eq!(keys, ["spec.nodes[].taints", "spec.params.kubelet/standard.taintControllers"]);
        let keys = of_text(&recipes.by_id["runtime/containerd"], "{{ facts.runtimeHandlers }}");
        assert_eq!(keys, ["spec.recipes", "spec.components.runc"]);
    }

    #[test]
    fn names_are_read_from_tags_only() {
        let text =
            "networks.no {{ networks.pods.cidr | json }} {% if params.x and not node.name == 'a' %}{{ x }}{% endif %}";
        assert_eq!(
            names(text),
            ["networks.pods.cidr", "json", "if", "params.x", "and", "not", "node.name", "a", "x", "endif"]
        );
    }
}
