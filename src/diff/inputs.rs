//! Which inputs moved between two sides: spec keys, and everything else that a build depends on.

use super::facts::{Facts, prune};
use super::keys::ROOT_FILE;
use super::model::FieldChange;
use super::names::ranges;
use super::semantic::document;
use crate::spec::{From, Node, Value};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A spec key that moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    pub change: FieldChange,
    /// As origins name it: nodes without their names, `spec.nodes[].labels`.
    pub key: String,
    /// The nodes that it is about; empty for all.
    pub nodes: Vec<String>,
}

/// Spec keys with other values, those of many nodes joined.
pub fn spec(before: &Facts, after: &Facts) -> Vec<Moved> {
    let plain =
        |change: FieldChange| Moved { key: change.path.clone(), nodes: of_role(&change.path, before, after), change };
    let mut moved: Vec<Moved> = document::compare_leaves(&json!({"spec": before.spec}), &json!({"spec": after.spec}))
        .into_iter()
        .map(plain)
        .collect();
    let (old, new) = (by_name(before), by_name(after));
    let mut alike: BTreeMap<FieldChange, Vec<String>> = BTreeMap::new();
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for name in names {
        for change in node(old.get(name).copied(), new.get(name).copied()) {
            alike.entry(change).or_default().push(name.to_owned());
        }
    }
    for (change, nodes) in alike {
        let path = format!("spec.nodes[{}]{}", ranges(&nodes), change.path);
        let key = format!("spec.nodes[]{}", change.path);
        moved.push(Moved { change: FieldChange { path, ..change }, key, nodes });
    }
    moved
}

/// Keys in which the specs of `names` differ from another node's; names and addresses always do.
pub fn between_nodes(other: &Node, node: &Node, names: &[String]) -> Vec<Moved> {
    let own = |path: &str| [".name", ".addresses", ".podCIDR"].iter().any(|key| path.starts_with(key));
    let changes = self::node(Some(other), Some(node)).into_iter().filter(|change| !own(&change.path));
    let moved = |change: FieldChange| {
        let path = format!("spec.nodes[{}]{}", ranges(names), change.path);
        let key = format!("spec.nodes[]{}", change.path);
        Moved { change: FieldChange { path, ..change }, key, nodes: names.to_vec() }
    };
    changes.map(moved).collect()
}

