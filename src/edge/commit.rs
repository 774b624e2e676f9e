//! The last step of a build: moving finished files into place, so that it can be killed anywhere and done again.
//!
//! A build collects its files in `.staging/`. When all of them are safely on disk, with a journal that says where each
//! belongs, one rename to `.commit/` decides that the build has happened. From then on every file is moved to its place;
//! whoever finds `.commit/` goes on where its owner stopped. Each step leaves nothing behind that would make it act twice.

use super::files::{self, FileError};
use super::lock_file::LockFile;
use super::names::Names;
use super::new_files::New;
use super::output::OutputError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const LOCK: &str = ".lock";
pub const STAGING: &str = ".staging";
const COMMIT: &str = ".commit";
const JOURNAL: &str = "journal.json";

/// What is to be done, in this order. Places are relative to the output folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    steps: Vec<Step>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Step {
    /// A new file, over the one that is there.
    File {
        number: u64,
        to: String,
    },
    /// A new folder, in the place of the one that is there.
    Folder {
        number: u64,
        to: String,
    },
    Remove(String),
}

impl Journal {
    /// Additions first, then what refers to them; kubi-deploy starts from `deploy.json`, which therefore comes last.
    pub fn new(cluster: &str, new: BTreeMap<String, New>, remove: Vec<String>) -> Self {
        let [record, deploy] = ["build.json", "deploy/"].map(|name| format!("{cluster}/{name}"));
        let refers = |place: &str| match place.strip_prefix(&deploy) {
            Some("deploy.json") => 4,
            Some(_) => 3,
            None if place == record => 2,
            None => u8::from(!place.starts_with("store/blobs/") && place.starts_with("store/")),
        };
        let moves = new.into_iter().map(|(to, New { number, is_folder })| {
            (refers(&to), if is_folder { Step::Folder { number, to } } else { Step::File { number, to } })
        });
        let removals = remove.into_iter().map(|place| (2, Step::Remove(place)));
        let mut steps: Vec<_> = moves.chain(removals).collect();
        steps.sort_by_key(|(refers, _)| *refers);
        Self { steps: steps.into_iter().map(|(_, step)| step).collect() }
    }
}

/// Finishes or discards what a killed build left. Does nothing while a builder is at work.
pub fn recover(root: &Path) -> Result<(), OutputError> {
    if !root.join(COMMIT).exists() && !root.join(STAGING).exists() {
        return Ok(());
    }
    match LockFile::try_acquire(&root.join(LOCK)) {
        Ok(Some(lock)) => recover_locked(root, &lock),
        Ok(None) => Ok(()),
        // Who may only read cannot clean up, but nothing that they read is affected.
        Err(_) if !root.join(COMMIT).exists() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// As [`recover`], for who holds the lock.
pub fn recover_locked(root: &Path, _lock: &LockFile) -> Result<(), OutputError> {
    if root.join(COMMIT).exists() { finish(root) } else { Ok(files::remove(&root.join(STAGING))?) }
}

/// Makes the staged files durable, decides that the build has happened, and moves them into place.
pub fn commit(root: &Path, cluster: &str, journal: &Journal, umask: u32) -> Result<(), OutputError> {
    let staging = root.join(STAGING);
    let bytes = serde_json::to_vec(journal).map_err(|source| OutputError::Json { path: JOURNAL.into(), source })?;
    files::create(&staging.join(JOURNAL), &bytes, 0o644, umask)?;
    for (relative, mode) in folders(cluster) {
        files::ensure_directory(&root.join(relative), mode, umask)?;
    }
    // On journalling file systems the renames that follow become durable in their order.
    files::sync_below(&staging)?;
    files::rename(&staging, &root.join(COMMIT))?;
    finish(root).map_err(|error| OutputError::Unfinished(Box::new(error)))
}

/// Every folder that files are moved into, parents first, and its mode.
pub fn folders(cluster: &str) -> Vec<(String, u32)> {
    let mut folders: Vec<_> =
        ["store", "store/blobs", "store/blobs/sha256"].map(|folder| (folder.to_owned(), 0o755)).into();
    folders.push((cluster.to_owned(), 0o755));
    // Disks hold secrets, and so do the operator's kubeconfigs.
    let below = [("nodes", 0o755), ("images", 0o700), ("operator", 0o700), ("builds", 0o755), ("deploy", 0o755)];
    folders.extend(below.map(|(name, mode)| (format!("{cluster}/{name}"), mode)));
    folders
}

fn finish(root: &Path) -> Result<(), OutputError> {
    let from = root.join(COMMIT);
    let path = from.join(JOURNAL);
    let journal: Journal = serde_json::from_slice(&files::read(&path)?)
        .map_err(|source| OutputError::Json { path: path.display().to_string(), source })?;
    let mover = Mover { from: &from, to: root, left: files::names(&from)? };
    for (number, step) in journal.steps.iter().enumerate() {
        mover.take(step, number)?;
    }
    let done = root.join(STAGING);
    files::remove(&done)?;
    files::rename(&from, &done)?;
    files::remove_all_in(&done)?;
    Ok(files::remove(&done)?)
}

struct Mover<'a> {
    from: &'a Path,
    to: &'a Path,
    /// What has not been moved yet.
    left: Names,
}

impl Mover<'_> {
    /// Does what has not been done yet.
    fn take(&self, step: &Step, position: usize) -> Result<(), OutputError> {
        let old = || self.from.join(format!("old-{position}"));
        match step {
            Step::File { number, to } => {
                if let Some(new) = self.left(*number) {
                    move_file(&new, &self.place(to)?)?;
                }
            }
            Step::Folder { number, to } => {
                if let Some(new) = self.left(*number) {
                    let place = self.place(to)?;
                    files::rename_if_there(&place, &old())?;
                    files::rename(&new, &place)?;
                }
            }
            // Old things are only moved while the build is not done: deleting many files takes long.
            Step::Remove(place) => files::rename_if_there(&self.place(place)?, &old())?,
        }
        Ok(())
    }

    fn left(&self, number: u64) -> Option<PathBuf> {
        let name = number.to_string();
        self.left.contains(&name).then(|| self.from.join(name))
    }

    fn place(&self, relative: &str) -> Result<PathBuf, OutputError> {
        files::below(self.to, relative).ok_or_else(|| OutputError::Name(relative.to_owned()))
    }
}

/// Moves a file into a folder that may have to be made.
fn move_file(new: &Path, place: &Path) -> Result<(), FileError> {
    match files::rename(new, place) {
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {}
        result => return result,
    }
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent).map_err(files::failed("create", parent))?;
    }
    files::rename(new, place)
}
