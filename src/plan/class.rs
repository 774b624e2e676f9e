//! What nodes that choose alike have in common: recipes, parameters, components and facts.

use super::components::ResolvedComponent;
use super::context::Shared;
use super::layers::{self, Layer, Size};
use crate::artifact::{Lock, Needed};
use crate::recipe::{Recipe, Recipes};
use crate::spec::{Architecture, Cluster, Node, Problem, Role, SpecPath, Value, nearest};
use crate::template::{Templates, value};
use crate::tree::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tera::Context;

/// Nodes with equal keys get equal classes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    roles: Vec<Role>,
    architecture: Architecture,
    /// The node's own choices, as JSON.
    own: String,
}

impl Key {
    pub fn new(node: &Node, roles: &[Role]) -> Self {
        let own = if node.recipes.is_empty()
            && node.params.is_empty()
            && node.components.is_empty()
            && node.machine == Default::default()
        {
            String::new()
        } else {
            serde_json::json!([node.recipes, node.params, node.components, node.machine]).to_string()
        };
        Self { roles: roles.to_vec(), architecture: node.architecture, own }
    }
}

/// Recipes and their resolved inputs.
#[derive(Debug)]
pub struct Class {
    pub recipes: Vec<Arc<Recipe>>,
    /// Every parameter of every recipe, with defaults filled in.
    pub params: BTreeMap<String, BTreeMap<String, Value>>,
    pub components: BTreeMap<String, ResolvedComponent>,
    pub facts: BTreeMap<String, Value>,
    /// Chosen recipes by slot.
    pub chosen: BTreeMap<String, Vec<String>>,
    pub users: BTreeMap<String, u32>,
    /// Debian packages that the base image must have.
    pub packages: BTreeSet<String>,
    pub size: Size,
    /// Names recipes, parameters and components; what nodes of the class have in common of their plans.
    pub digest: Digest,
    pub architecture: Architecture,
    /// Some recipe reads the list of all nodes.
    pub uses_nodes: bool,
    /// Template context of a recipe, without the node.
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// Resolves classes; with `require_lock`, everything must be pinned.
pub(super) struct Resolver<'a> {
    pub cluster: &'a Cluster,
    pub recipes: &'a Recipes,
    pub templates: &'a Templates,
    pub lock: &'a Lock,
    pub shared: &'a Shared,
    pub require_lock: bool,
}

