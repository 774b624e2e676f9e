//! What all recipes of a node make together: users, sysctls, kernel modules, and the units that start.

use super::node::{Rendering, Step};
use super::{RenderError, path};
use crate::spec::Value;
use crate::tree::{NodePath, Origin, Owner};
use std::collections::BTreeMap;

const SYSUSERS: &str = "/etc/sysusers.d/kubi.conf";
const SYSCTLS: &str = "/etc/sysctl.d/90-kubi.conf";
const MODULES: &str = "/etc/modules-load.d/kubi.conf";
const UNITS: &str = "/etc/systemd/system";
const PACKAGED_UNITS: &str = "/usr/lib/systemd/system";

/// Lines by key, with the recipes that want them.
type Lines = BTreeMap<String, (String, Vec<String>)>;

impl Rendering<'_, '_> {
    pub(super) fn system(&mut self) -> Result<(), RenderError> {
        let (mut users, mut sysctls, mut modules) = (Lines::new(), Lines::new(), Lines::new());
        for recipe in &self.plan.class.recipes {
            let context = self.context(&recipe.id);
            let step = Step { recipe, context: &context };
            for (name, id) in &recipe.manifest.users {
                let line = format!("u {name} {id} \"{name}\" / /usr/sbin/nologin");
                add(&mut users, name, line, &recipe.id, "users")?;
            }
            for (key, setting) in &recipe.manifest.sysctls {
                if self.holds(step, setting.when())? {
                    let value = self.scalar(step, setting.value())?;
                    add(&mut sysctls, key, format!("{key} = {value}"), &recipe.id, "sysctls")?;
                }
            }
            for module in &recipe.manifest.modules {
                if self.holds(step, module.when())? {
                    add(&mut modules, module.name(), module.name().to_owned(), &recipe.id, "modules")?;
                }
            }
            self.units(step)?;
        }
        self.lines(
            SYSUSERS,
            "sysusers.d(5): users with fixed numbers, so that file owners are the same in every image",
            "users",
            users,
        )?;
        self.lines(SYSCTLS, "sysctl.d(5)", "sysctls", sysctls)?;
        self.lines(MODULES, "modules-load.d(5)", "modules", modules)
    }

    fn scalar(&self, step: Step<'_>, value: &Value) -> Result<String, RenderError> {
        match value {
            Value::String(text) => self.text(step, text),
            Value::Number(number) => Ok(number.to_string()),
            other => {
                Err(RenderError::recipe(&step.recipe.id, "sysctls", format!("{other} is neither text nor a number")))
            }
        }
    }

    fn lines(&mut self, file: &str, about: &str, key: &str, lines: Lines) -> Result<(), RenderError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = format!("# {about}. Each line names the recipes that want it.\n");
        let mut recipes: Vec<String> = Vec::new();
        for (line, wanted_by) in lines.into_values() {
            text.push_str(&format!("# {}\n{line}\n", wanted_by.join(", ")));
            recipes.extend(wanted_by);
        }
        recipes.sort();
        recipes.dedup();
        let spec = vec!["spec.recipes".to_owned()];
        let origin = Origin { recipe: recipes.join(", "), source: format!("recipe.yaml#{key}"), spec };
        self.put_public(&path(file.to_owned())?, text, Owner::ROOT, origin)
    }

    /// Links units to the target that wants them, as `systemctl enable` does, or masks them.
    fn units(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        for (unit, wanted) in &step.recipe.manifest.units {
            if !self.holds(step, wanted.when())? {
                continue;
            }
            let origin = self.origin(step, &format!("units.{unit}"));
            let own = path(format!("{UNITS}/{unit}"))?;
            let (link, target) = match wanted.target() {
                "mask" => (own, "/dev/null".to_owned()),
                target => {
                    let supplied = self.tree.get(&own).is_some() || self.tree.get(&template_unit(&own)?).is_some();
                    let folder = if supplied { UNITS } else { PACKAGED_UNITS };
                    (
                        path(format!("{UNITS}/{target}.wants/{unit}"))?,
                        format!("{folder}/{}", template_unit(&own)?.file_name()),
                    )
                }
            };
            self.put(link, crate::tree::Kind::Symlink(target), crate::tree::Mode::SYMLINK, Owner::ROOT, origin)?;
        }
        Ok(())
    }
}

/// `getty@ttyS0.service` is an instance of `getty@.service`; other units are their own.
fn template_unit(unit: &NodePath) -> Result<NodePath, RenderError> {
    let name = unit.file_name();
    let (Some((prefix, instance)), Some((_, suffix))) = (name.split_once('@'), name.rsplit_once('.')) else {
        return Ok(unit.clone());
    };
    if instance.is_empty() { Ok(unit.clone()) } else { path(format!("{UNITS}/{prefix}@.{suffix}")) }
}

fn add(lines: &mut Lines, key: &str, line: String, recipe: &str, place: &str) -> Result<(), RenderError> {
    let (known, recipes) = lines.entry(key.to_owned()).or_insert_with(|| (line.clone(), vec![]));
    if *known != line {
        let reason = format!("wants `{line}`, but {} wants `{known}`", recipes.join(", "));
        return Err(RenderError::recipe(recipe, format!("{place}.{key}"), reason));
    }
    recipes.push(recipe.to_owned());
    Ok(())
}
