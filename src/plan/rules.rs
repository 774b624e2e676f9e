//! What recipes ask of each other and of the spec: `needs` and `checks` of their `recipe.yaml`. Reads, changes nothing.

use super::class::Class;
use super::layers::Layer;
use super::node::NodePlan;
use crate::recipe::{Place, Recipe, Recipes};
use crate::spec::{Problem, Role, SpecPath};
use crate::template::{TemplateError, Templates};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One problem for every need that the other recipes of the same node do not meet.
pub fn needs(index: usize, chosen: &[Arc<Recipe>], recipes: &Recipes, problems: &mut Vec<Problem>) {
    for recipe in chosen {
        for need in &recipe.manifest.needs {
            if chosen.iter().any(|other| other.id == *need || other.slot() == need) {
                continue;
            }
            let message = format!("recipe {} needs {need}, which this node does not have", recipe.id);
            let help = format!("{} under `recipes`, or leave {} out", remedy(recipe, need, recipes), recipe.id);
            problems.push(Problem::error("missing-need", SpecPath::node(index), message).help(help));
        }
    }
}

fn remedy(recipe: &Recipe, need: &str, recipes: &Recipes) -> String {
    let own = recipe.id.strip_prefix(recipe.slot()).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
    match need.split_once('/') {
        // A slot holds one value: another choice would replace this one.
        Some((slot, choice)) if slot == recipe.slot() => format!("write `{slot}: [{choice}, {own}]`"),
        Some((slot, choice)) => format!("write `{slot}: {choice}`"),
        None => match recipes.choices(need)[..] {
            [] => format!("write `{need}: CHOICE`, with a recipe of your own,"),
            [only] => format!("write `{need}: {only}`"),
            ref several => format!("write `{need}: CHOICE`, one of {},", several.join(", ")),
        },
    }
}

/// One problem for every check that does not hold, at the strongest layer that gives its parameter.
pub fn checks(
    templates: &Templates,
    class: &Class,
    layers: &[Layer<'_>],
    problems: &mut Vec<Problem>,
) -> Result<(), TemplateError> {
    for recipe in &class.recipes {
        let Some(context) = class.contexts.get(&recipe.id) else { continue };
        for check in &recipe.manifest.checks {
            if !templates.holds(&recipe.id, Some(&check.holds), context)? {
                let path = place(recipe, &check.at, layers);
                problems.push(Problem::error("recipe-check", path, check.message.clone()).help(check.help.clone()));
            }
        }
    }
    Ok(())
}

/// A recipe that brings controllers something, such as a manifest, does so only where a controller has it too.
pub fn missing_on_controllers(nodes: &[NodePlan], problems: &mut Vec<Problem>) {
    let recipes = |node: &NodePlan| node.class.recipes.clone();
    let is_controller = |node: &&NodePlan| node.roles.contains(&Role::Controller);
    let controllers: BTreeSet<String> =
        nodes.iter().filter(is_controller).flat_map(recipes).map(|recipe| recipe.id.clone()).collect();
    let mut others: BTreeMap<String, Arc<Recipe>> =
        nodes.iter().filter(|node| !is_controller(node)).flat_map(recipes).map(|r| (r.id.clone(), r)).collect();
    others.retain(|id, _| !controllers.contains(id));
    for (id, recipe) in others {
        if let Some(file) = recipe.files.iter().find(|file| file.place == Place::Role(Role::Controller)) {
            let message = format!("recipe {id} is on no controller, which would bring the cluster {}", file.path);
            let help = "choose it for controllers too, or put the file below files.cluster/";
            problems.push(Problem::warning("not-on-controllers", SpecPath::of("spec.roles"), message).help(help));
        }
    }
}

fn place(recipe: &Recipe, at: &str, layers: &[Layer<'_>]) -> SpecPath {
    if !recipe.manifest.params.contains_key(at) {
        return SpecPath::of(&format!("spec.{at}"));
    }
    let gives = |layer: &&Layer<'_>| layer.params.get(&recipe.id).is_some_and(|params| params.contains_key(at));
    let path = layers.iter().rev().find(gives).map_or_else(|| SpecPath::of("spec"), |layer| layer.path.clone());
    path.key("params").key(&recipe.id).key(at)
}
