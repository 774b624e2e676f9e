//! `load(built-in files, own files) -> Recipes`: folders of bytes become typed recipes.

use super::{Manifest, Place, Recipe, RecipeSource, Recipes};
use crate::spec::{Role, from_yaml};
use crate::tree::{Digest, NodePath};
use include_dir::{Dir, include_dir};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Files by path relative to the recipe folder, `etcd/member/recipe.yaml`.
pub type Files = BTreeMap<String, Vec<u8>>;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/recipes");

const MANIFEST: &str = "recipe.yaml";
const VERSIONS: &str = "versions.yaml";
const DEFAULTS: &str = "defaults.yaml";
const TEMPLATE_SUFFIX: &str = ".tera";
/// Files of a recipe folder that say something about the recipe and land on no node.
const ABOUT: [&str; 3] = ["example.yaml", "README.md", MANIFEST];

/// A recipe folder that cannot be used; `file` is relative to the recipe folder.
#[derive(Debug, thiserror::Error)]
#[error("recipe file {file}: {reason}")]
pub struct RecipeError {
    pub file: String,
    pub reason: String,
}

fn error(file: &str, reason: impl Into<String>) -> RecipeError {
    RecipeError { file: file.to_owned(), reason: reason.into() }
}

/// The recipes that this binary carries.
pub fn built_in() -> Files {
    fn walk(dir: &Dir<'_>, out: &mut Files) {
        for file in dir.files() {
            out.insert(file.path().to_string_lossy().into_owned(), file.contents().to_vec());
        }
        dir.dirs().for_each(|sub| walk(sub, out));
    }
    let mut files = Files::new();
    walk(&BUILT_IN, &mut files);
    files
}

/// Types and checks all recipes. A folder of `own` replaces the built-in folder of the same name as a whole.
pub fn load(built_in: Files, own: Files) -> Result<Recipes, RecipeError> {
    let table = |name: &str| own.get(name).or_else(|| built_in.get(name)).cloned();
    let tables: Files =
        [VERSIONS, DEFAULTS].into_iter().filter_map(|name| Some((name.to_owned(), table(name)?))).collect();
    let own_folders = folders(own)?;
    let mut all: BTreeMap<String, (bool, Files)> =
        folders(built_in)?.into_iter().map(|(id, files)| (id, (false, files))).collect();
    all.extend(own_folders.into_iter().map(|(id, files)| (id, (true, files))));
    let all: Vec<_> = all.into_iter().collect();
    let (parsed, typed) = rayon::join(
        || Ok((parse_table(&tables, VERSIONS)?, parse_table(&tables, DEFAULTS)?)),
        || all.into_par_iter().map(|(id, (own, files))| recipe(id, own, files)).collect::<Vec<_>>(),
    );
    let (versions, defaults) = parsed?;
    let typed = typed.into_iter().map(|recipe| recipe.map(|recipe| (recipe.id.clone(), Arc::new(recipe))));
    let by_id: BTreeMap<_, _> = typed.collect::<Result<_, _>>()?;
    let digests: Vec<_> = by_id.values().map(|recipe| (&recipe.id, recipe.own, recipe.digest)).collect();
    let digest = Digest::of_json(&(digest(&tables), digests));
    Ok(Recipes { by_id, versions, defaults, digest })
}

/// Length-prefixed names and contents.
fn digest(files: &Files) -> Digest {
    let mut bytes = (files.len() as u64).to_le_bytes().to_vec();
    for (name, contents) in files {
        for part in [name.as_bytes(), contents] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
    }
    Digest::of(&bytes)
}

fn yaml<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, RecipeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| error(file, "is not UTF-8 text"))?;
    from_yaml(text).map_err(|e| error(file, e.to_string()))
}

fn parse_table<T: DeserializeOwned + Default>(tables: &Files, name: &str) -> Result<T, RecipeError> {
    tables.get(name).map_or_else(|| Ok(T::default()), |bytes| yaml(name, bytes))
}

/// Splits `slot/choice/rest` into folders; other top-level files are documentation and tables.
fn folders(files: Files) -> Result<BTreeMap<String, Files>, RecipeError> {
    let mut folders: BTreeMap<String, Files> = BTreeMap::new();
    for (path, bytes) in files {
        let parts: Vec<&str> = path.splitn(3, '/').collect();
        match parts[..] {
            [slot, choice, rest] => {
                folders.entry(format!("{slot}/{choice}")).or_default().insert(rest.to_owned(), bytes);
            }
            [_, _] => {
                return Err(error(&path, "lies in a slot, not in a recipe: expected <slot>/<choice>/recipe.yaml"));
            }
            _ => {}
        }
    }
    Ok(folders)
}