/// The nodes that a key of `spec.roles` is about; none for other keys, which are about all.
fn of_role(path: &str, before: &Facts, after: &Facts) -> Vec<String> {
    let Some(rest) = path.strip_prefix("spec.roles.") else { return Vec::new() };
    let role = rest.split('.').next().unwrap_or(rest);
    let nodes = before.nodes.iter().chain(&after.nodes);
    let has = nodes.filter(|node| node.roles.iter().any(|known| known.name() == role));
    has.map(|node| node.name().to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn by_name(facts: &Facts) -> BTreeMap<&str, &Node> {
    facts.nodes.iter().map(|node| (node.name(), &node.spec)).collect()
}

fn node(before: Option<&Node>, after: Option<&Node>) -> Vec<FieldChange> {
    let roles = |node: &Node| node.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
    match (before, after) {
        (Some(old), Some(new)) if old == new => Vec::new(),
        (Some(old), Some(new)) => {
            let mut changes = document::compare_leaves(&pruned(old), &pruned(new));
            changes.iter_mut().for_each(|change| {
                let dot = if change.path.starts_with('[') { "" } else { "." };
                change.path = format!("{dot}{}", change.path);
            });
            changes
        }
        (Some(old), None) => vec![FieldChange::removed("", roles(old))],
        (None, Some(new)) => vec![FieldChange::added("", roles(new))],
        (None, None) => Vec::new(),
    }
}

/// Absent and empty values are the same in a spec.
pub fn pruned(node: &Node) -> Value {
    let mut value = serde_json::to_value(node).unwrap_or_default();
    prune(&mut value);
    value
}

/// Everything else: kubi itself, the base image, components, artifacts, recipes, sealed files.
pub fn others(before: &Facts, after: &Facts) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let some = |text: &str| Some(text.to_owned());
    changes.extend(FieldChange::between("kubi", some(&before.kubi), some(&after.kubi)));
    let base = |facts: &Facts| facts.base.as_ref().map(|base| format!("{} {}", base.name, short(base.digest.as_str())));
    changes.extend(FieldChange::between("base image", base(before), base(after)));
    changes.extend(versions("component", &components(before), &components(after)));
    changes.extend(versions("artifact", &artifacts(before), &artifacts(after)));
    let recipes = |facts: &Facts| -> BTreeMap<String, String> {
        facts.recipes.iter().map(|(id, digest)| (id.clone(), short(digest.as_str()))).collect()
    };
    changes.extend(maps("recipe", &recipes(before), &recipes(after)));
    let mut sealed = maps("sealed file", &sealed(before), &sealed(after));
    // Sealing the same secret again gives other bytes: what is in the file may be the same.
    sealed.iter_mut().for_each(|change| (change.before, change.after) = (None, None));
    changes.extend(sealed);
    changes
}

fn sealed(facts: &Facts) -> BTreeMap<String, String> {
    let root = facts.sealed_root.iter().map(|digest| (ROOT_FILE.to_owned(), digest.to_string()));
    root.chain(facts.sealed.iter().map(|(file, digest)| (file.clone(), digest.to_string()))).collect()
}

/// Versions of one name that are in use, with their digests, and what is known of their sizes.
type Versions = BTreeMap<String, BTreeMap<String, Option<u64>>>;

/// Sizes are shown with what changed and change nothing themselves: not every build knows them.
fn versions(what: &str, before: &Versions, after: &Versions) -> Vec<FieldChange> {
    let joined = |all: &BTreeMap<String, Option<u64>>, size: fn(u64) -> String| {
        let one = |(version, bytes): (&String, &Option<u64>)| version.clone() + &bytes.map(size).unwrap_or_default();
        all.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let sized = |bytes: u64| format!(" {:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (before.get(name), after.get(name));
        let plain = |all: Option<&BTreeMap<String, Option<u64>>>| all.map(|all| joined(all, |_| String::new()));
        let change = FieldChange::between(&format!("{what} {name}"), plain(old), plain(new))?;
        let shown = |all: Option<&BTreeMap<String, Option<u64>>>| all.map(|all| joined(all, sized));
        Some(FieldChange { before: shown(old), after: shown(new), ..change })
    };
    names.into_iter().filter_map(change).collect()
}

fn maps(what: &str, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<FieldChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        FieldChange::between(&format!("{what} {name}"), before.get(name).cloned(), after.get(name).cloned())
    };
    names.into_iter().filter_map(change).collect()
}

/// Version and source of each component; of all classes where they differ.
fn components(facts: &Facts) -> Versions {
    let mut found = Versions::new();
    for class in &facts.classes {
        for (name, component) in &class.components {
            let artifact = class.artifacts.iter().find(|artifact| artifact.name == *name);
            let digest = artifact.and_then(|artifact| artifact.digest.as_ref());
            let (from, size) = match (component.from, digest) {
                (From::Artifact, Some(digest)) => {
                    (format!("artifact {}", short(digest.as_str())), artifact.and_then(|artifact| artifact.size))
                }
                (From::Artifact, None) => ("artifact".to_owned(), None),
                (From::Package, _) => ("package".to_owned(), None),
            };
            found.entry(name.clone()).or_default().insert(format!("{} ({from})", component.version), size);
        }
    }
    found
}

/// Artifacts that are not named like the component that they belong to.
fn artifacts(facts: &Facts) -> Versions {
    let mut found = Versions::new();
    for class in &facts.classes {
        for artifact in class.artifacts.iter().filter(|artifact| !class.components.contains_key(&artifact.name)) {
            let digest = artifact.digest.map(|digest| format!(" {}", short(digest.as_str()))).unwrap_or_default();
            let name = format!("{} {}", artifact.name, artifact.platform.name());
            found.entry(name).or_default().insert(format!("{}{digest}", artifact.version), artifact.size);
        }
    }
    found
}

/// The beginning of a digest, enough to tell two apart.
pub fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}
