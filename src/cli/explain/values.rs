//! What spec keys are worth on one node, and where that was written: in the spec, or nowhere because it is a default.

use crate::build::Prepared;
use crate::edge::inputs::Inputs;
use crate::plan::{NodePlan, Pins, Plan};
use crate::recipe::{Recipes, built_in, load};
use crate::spec::{SpecPath, Value, locate};
use serde::Serialize;
use std::path::Path;

/// A key that a file or a line reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyValue {
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `cluster.yaml:12`, or `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// The spec as it is now, as far as it can be used.
pub struct Spec {
    inputs: Inputs,
    prepared: Prepared,
    /// The text as values, without defaults.
    written: Value,
}

impl Spec {
    /// `None` where there is no spec, or one with errors: then there is less to say.
    pub fn open(file: &Path) -> Option<Self> {
        let inputs = Inputs::read(file).ok()?;
        let prepared = Prepared::new(&inputs).ok()?;
        let written = serde_saphyr::from_str(&inputs.text).ok()?;
        Some(Self { inputs, prepared, written })
    }

    pub fn recipes(&self) -> &Recipes {
        &self.prepared.recipes
    }

    /// The values of `keys` on a node; none where the spec has no such node.
    pub fn values(&self, node: &str, keys: &[String]) -> Vec<KeyValue> {
        let plan = self.prepared.plan(Pins::Open).ok();
        let place =
            plan.as_ref().and_then(|plan| plan.nodes.iter().find(|plan| plan.name == node).map(|node| (plan, node)));
        keys.iter().map(|key| self.value(key, place)).collect()
    }

    fn value(&self, key: &str, place: Option<(&Plan<'_>, &NodePlan)>) -> KeyValue {
        let value = place.and_then(|(plan, node)| value(key, plan, node));
        let written = place.and_then(|(_, node)| self.written(key, node));
        let from = written.or_else(|| value.as_ref().map(|_| "default".to_owned()));
        KeyValue { key: key.to_owned(), value: value.map(|value| shown(&value)), from }
    }

    /// The place in the spec that decides, the strongest layer first.
    fn written(&self, key: &str, node: &NodePlan) -> Option<String> {
        let path = layers(key, node).into_iter().find(|path| self.has(path))?;
        let start = locate(&self.inputs.text, &path).start;
        let line = self.inputs.text[..start].matches('\n').count() + 1;
        Some(format!("{}:{line}", self.inputs.file.display()))
    }

    fn has(&self, path: &SpecPath) -> bool {
        let step = |value: &'_ Value, step: &crate::spec::Step| match step {
            crate::spec::Step::Key(key) => value.get(key).cloned(),
            crate::spec::Step::Index(index) => value.get(index).cloned(),
        };
        path.steps()
            .iter()
            .try_fold(self.written.clone(), |value, at| step(&value, at))
            .is_some_and(|value| !value.is_null())
    }
}

/// The built-in recipes, where there is no spec whose folder might have others.
pub fn built_in_recipes() -> Option<Recipes> {
    load(built_in(), Default::default()).ok()
}

/// Where a key may be written for a node: in the node, its roles, the cluster.
fn layers(key: &str, node: &NodePlan) -> Vec<SpecPath> {
    let own = SpecPath::node(node.index);
    if let Some(rest) = key.strip_prefix("spec.nodes[].") {
        return vec![below(&own, rest)];
    }
    let rest = key.strip_prefix("spec.").unwrap_or_default();
    let layered = ["recipes.", "params.", "components.", "machine."].iter().any(|layer| rest.starts_with(layer));
    if !layered {
        return vec![SpecPath::of(key)];
    }
    let roles = node.roles.iter().rev().map(|role| below(&SpecPath::of("spec.roles").key(role.name()), rest));
    [below(&own, rest)].into_iter().chain(roles).chain([SpecPath::of(key)]).collect()
}

fn below(path: &SpecPath, keys: &str) -> SpecPath {
    SpecPath::of(keys).steps().iter().fold(path.clone(), |path, step| path.join(step.clone()))
}

/// The value that holds on the node, with defaults.
fn value(key: &str, plan: &Plan<'_>, node: &NodePlan) -> Option<Value> {
    let parts: Vec<&str> = key.split('.').collect();
    let class = &node.class;
    match parts.as_slice() {
        ["spec", "params", rest @ ..] => {
            let rest = rest.join(".");
            let (recipe, name) = rest.rsplit_once('.')?;
            class.params.get(recipe)?.get(name).cloned()
        }
        ["spec", "components", name] => {
            let component = class.components.get(*name)?;
            Some(Value::String(format!("{} from {:?}", component.version, component.from).to_lowercase()))
        }
        ["spec", "recipes", slot] => serde_json::to_value(class.chosen.get(*slot)?).ok(),
        ["spec", "nodes[]", rest @ ..] => {
            let own = serde_json::to_value(plan.cluster.spec.nodes.get(node.index)?).ok()?;
            rest.iter().try_fold(own, |value, key| value.get(key).cloned())
        }
        _ => {
            let whole = serde_json::to_value(plan.cluster).ok()?;
            parts.iter().try_fold(whole, |value, key| value.get(key).cloned())
        }
    }
    // Whole sections, and lists of them, say nothing in one line.
    .filter(|value| !value.is_object() && !value.is_null())
    .filter(|value| !value.as_array().is_some_and(|items| items.iter().any(Value::is_object)))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
