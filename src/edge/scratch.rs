//! Folders for work in progress, gone when they are dropped. One that a killed process left is removed by the next that
//! makes its like; one that is in use never is.

use super::lock_file::LockFile;
use std::io;
use std::path::Path;
use tempfile::TempDir;

const LOCK: &str = ".in-use";

/// A folder of its own, until dropped.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    _lock: LockFile,
}

impl Scratch {
    /// Makes a folder in `parent`, after removing those with the same `prefix` whose makers are dead.
    pub fn new_in(parent: &Path, prefix: &str) -> io::Result<Self> {
        remove_abandoned(parent, prefix)?;
        let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
        let lock = LockFile::try_acquire(&directory.path().join(LOCK)).map_err(|error| error.source)?;
        // Nobody else knows the folder's name yet but who removes abandoned ones, and that only after it was locked.
        let lock = lock.ok_or_else(|| io::Error::other("a new folder is in use already"))?;
        Ok(Self { directory, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn remove_abandoned(parent: &Path, prefix: &str) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let lock = entry.path().join(LOCK);
        if !entry.file_name().to_string_lossy().starts_with(prefix) || !lock.is_file() {
            continue;
        }
        // Best effort: what cannot be removed is in nobody's way.
        if let Ok(Some(_lock)) = LockFile::try_acquire(&lock) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_folders_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join(".work-dead");
        std::fs::create_dir(&abandoned).unwrap();
        std::fs::write(abandoned.join(LOCK), "").unwrap();
        let foreign = parent.path().join(".work-foreign");
        std::fs::create_dir(&foreign).unwrap();
        let first = Scratch::new_in(parent.path(), ".work-").unwrap();
        let second = Scratch::new_in(parent.path(), ".work-").unwrap();
        assert!(first.path().is_dir() && second.path().is_dir() && foreign.is_dir());
        assert!(!abandoned.exists());
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
    }
}
