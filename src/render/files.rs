//! `directories`, `files*/` and `links` of a recipe.

use super::RenderError;
use super::node::{Rendering, Step};
use super::origin;
use crate::recipe::{Attributes, Place, RecipeSource};
use crate::spec::Role;
use crate::template::contents;
use crate::tree::{Contents, Kind, Mode, Origin, SecretRef};

impl Rendering<'_, '_> {
    pub(super) fn directories(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        for (path, attributes) in &step.recipe.manifest.directories {
            if self.holds(step, attributes.when.as_deref())? {
                let owner = self.owner(step, attributes.owner.as_deref())?;
                let origin = self.origin(step, &format!("directories.{path}"));
                self.put(path.clone(), Kind::Directory, attributes.mode.unwrap_or(Mode::DIRECTORY), owner, origin)?;
            }
        }
        Ok(())
    }

    pub(super) fn files(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        let roles = &self.plan.roles;
        let wanted = |source: &&RecipeSource| match source.place {
            Place::All => true,
            Place::Role(role) => roles.contains(&role),
            Place::Cluster => roles.contains(&Role::Controller),
        };
        step.recipe.files.iter().filter(wanted).try_for_each(|source| self.file(step, source))
    }

    /// Of a recipe that other nodes have, to a controller.
    pub(super) fn files_for_cluster(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        let mut files = step.recipe.files.iter().filter(|source| source.place == Place::Cluster);
        files.try_for_each(|source| self.file(step, source))
    }

    fn file(&mut self, step: Step<'_>, source: &RecipeSource) -> Result<(), RenderError> {
        let none = Attributes::default();
        let attributes = step.recipe.manifest.files.get(&source.path).unwrap_or(&none);
        if !self.holds(step, attributes.when.as_deref())? {
            return Ok(());
        }
        let contents = self.contents(step, source)?;
        let default = match (contents.is_secret(), contents.bytes().starts_with(b"#!")) {
            (true, _) => Mode::SECRET,
            (false, true) => Mode::EXECUTABLE,
            (false, false) => Mode::FILE,
        };
        let mode = attributes.mode.unwrap_or(default);
        if contents.is_secret() && mode.bits() & 0o077 != 0 {
            let reason = format!("mode {mode} lets others than the owner read a secret: write \"0600\"");
            return Err(RenderError::recipe(&step.recipe.id, format!("files.{}", source.path), reason));
        }
        let owner = self.owner(step, attributes.owner.as_deref())?;
        let spec = origin::of_source(step.recipe, source);
        let origin = Origin { recipe: step.recipe.id.clone(), source: source.name.clone(), spec };
        self.put(source.path.clone(), Kind::File(contents), mode, owner, origin)
    }

    fn contents(&self, step: Step<'_>, source: &RecipeSource) -> Result<Contents, RenderError> {
        if !source.is_template {
            return Ok(Contents::public(source.bytes.clone()));
        }
        let text = self.renderer.templates.file(&step.recipe.id, &source.name, step.context)?;
        let keys = self.renderer.keys;
        let resolve = |call: &crate::template::SecretCall| -> Result<SecretRef, String> {
            match call.name.strip_prefix("sealed/") {
                Some(file) => keys.sealed(file).map_err(|error| error.to_string()),
                None => Ok(keys.symmetric(&call.name, keys.generation_of(&call.name))),
            }
        };
        contents(&text, resolve).map_err(|reason| RenderError::Text {
            recipe: step.recipe.id.clone(),
            source_file: source.name.clone(),
            reason,
        })
    }

    pub(super) fn links(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        for (path, link) in &step.recipe.manifest.links {
            if self.holds(step, link.when())? {
                let target = self.text(step, link.target())?;
                if target.is_empty() || target.contains(char::is_control) {
                    return Err(RenderError::recipe(
                        &step.recipe.id,
                        format!("links.{path}"),
                        "the target is empty or has a control character",
                    ));
                }
                let origin = self.origin(step, &format!("links.{path}"));
                self.put(path.clone(), Kind::Symlink(target), Mode::SYMLINK, crate::tree::Owner::ROOT, origin)?;
            }
        }
        Ok(())
    }
}