fn recipe(id: String, own: bool, files: Files) -> Result<Recipe, RecipeError> {
    let name = |file: &str| format!("{id}/{file}");
    let manifest =
        files.get(MANIFEST).ok_or_else(|| error(&name(MANIFEST), "is missing: every recipe folder needs one"))?;
    let manifest: Manifest = yaml(&name(MANIFEST), manifest)?;
    if manifest.summary.trim().is_empty() {
        return Err(error(&name(MANIFEST), "has no `summary`: say in one line what the recipe does"));
    }
    for (name_of, param) in &manifest.params {
        if let Some(refusal) = param.refuses(&param.default) {
            let reason = format!("`params.{name_of}.default` {}: {}", refusal.reason, refusal.help);
            return Err(error(&name(MANIFEST), reason));
        }
    }
    let digest = digest(&files);
    let mut sources = Vec::new();
    for (file, bytes) in files {
        if !ABOUT.contains(&file.as_str()) {
            sources.push(source(&name(&file), file, bytes)?);
        }
    }
    for path in manifest.files.keys() {
        if !sources.iter().any(|source| source.path == *path) {
            return Err(error(&name(MANIFEST), format!("`files` names {path}, which no file below files*/ supplies")));
        }
    }
    Ok(Recipe { id, manifest, files: sources, digest, own })
}

fn source(shown: &str, file: String, bytes: Vec<u8>) -> Result<RecipeSource, RecipeError> {
    let (folder, below) = file.split_once('/').unwrap_or((file.as_str(), ""));
    let place = match folder {
        "files" => Place::All,
        "files.controller" => Place::Role(Role::Controller),
        "files.worker" => Place::Role(Role::Worker),
        "files.etcd" => Place::Role(Role::Etcd),
        "files.cluster" => Place::Cluster,
        _ => {
            return Err(error(
                shown,
                "is in no known folder: use files/, files.controller/, files.worker/, files.etcd/ or files.cluster/",
            ));
        }
    };
    let is_template = below.ends_with(TEMPLATE_SUFFIX);
    let path = NodePath::new(format!("/{}", below.strip_suffix(TEMPLATE_SUFFIX).unwrap_or(below)))
        .map_err(|e| error(shown, e.to_string()))?;
    if is_template && std::str::from_utf8(&bytes).is_err() {
        return Err(error(shown, "is a template, but not UTF-8 text"));
    }
    Ok(RecipeSource { place, path, is_template, bytes, name: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> Files {
        entries.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn an_own_folder_replaces_the_built_in_one_as_a_whole() {
        let built_in = files(&[
            ("cni/x/recipe.yaml", "summary: one"),
            ("cni/x/files/etc/a", "a"),
            ("dns/y/recipe.yaml", "summary: y"),
        ]);
        let own = files(&[("cni/x/recipe.yaml", "summary: two")]);
        let recipes = load(built_in.clone(), own).unwrap();
        assert!(recipes.by_id["cni/x"].own && recipes.by_id["cni/x"].files.is_empty());
        assert!(!recipes.by_id["dns/y"].own);
        assert_ne!(recipes.digest, load(built_in, Files::new()).unwrap().digest);
    }

    #[test]
    fn mistakes_name_their_file() {
        let cases = [
            (files(&[("cni/x/recipe.yaml", "summary: a\nbogus: 1")]), "bogus"),
            (files(&[("cni/x/files/etc/a", "a")]), "recipe.yaml: is missing"),
            (files(&[("cni/x/recipe.yaml", "summary: a"), ("cni/x/file/a", "")]), "no known folder"),
            (files(&[("cni/x/recipe.yaml", "summary: a"), ("cni/x/files/../a", "")]), "component"),
            (files(&[("cni/x/recipe.yaml", "summary: a\nfiles: {/etc/b: {mode: '0600'}}")]), "/etc/b"),
            (
                files(&[(
                    "cni/x/recipe.yaml",
                    "summary: a\nparams: {b: {type: integer, default: 9, maximum: 8, description: b}}",
                )]),
                "params.b.default",
            ),
        ];
        for (files, expected) in cases {
            let message = load(Files::new(), files).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains("cni/x"), "{message}");
        }
    }
}
