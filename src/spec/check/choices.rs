//! Choices of recipes, as they are written: which recipes there are is looked at when a cluster is planned.

use super::{Cluster, Problems, SpecPath};
use crate::spec::model::{Chosen, Recipes};

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    let spec = &cluster.spec;
    chosen(&spec.recipes, &SpecPath::of("spec"), problems);
    for (role, layer) in &spec.roles {
        chosen(&layer.recipes, &SpecPath::of("spec.roles").key(role.name()), problems);
    }
    for (index, node) in spec.nodes.iter().enumerate() {
        if !node.recipes.is_empty() {
            chosen(&node.recipes, &SpecPath::node(index), problems);
        }
    }
}

fn chosen(recipes: &Recipes, layer: &SpecPath, problems: &mut Problems) {
    for (slot, chosen) in recipes {
        let Chosen::Many(choices) = chosen else { continue };
        let at = &layer.key("recipes").key(slot.as_str());
        let all = choices.iter().enumerate().map(|(index, choice)| (choice, move || at.index(index)));
        problems.duplicates("duplicate-choice", all, |choice, _| format!("{choice} is already there"), "keep one");
    }
}
