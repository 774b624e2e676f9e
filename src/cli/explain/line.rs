//! `kubi explain NODE:PATH:LINE`: the line itself, the template's line behind it, and the keys in that.

use super::values::{Spec, built_in_recipes};
use crate::recipe::Recipe;
use crate::render::lines::{keys, made_by};
use crate::store::ReviewEntry;
use serde::Serialize;
use std::sync::Arc;

/// One line of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub number: usize,
    pub text: String,
    /// Of the template; absent where the file was not made by one, or has changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Source>,
    /// Spec keys that it reads.
    pub keys: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Source {
    pub file: String,
    pub line: usize,
    pub text: String,
    /// Conditions and loops around it.
    pub within: Vec<String>,
}

/// Line `number` of `text`, which is `entry`'s; `None` where the file has fewer lines.
pub fn explain(text: &str, number: usize, entry: &ReviewEntry<'_>, spec: Option<&Spec>) -> Option<Line> {
    let line = text.lines().nth(number.checked_sub(1)?)?.to_owned();
    let mut explained = Line { number, text: line, template: None, keys: Vec::new() };
    let built_in = if spec.is_none() { built_in_recipes() } else { None };
    let recipes = spec.map(Spec::recipes).or(built_in.as_ref());
    let recipe: Option<&Arc<Recipe>> = recipes.and_then(|recipes| recipes.get(&entry.origin.recipe));
    let source =
        recipe.and_then(|recipe| Some((recipe, recipe.files.iter().find(|file| file.name == entry.origin.source)?)));
    let Some((recipe, source)) = source else { return Some(explained) };
    let template = String::from_utf8_lossy(&source.bytes);
    let made = if source.is_template { made_by(&template, text, number) } else { None };
    let file = format!("recipes/{}/{}", recipe.id, source.name);
    match made {
        Some(made) => {
            explained.keys = keys(recipe, &made);
            let within = made.within.iter().map(|(line, text)| format!("{line}: {text}")).collect();
            explained.template = Some(Source { file, line: made.number, text: made.text, within });
        }
        // Copied as it is.
        None if !source.is_template => {
            explained.template = Some(Source { file, line: number, text: explained.text.clone(), within: Vec::new() });
        }
        None => {}
    }
    Some(explained)
}
