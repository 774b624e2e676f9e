//! Recipes: what kubi knows about each component, as data. `load(files) -> Recipes`; see recipes/README.md for the format.
//!
//! Comes in: the files of the built-in folder and of the cluster's own one. Goes out: checked, typed recipes. Nothing
//! here renders a template or reads a file system.

mod conditional;
mod defaults;
mod format;
mod load;
mod model;
mod param;
mod versions;

pub use conditional::{Conditional, Setting, Target};
pub use defaults::{DefaultRule, Defaults};
pub use format::Format;
pub use load::{Files, RecipeError, built_in, load};
pub use model::*;
pub use param::{Param, ParamType, Refusal};
pub use versions::{Versions, numbers as version_numbers};

use crate::spec::Role;
use crate::tree::{Digest, NodePath};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All recipes that a cluster may choose from.
#[derive(Debug)]
pub struct Recipes {
    /// By `slot/choice`.
    pub by_id: BTreeMap<String, Arc<Recipe>>,
    pub versions: Versions,
    pub defaults: Defaults,
    /// Covers every byte of every recipe.
    pub digest: Digest,
}

/// One folder: `recipes/<slot>/<choice>/`.
#[derive(Debug)]
pub struct Recipe {
    /// `slot/choice`.
    pub id: String,
    pub manifest: Manifest,
    pub files: Vec<RecipeSource>,
    /// Covers every byte of the folder.
    pub digest: Digest,
    /// Whether the cluster's own folder supplied it, in place of or beside the built-in ones.
    pub own: bool,
}

/// Which nodes get a file of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Those that have the recipe: `files/`.
    All,
    /// Those of them with this effective role: `files.<role>/`.
    Role(Role),
    /// Every controller, when any node of the cluster has the recipe: `files.cluster/`.
    Cluster,
}

/// A file below `files/`, `files.<role>/` or `files.cluster/`.
#[derive(Debug)]
pub struct RecipeSource {
    pub place: Place,
    pub path: NodePath,
    pub is_template: bool,
    pub bytes: Vec<u8>,
    /// Relative to the recipe's folder: `files.controller/etc/hosts.tera`.
    pub name: String,
}

impl Recipe {
    pub fn slot(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }

    pub fn has_files_for_cluster(&self) -> bool {
        self.files.iter().any(|file| file.place == Place::Cluster)
    }
}

impl Recipes {
    pub fn get(&self, id: &str) -> Option<&Arc<Recipe>> {
        self.by_id.get(id)
    }

    /// The choices that a slot has.
    pub fn choices(&self, slot: &str) -> Vec<&str> {
        let in_slot = self.by_id.keys().filter_map(|id| id.split_once('/'));
        in_slot.filter(|(name, _)| *name == slot).map(|(_, choice)| choice).collect()
    }

    pub fn slots(&self) -> Vec<&str> {
        let mut slots: Vec<&str> = self.by_id.values().map(|recipe| recipe.slot()).collect();
        slots.dedup();
        slots
    }
}
