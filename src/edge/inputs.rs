//! Reads a cluster's folder: spec, lock, own recipes, sealed secrets. Bounded, and never outside the folder.

use crate::artifact::{Catalog, CatalogError, Lock, LockError};
use crate::recipe::Files;
use crate::tree::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No input file is larger in earnest; ten thousand nodes take about two megabytes.
const MAX_FILE: u64 = 64 << 20;
const MAX_RECIPE_FILES: usize = 10_000;
const LOCK: &str = "kubi.lock";
const RECIPES: &str = "recipes";
const CATALOG: &str = "vendor/catalog.yaml";

/// Everything that a build reads, save identities and images.
#[derive(Debug)]
pub struct Inputs {
    /// The spec, as the user named it.
    pub file: PathBuf,
    /// The folder that the spec lies in.
    pub folder: PathBuf,
    pub text: String,
    pub lock_text: String,
    /// Empty for none.
    pub own_recipes: Files,
    pub sealed_root: Option<Vec<u8>>,
    /// `vendor/catalog.yaml`.
    pub own_catalog: Option<String>,
}

/// An input that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} has more than 64 MiB", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: line {line} is no UTF-8 text", path.display())]
    Text { path: PathBuf, line: usize },
    #[error("{} is a link or a special file: recipe folders hold plain files and directories only", .0.display())]
    NoPlainFile(PathBuf),
    #[error("{} holds more than 10,000 files", .0.display())]
    TooMany(PathBuf),
    #[error("{}: {source}", path.display())]
    Catalog { path: PathBuf, source: CatalogError },
    #[error("{}: {source}", path.display())]
    Lock { path: PathBuf, source: LockError },
}

impl InputError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Read { source, path } if source.kind() == io::ErrorKind::NotFound && !path.ends_with(LOCK) => {
                Some("name the spec with -f, or write one with `kubi init DIR`")
            }
            _ => None,
        }
    }
}

impl Inputs {
    /// Reads everything that belongs to the spec at `given`, or in the directory `given`.
    pub fn read(given: &Path) -> Result<Self, InputError> {
        let file = if given.is_dir() { given.join("cluster.yaml") } else { given.to_owned() };
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let text = text(&file, bounded(&file)?)?;
        let lock_path = folder.join(LOCK);
        let lock_text = optional(&lock_path)?.map_or(Ok(String::new()), |bytes| self::text(&lock_path, bytes))?;
        let mut own_recipes = Files::new();
        let recipes = folder.join(RECIPES);
        if recipes.is_dir() {
            walk(&recipes, "", &mut own_recipes)?;
        }
        let sealed_root = optional(&folder.join("secrets/root.age"))?;
        let catalog_path = folder.join(CATALOG);
        let own_catalog = optional(&catalog_path)?.map(|bytes| self::text(&catalog_path, bytes)).transpose()?;
        Ok(Self { file, folder, text, lock_text, own_recipes, sealed_root, own_catalog })
    }

    pub fn lock_path(&self) -> PathBuf {
        self.folder.join(LOCK)
    }

    /// The lock; an empty one where there is none yet.
    pub fn lock(&self) -> Result<Lock, InputError> {
        if self.lock_text.is_empty() {
            return Ok(Lock::default());
        }
        Lock::parse(&self.lock_text).map_err(|source| InputError::Lock { path: self.lock_path(), source })
    }

    /// As [`Inputs::lock`], and no digest in it is another one than the catalog has for the same release.
    pub fn checked_lock(&self, catalog: &Catalog) -> Result<Lock, InputError> {
        let lock = self.lock()?;
        lock.check(catalog).map_err(|source| InputError::Lock { path: self.lock_path(), source })?;
        Ok(lock)
    }

    /// The built-in catalog and, where the folder has a `vendor/catalog.yaml`, what that adds.
    pub fn catalog(&self) -> Result<Catalog, InputError> {
        let path = self.folder.join(CATALOG);
        let failed = |source| InputError::Catalog { path: path.clone(), source };
        let mut catalog = Catalog::built_in().map_err(failed)?;
        if let Some(text) = &self.own_catalog {
            catalog.extend(CATALOG, Catalog::parse(CATALOG, text).map_err(failed)?).map_err(failed)?;
        }
        Ok(catalog)
    }

    /// Digests of files of the cluster's folder, by path; a missing one is found when it is opened.
    pub fn digests(&self, files: BTreeSet<String>) -> BTreeMap<String, Digest> {
        let digest = |file: String| {
            let bytes = optional(&self.folder.join(&file)).ok()??;
            Some((file, Digest::of(&bytes)))
        };
        files.into_iter().filter_map(digest).collect()
    }

    /// Covers every byte read, kubi itself and `more`: each part is preceded by its length.
    pub fn digest(&self, more: &[&[u8]]) -> Digest {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(crate::SOURCES.as_bytes());
        part(self.text.as_bytes());
        part(self.lock_text.as_bytes());
        part(self.own_catalog.as_deref().unwrap_or_default().as_bytes());
        part(self.sealed_root.as_deref().unwrap_or_default());
        for (name, bytes) in &self.own_recipes {
            part(name.as_bytes());
            part(bytes);
        }
        part(b"");
        more.iter().for_each(|bytes| part(bytes));
        Digest::from_sha256(&hash.finalize().into())
    }
}

/// Sealed files that the text of a spec may name: all that a build of it reads are among them. Parses the spec only where it
/// may import something; of one that cannot be read, which others say, only paths below `secrets/` are found.
pub fn sealed_names(text: &str) -> BTreeSet<String> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let below = text.match_indices("secrets/").map(|(at, _)| &text[at..]);
    let path = |rest: &str| rest[..rest.find(|c| !in_path(c)).unwrap_or(rest.len())].to_owned();
    let mut names: BTreeSet<String> = below.map(path).filter(|path| !path.ends_with('/')).collect();
    if text.contains("import")
        && let Ok((cluster, _)) = crate::spec::read(text, &crate::spec::Facts::default())
    {
        names.extend(cluster.spec.pki.import.into_values());
    }
    names
}

fn bounded(path: &Path) -> Result<Vec<u8>, InputError> {
    let failed = |source| InputError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE { Err(InputError::TooLarge(path.to_owned())) } else { Ok(bytes) }
}

fn optional(path: &Path) -> Result<Option<Vec<u8>>, InputError> {
    match bounded(path) {
        Err(InputError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, InputError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        InputError::Text { path: path.to_owned(), line }
    })
}

/// Links are refused, not followed: a recipe folder must not pull in files from elsewhere on the machine.
fn walk(folder: &Path, prefix: &str, out: &mut Files) -> Result<(), InputError> {
    let failed = |source| InputError::Read { path: folder.to_owned(), source };
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|_| InputError::Text { path: path.clone(), line: 1 })?;
        let kind = entry.file_type().map_err(failed)?;
        let relative = format!("{prefix}{name}");
        if kind.is_dir() {
            walk(&path, &format!("{relative}/"), out)?;
        } else if !kind.is_file() {
            return Err(InputError::NoPlainFile(path));
        } else if out.len() >= MAX_RECIPE_FILES {
            return Err(InputError::TooMany(path));
        } else {
            out.insert(relative, bounded(&path)?);
        }
    }
    Ok(())
}