impl Resolver<'_> {
    /// `None` when problems were found.
    pub fn resolve(&self, index: usize, node: &Node, roles: &[Role], problems: &mut Vec<Problem>) -> Option<Class> {
        let before = problems.iter().filter(|p| p.is_error()).count();
        let layers = layers::layers(self.cluster, index, node, roles);
        let recipes = self.choose(&layers, roles, problems);
        let chosen = by_slot(&recipes);
        // A recipe that could not be found would be missed here again.
        if problems.iter().filter(|p| p.is_error()).count() == before {
            super::rules::needs(index, &recipes, self.recipes, problems);
        }
        let params = self.params(&recipes, &layers, problems);
        let mut class = Class {
            params,
            components: BTreeMap::new(),
            facts: BTreeMap::new(),
            chosen,
            users: users(&recipes, problems),
            packages: BTreeSet::new(),
            size: layers::size(&layers),
            digest: Digest::of(b""),
            architecture: node.architecture,
            uses_nodes: false,
            contexts: BTreeMap::new(),
            recipes,
        };
        self.components(&mut class, &layers, problems);
        if problems.iter().filter(|p| p.is_error()).count() > before {
            return None;
        }
        if let Err(error) = self.finish(&mut class) {
            problems.push(Problem::error("recipe", SpecPath::node(index), error));
            return None;
        }
        if let Err(error) = super::rules::checks(self.templates, &class, &layers, problems) {
            problems.push(Problem::error("recipe", SpecPath::node(index), error.to_string()));
        }
        self.check_base(index, &class, problems);
        self.check_packages(index, &class, problems);
        let recipes: Vec<&str> = class.recipes.iter().map(|recipe| recipe.id.as_str()).collect();
        let plan = serde_json::json!([recipes, class.params, class.components]);
        class.digest = Digest::of(plan.to_string().as_bytes());
        Some(class)
    }

    /// Slots from `defaults.yaml`, then the layers.
    fn choose(&self, layers: &[Layer<'_>], roles: &[Role], problems: &mut Vec<Problem>) -> Vec<Arc<Recipe>> {
        let mut slots: BTreeMap<&str, (Vec<&str>, SpecPath)> = BTreeMap::new();
        let nowhere = SpecPath::of("spec.recipes");
        for (slot, choice) in &self.recipes.defaults.slots {
            slots.insert(slot, (vec![choice], nowhere.clone()));
        }
        let context = self.shared.cluster_context();
        for rule in &self.recipes.defaults.rules {
            match self.templates.rule_holds(&rule.when, &context) {
                Ok(true) => drop(slots.insert(&rule.slot, (vec![&rule.choice], nowhere.clone()))),
                Ok(false) => {}
                Err(error) => problems.push(Problem::error("recipe", nowhere.clone(), error.to_string())),
            }
        }
        for layer in layers {
            for (slot, chosen) in layer.recipes {
                slots.insert(slot, (layers::choices(chosen), layer.path.key("recipes").key(slot)));
            }
        }
        let mut recipes = Vec::new();
        for (slot, (choices, path)) in slots {
            for choice in choices {
                let id = format!("{slot}/{choice}");
                match self.recipes.get(&id) {
                    Some(recipe) if applies(recipe, roles) => recipes.push(Arc::clone(recipe)),
                    Some(_) => {}
                    None => problems.push(self.unknown_recipe(slot, choice, path.clone())),
                }
            }
        }
        recipes.sort_by(|a, b| a.id.cmp(&b.id));
        recipes
    }

    fn unknown_recipe(&self, slot: &str, choice: &str, path: SpecPath) -> Problem {
        let choices = self.recipes.choices(slot);
        if choices.is_empty() {
            let slots = self.recipes.slots();
            let guess = nearest(slot, slots.iter().copied()).map(|s| format!("did you mean {s}? ")).unwrap_or_default();
            let message = format!("there is no recipe slot {slot:?}");
            return Problem::error("unknown-slot", path, message)
                .at_key()
                .help(format!("{guess}slots: {}", slots.join(", ")));
        }
        let guess = nearest(choice, choices.iter().copied()).map(|c| format!("did you mean {c}? ")).unwrap_or_default();
        let message = format!("there is no recipe {slot}/{choice}");
        Problem::error("unknown-recipe", path, message)
            .help(format!("{guess}choices for {slot}: {}, none", choices.join(", ")))
    }

    fn params(
        &self,
        recipes: &[Arc<Recipe>],
        layers: &[Layer<'_>],
        problems: &mut Vec<Problem>,
    ) -> BTreeMap<String, BTreeMap<String, Value>> {
        let mut all = BTreeMap::new();
        for recipe in recipes {
            let declared = &recipe.manifest.params;
            let mut values: BTreeMap<String, Value> =
                declared.iter().map(|(name, param)| (name.clone(), param.default.clone())).collect();
            for layer in layers {
                for (name, given) in layer.params.get(&recipe.id).into_iter().flatten() {
                    let path = layer.path.key("params").key(&recipe.id).key(name);
                    match super::check::param(recipe, name, given, path) {
                        None => override_value(values.entry(name.clone()).or_default(), given),
                        Some(problem) => problems.push(problem),
                    }
                }
            }
            all.insert(recipe.id.clone(), values);
        }
        all
    }

    fn components(&self, class: &mut Class, layers: &[Layer<'_>], problems: &mut Vec<Problem>) {
        for recipe in class.recipes.clone() {
            for (name, declaration) in &recipe.manifest.components {
                let context = self.shared.recipe_context(self.cluster, class, &recipe.id);
                match self.templates.holds(&recipe.id, declaration.when.as_deref(), &context) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(error) => {
                        problems.push(Problem::error("recipe", SpecPath::of("spec.recipes"), error.to_string()));
                        continue;
                    }
                }
                match self.component(&recipe, name, declaration, layers, class.architecture) {
                    Ok(resolved) => drop(class.components.insert(name.clone(), resolved)),
                    Err(found) => problems.extend(found),
                }
            }
        }
        super::check::skew(self.cluster, class, problems);
    }

    /// Facts, packages and contexts: everything that needs templates, but no node.
    fn finish(&self, class: &mut Class) -> Result<(), String> {
        let recipes = class.recipes.clone();
        let text = |e: crate::template::TemplateError| e.to_string();
        for recipe in &recipes {
            let context = self.shared.recipe_context(self.cluster, class, &recipe.id);
            for (name, fact) in &recipe.manifest.provides {
                let fact = self.fact(&recipe.id, fact, &context).map_err(text)?;
                merge_fact(class, &recipe.id, name, fact)?;
            }
        }
        for recipe in &recipes {
            let context = self.shared.recipe_context(self.cluster, class, &recipe.id);
            for package in &recipe.manifest.packages {
                if self.templates.holds(&recipe.id, package.when(), &context).map_err(text)? {
                    class.packages.insert(package.name().to_owned());
                }
            }
            for used in &recipe.manifest.uses {
                let holds = self.templates.holds(&recipe.id, used.when(), &context).map_err(text)?;
                class.uses_nodes |= holds && used.name() == "nodes";
            }
            // Again: it may see the nodes now.
            let context = self.shared.recipe_context(self.cluster, class, &recipe.id);
            class.contexts.insert(recipe.id.clone(), context);
        }
        let packages: Vec<String> = class.components.values().flat_map(|c| c.packages.clone()).collect();
        class.packages.extend(packages);
        Ok(())
    }

    fn fact(&self, recipe: &str, fact: &Value, context: &Context) -> Result<Value, crate::template::TemplateError> {
        Ok(match fact {
            Value::String(text) => Value::String(self.templates.text(recipe, text, context)?.into_owned()),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fact(recipe, item, context)).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let pairs = map.iter().map(|(key, item)| Ok((key.clone(), self.fact(recipe, item, context)?)));
                Value::Object(pairs.collect::<Result<_, _>>()?)
            }
            plain => plain.clone(),
        })
    }

    /// The pinned image must be the one that the spec names, for the processors that its nodes have.
    fn check_base(&self, index: usize, class: &Class, problems: &mut Vec<Problem>) {
        let Some(base) = self.lock.base.as_ref().filter(|_| self.require_lock) else { return };
        let wanted = &self.cluster.spec.base;
        if base.name != *wanted {
            let message = format!("kubi.lock pins the base image {:?}, the spec wants {wanted:?}", base.name);
            let help = format!(
                "write `base: {}`, or run `kubi base build` (or `kubi base add IMAGE --name {wanted}`)",
                base.name
            );
            problems.push(Problem::error("base-name", SpecPath::of("spec.base"), message).help(help));
        }
        if base.architecture != class.architecture {
            let (node, has) = (&self.cluster.spec.nodes[index].name, base.architecture.name());
            let message =
                format!("node {node} is {}, the base image {} is for {has}", class.architecture.name(), base.name);
            let help =
                format!("a cluster has one base image: write `architecture: {has}`, or pin an image for the other");
            let path = SpecPath::node(index).key("architecture");
            problems.push(Problem::error("base-architecture", path, message).help(help));
        }
    }

    fn check_packages(&self, index: usize, class: &Class, problems: &mut Vec<Problem>) {
        let Some(base) = self.lock.base.as_ref().filter(|_| self.require_lock) else { return };
        let missing: Vec<&str> =
            class.packages.iter().filter(|p| !base.packages.contains_key(*p)).map(String::as_str).collect();
        if !missing.is_empty() {
            let node = &self.cluster.spec.nodes[index].name;
            let message =
                format!("the base image {} lacks packages that {node} needs: {}", base.name, missing.join(", "));
            let help = "run `kubi base build` again for this spec, or add them to your own image";
            problems.push(Problem::error("package-missing", SpecPath::of("spec.base"), message).help(help));
        }
    }
}

