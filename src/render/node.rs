//! One node: its recipes in order, then what all recipes together make.

use super::{RenderError, Renderer, origin};
use crate::plan::NodePlan;
use crate::recipe::Recipe;
use crate::tree::{Contents, Entry, Kind, Mode, NodePath, Origin, Owner, Tree};
use tera::Context;

/// A node while it is rendered.
pub(super) struct Rendering<'r, 'a> {
    pub renderer: &'r Renderer<'a>,
    pub plan: &'r NodePlan,
    pub tree: Tree,
    node: tera::Value,
}

/// A recipe on that node.
#[derive(Clone, Copy)]
pub(super) struct Step<'s> {
    pub recipe: &'s Recipe,
    pub context: &'s Context,
}

impl<'r, 'a> Rendering<'r, 'a> {
    pub fn new(renderer: &'r Renderer<'a>, plan: &'r NodePlan) -> Self {
        Self { renderer, plan, tree: Tree::default(), node: plan.value(renderer.plan.cluster) }
    }

    pub fn render(mut self) -> Result<Tree, RenderError> {
        for recipe in &self.plan.class.recipes {
            let context = self.context(&recipe.id);
            let step = Step { recipe, context: &context };
            self.directories(step)?;
            self.files(step)?;
            self.links(step)?;
            self.trust(step)?;
            self.certificates(step)?;
            self.authority_keys(step)?;
            self.key_pairs(step)?;
            self.kubeconfigs(step)?;
        }
        for brought in self.plan.brought(self.renderer.plan) {
            let context = brought.class.context(&brought.recipe.id, &self.node);
            self.files_for_cluster(Step { recipe: &brought.recipe, context: &context })?;
        }
        self.system()?;
        self.tree.check_parents()?;
        Ok(self.tree)
    }

    pub fn context(&self, recipe: &str) -> Context {
        self.plan.class.context(recipe, &self.node)
    }

    pub fn holds(&self, step: Step<'_>, when: Option<&str>) -> Result<bool, RenderError> {
        Ok(self.renderer.templates.holds(&step.recipe.id, when, step.context)?)
    }

    pub fn text(&self, step: Step<'_>, text: &str) -> Result<String, RenderError> {
        Ok(self.renderer.templates.text(&step.recipe.id, text, step.context)?.into_owned())
    }

    /// Every word that a list of templated strings renders to, each once, in order of appearance.
    pub fn words(&self, step: Step<'_>, texts: &[String]) -> Result<Vec<String>, RenderError> {
        let mut words: Vec<String> = Vec::new();
        for text in texts {
            for word in self.text(step, text)?.split_whitespace() {
                if !words.iter().any(|known| known == word) {
                    words.push(word.to_owned());
                }
            }
        }
        Ok(words)
    }

    /// `root`, a user that some recipe of this node declares, or `uid:gid`.
    pub fn owner(&self, step: Step<'_>, name: Option<&str>) -> Result<Owner, RenderError> {
        let name = name.unwrap_or("root");
        let numeric = || {
            let (uid, gid) = name.split_once(':')?;
            Some(Owner { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
        };
        match self.plan.class.users.get(name) {
            Some(id) => Ok(Owner { uid: *id, gid: *id }),
            None if name == "root" => Ok(Owner::ROOT),
            None => numeric().ok_or_else(|| {
                let reason = format!("no recipe of this node declares the user {name:?} under `users`");
                RenderError::recipe(&step.recipe.id, "owner", reason)
            }),
        }
    }

    pub fn origin(&self, step: Step<'_>, key: &str) -> Origin {
        let spec = origin::of_manifest_key(step.recipe, key);
        Origin { recipe: step.recipe.id.clone(), source: format!("recipe.yaml#{key}"), spec }
    }

    pub fn put(
        &mut self,
        path: NodePath,
        kind: Kind,
        mode: Mode,
        owner: Owner,
        origin: Origin,
    ) -> Result<(), RenderError> {
        Ok(self.tree.insert(path, Entry { kind, mode, owner, origin })?)
    }

    pub fn put_public(
        &mut self,
        path: &NodePath,
        text: impl Into<Vec<u8>>,
        owner: Owner,
        origin: Origin,
    ) -> Result<(), RenderError> {
        self.put(path.clone(), Kind::File(Contents::public(text)), Mode::FILE, owner, origin)
    }

    /// A file that holds a secret: 0600, always.
    pub fn put_secret(
        &mut self,
        path: &NodePath,
        contents: Contents,
        owner: Owner,
        origin: Origin,
    ) -> Result<(), RenderError> {
        self.put(path.clone(), Kind::File(contents), Mode::SECRET, owner, origin)
    }
}
