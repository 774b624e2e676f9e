//! `render(NodePlan, secrets) -> Tree`: every file of a node, each with its origin.
//!
//! Reads nothing but its arguments. Private keys stay in [`Keys`]; the tree carries their commitments.

mod certificates;
mod files;
mod kubeconfig;
pub mod lines;
mod node;
mod operator;
mod origin;
mod system;

pub use operator::OperatorFile;

use crate::pki::{Authority, Keys, Pki, PkiError};
use crate::plan::{NodePlan, Plan};
use crate::template::{MarkerError, TemplateError, Templates};
use crate::tree::{NodePath, PathError, Tree, TreeError};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A recipe that could not be rendered for a node.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error("recipe {recipe}, {source_file}: {reason}")]
    Text { recipe: String, source_file: String, reason: MarkerError },
    #[error("recipe {recipe}, {place}: {reason}")]
    Recipe { recipe: String, place: String, reason: String },
}

impl RenderError {
    fn recipe(recipe: &str, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Recipe { recipe: recipe.to_owned(), place: place.into(), reason: reason.into() }
    }
}

/// Renders any number of nodes of one plan, from many threads.
pub struct Renderer<'a> {
    plan: &'a Plan<'a>,
    keys: &'a Keys,
    pki: Pki<'a>,
    templates: Templates,
}

impl<'a> Renderer<'a> {
    /// Declares the recipes' authorities, each once, and signs them.
    pub fn new(plan: &'a Plan<'a>, keys: &'a Keys) -> Result<Self, RenderError> {
        let templates = plan.templates.clone();
        let authorities = authorities(plan, &templates)?;
        let pki = Pki::new(keys, &plan.cluster.spec.pki, &authorities)?;
        let signed = |authority: &Authority| Ok((authority.name.clone(), pki.authority_pem(&authority.name)?));
        let pem_by_name = authorities.par_iter().map(signed).collect::<Result<BTreeMap<_, _>, RenderError>>()?;
        Ok(Self { plan, keys, pki, templates: templates.with_authorities(pem_by_name) })
    }

    /// The node's whole tree.
    pub fn node(&self, plan: &NodePlan) -> Result<Tree, RenderError> {
        node::Rendering::new(self, plan).render()
    }
}

/// What the recipes of all nodes declare; the same name must mean the same authority.
fn authorities(plan: &Plan<'_>, templates: &Templates) -> Result<Vec<Authority>, RenderError> {
    let context = plan.shared.cluster_context();
    let mut found: BTreeMap<&str, (&str, Authority)> = BTreeMap::new();
    for class in plan.classes() {
        for recipe in &class.recipes {
            for (name, declared) in &recipe.manifest.authorities {
                if !templates.holds(&recipe.id, declared.when.as_deref(), &context)? {
                    continue;
                }
                let common_name = templates.text(&recipe.id, &declared.common_name, &context)?.into_owned();
                let authority = Authority { name: name.clone(), common_name, parent: declared.parent.clone() };
                match found.get(name.as_str()) {
                    Some((_, other)) if *other == authority => {}
                    Some((other, _)) => {
                        let reason = format!("recipe {other} declares the same authority differently");
                        return Err(RenderError::recipe(&recipe.id, format!("authorities.{name}"), reason));
                    }
                    None => drop(found.insert(name, (&recipe.id, authority))),
                }
            }
        }
    }
    Ok(found.into_values().map(|(_, authority)| authority).collect())
}

/// A path that a recipe's author wrote in `recipe.yaml` and `serde` has checked, or one built from such a path.
fn path(text: String) -> Result<NodePath, RenderError> {
    Ok(NodePath::new(text)?)
}
