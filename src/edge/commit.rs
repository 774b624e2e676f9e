//! The last step of a build: moving finished files into place, so that it can be killed anywhere and done again.
//!
//! A build collects its files in `.staging/`, laid out as `out/` is. When all of them are safely on disk, one rename to
//! `.commit/` decides that the build has happened. From then on every file is moved to where it belongs; whoever finds
//! `.commit/` goes on where its owner stopped. Each step leaves nothing behind that would make it act twice.

use super::files::{self, FileError};
use super::lock_file::LockFile;
use super::output::OutputError;
use serde::{Deserialize, Serialize};
use std::path::Path;

pub const LOCK: &str = ".lock";
pub const STAGING: &str = ".staging";
/// Beside `nodes/` in the staging folder: files to write over those of the last build, by node.
pub const PATCHES: &str = "patches";
const COMMIT: &str = ".commit";
const JOURNAL: &str = "journal.json";
const OLD: &str = "old";

/// What the layout of `.commit/` does not say by itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    pub cluster: String,
    /// Node folders and files that this build no longer has, relative to the cluster's folder.
    pub remove: Vec<String>,
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
pub fn commit(root: &Path, journal: &Journal, umask: u32) -> Result<(), OutputError> {
    let staging = root.join(STAGING);
    let bytes = serde_json::to_vec(journal).map_err(|source| OutputError::Json { path: JOURNAL.into(), source })?;
    files::create(&staging.join(JOURNAL), &bytes, 0o644, umask)?;
    files::ensure_directory(&staging.join(OLD), 0o700, umask)?;
    for (relative, mode) in folders(&journal.cluster) {
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
    let cluster = journal.cluster.as_str();
    let mover = Mover { from: &from, to: root };
    // Additions first, then what refers to them; kubi-deploy starts from deploy.json, which therefore comes last.
    mover.merge("store/blobs/sha256")?;
    mover.merge(&format!("{cluster}/images"))?;
    mover.replace_folders(&format!("{cluster}/nodes"))?;
    mover.merge_into(&format!("{cluster}/{PATCHES}"), &format!("{cluster}/nodes"))?;
    mover.merge(&format!("{cluster}/operator"))?;
    mover.merge(&format!("{cluster}/builds"))?;
    for file in ["store/oci-layout".to_owned(), "store/index.json".to_owned(), format!("{cluster}/build.json")] {
        mover.file(&file)?;
    }
    for relative in &journal.remove {
        mover.discard(cluster, relative)?;
    }
    mover.merge(&format!("{cluster}/deploy"))?;
    let done = root.join(STAGING);
    files::remove(&done)?;
    files::rename(&from, &done)?;
    files::remove_all_in(&done.join(OLD))?;
    Ok(files::remove(&done)?)
}

struct Mover<'a> {
    from: &'a Path,
    to: &'a Path,
}

impl Mover<'_> {
    /// Moves the files of a folder, over those of the same name; `deploy.json` last.
    fn merge(&self, folder: &str) -> Result<(), FileError> {
        self.merge_into(folder, folder)
    }

    fn merge_into(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (from, to) = (self.from.join(from), self.to.join(to));
        let mut files: Vec<_> = files::files_below(&from)?.into_iter().collect();
        files.sort_by_key(|file| file == "deploy.json");
        for file in files {
            if let Some((parents, _)) = file.rsplit_once('/') {
                let parents = to.join(parents);
                std::fs::create_dir_all(&parents).map_err(files::failed("create", &parents))?;
            }
            files::rename_if_there(&from.join(&file), &to.join(&file))?;
        }
        Ok(())
    }

    /// Moves a file, if it has not been moved yet.
    fn file(&self, relative: &str) -> Result<(), FileError> {
        files::rename_if_there(&self.from.join(relative), &self.to.join(relative))
    }

    /// Moves each folder in `folder` to the place of the one of the same name.
    fn replace_folders(&self, folder: &str) -> Result<(), FileError> {
        for name in files::names(&self.from.join(folder))? {
            let target = self.to.join(folder).join(&name);
            self.put_aside(&target, &format!("replaced-{name}"))?;
            files::rename(&self.from.join(folder).join(&name), &target)?;
        }
        Ok(())
    }

    fn discard(&self, cluster: &str, relative: &str) -> Result<(), OutputError> {
        let path =
            files::below(&self.to.join(cluster), relative).ok_or_else(|| OutputError::Name(relative.to_owned()))?;
        Ok(self.put_aside(&path, &format!("removed-{}", relative.replace('/', "%")))?)
    }

    /// Old things are only moved while the build is not done: deleting many files takes long.
    fn put_aside(&self, path: &Path, name: &str) -> Result<(), FileError> {
        files::rename_if_there(path, &self.from.join(OLD).join(name))
    }
}