/// A map changes the keys that it names, and removes those that it sets to null; anything else replaces.
fn override_value(value: &mut Value, given: &Value) {
    let (Value::Object(known), Value::Object(given)) = (&mut *value, given) else {
        *value = given.clone();
        return;
    };
    known.extend(given.clone());
    known.retain(|_, item| !item.is_null());
}

fn applies(recipe: &Recipe, roles: &[Role]) -> bool {
    recipe.manifest.roles.is_empty() || recipe.manifest.roles.iter().any(|role| roles.contains(role))
}

fn by_slot(recipes: &[Arc<Recipe>]) -> BTreeMap<String, Vec<String>> {
    let mut slots: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (slot, choice) in recipes.iter().filter_map(|recipe| recipe.id.split_once('/')) {
        slots.entry(slot.to_owned()).or_default().push(choice.to_owned());
    }
    slots
}

fn users(recipes: &[Arc<Recipe>], problems: &mut Vec<Problem>) -> BTreeMap<String, u32> {
    let mut users: BTreeMap<String, u32> = BTreeMap::new();
    for recipe in recipes {
        for (name, uid) in &recipe.manifest.users {
            let other = users.iter().find(|(n, u)| (*n == name) != (*u == uid)).map(|(n, u)| format!("{n} ({u})"));
            if let Some(other) = other {
                let message =
                    format!("recipe {} declares the user {name} ({uid}), which clashes with {other}", recipe.id);
                problems.push(Problem::error("recipe", SpecPath::of("spec.recipes"), message));
            }
            users.insert(name.clone(), *uid);
        }
    }
    users
}

/// Lists are joined; anything else may be said once. Empty text says nothing.
fn merge_fact(class: &mut Class, recipe: &str, name: &str, fact: Value) -> Result<(), String> {
    if fact.as_str() == Some("") {
        return Ok(());
    }
    match (class.facts.get_mut(name), fact) {
        (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
        (Some(known), fact) if *known == fact => {}
        (Some(known), fact) => {
            return Err(format!("recipe {recipe} provides {name} = {fact}, but another recipe provides {known}"));
        }
        (None, fact) => drop(class.facts.insert(name.to_owned(), fact)),
    }
    Ok(())
}

impl Class {
    /// Every artifact that nodes of this class need on their artifact disk, sorted.
    pub fn artifacts(&self) -> Vec<Needed> {
        let needed = self.components.values().filter_map(|component| {
            let name = component.artifact.clone()?;
            Some(Needed { name, version: component.version.clone(), platform: self.architecture })
        });
        let mut needed: Vec<Needed> = needed.collect();
        needed.sort();
        needed.dedup();
        needed
    }

    pub(super) fn context_values(&self) -> [(&'static str, tera::Value); 3] {
        [("components", value(&self.components)), ("facts", value(&self.facts)), ("chosen", value(&self.chosen))]
    }
}
