//! Reads and writes `kubi.lock` and reads the catalogs, in a cluster's folder.

use super::files::{self, FileError};
use crate::artifact::{Catalog, CatalogError, Lock, LockError};
use std::path::{Path, PathBuf};

/// The lock's name in a cluster's folder.
pub const LOCK: &str = "kubi.lock";
/// A cluster's own catalog, which adds to the built-in one.
pub const OWN_CATALOG: &str = "vendor/catalog.yaml";

#[derive(Debug, thiserror::Error)]
pub enum LockStoreError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {error}", path.display())]
    Lock { path: PathBuf, error: LockError },
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("{} is no UTF-8 text", .0.display())]
    Text(PathBuf),
}

/// Whether a lock must be as kubi wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Edits and merges are errors.
    Strict,
    /// For commands that write it again.
    Edited,
}

/// The lock of a folder; an empty one where there is none yet.
pub fn read_lock(folder: &Path, reading: Reading) -> Result<Lock, LockStoreError> {
    let path = folder.join(LOCK);
    let Some(text) = text(&path)? else { return Ok(Lock::default()) };
    let lock = match reading {
        Reading::Strict => Lock::parse(&text),
        Reading::Edited => Lock::parse_edited(&text),
    };
    lock.map_err(|error| LockStoreError::Lock { path, error })
}

/// Writes the lock in one step; says whether that changed anything.
pub fn write_lock(folder: &Path, lock: &Lock) -> Result<bool, LockStoreError> {
    let (path, new) = (folder.join(LOCK), lock.to_text());
    if text(&path)?.as_deref() == Some(new.as_str()) {
        return Ok(false);
    }
    files::write_atomically(&path, new.as_bytes(), 0o644)?;
    Ok(true)
}

/// The built-in catalog with the folder's own releases.
pub fn read_catalog(folder: &Path) -> Result<Catalog, LockStoreError> {
    let mut catalog = Catalog::built_in()?;
    let path = folder.join(OWN_CATALOG);
    if let Some(text) = text(&path)? {
        let name = path.display().to_string();
        catalog.extend(&name, Catalog::parse(&name, &text)?)?;
    }
    Ok(catalog)
}

fn text(path: &Path) -> Result<Option<String>, LockStoreError> {
    let bytes = files::read_optional(path)?;
    bytes.map(|bytes| String::from_utf8(bytes).map_err(|_| LockStoreError::Text(path.to_owned()))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_written_once_and_read_strictly() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        assert_eq!(read_lock(folder, Reading::Strict).unwrap(), Lock::default());
        assert!(write_lock(folder, &Lock::default()).unwrap());
        assert!(!write_lock(folder, &Lock::default()).unwrap(), "written again without a change");
        let path = folder.join(LOCK);
        std::fs::write(&path, Lock::default().to_text() + "\n").unwrap();
        assert!(read_lock(folder, Reading::Strict).is_err());
        assert_eq!(read_lock(folder, Reading::Edited).unwrap(), Lock::default());
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_lock(folder, Reading::Edited).unwrap_err().to_string().contains("no UTF-8"));
    }

    #[test]
    fn own_catalogs_add_releases() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let built_in = read_catalog(folder).unwrap();
        std::fs::create_dir(folder.join("vendor")).unwrap();
        std::fs::write(folder.join(OWN_CATALOG), "apiVersion: kubi/v1alpha1\nkind: Catalog\nartifacts: {}\n").unwrap();
        assert_eq!(read_catalog(folder).unwrap(), built_in);
        std::fs::write(folder.join(OWN_CATALOG), "apiVersion: kubi/v1alpha1\nkind: Catalog\nartefacts: {}\n").unwrap();
        let error = read_catalog(folder).unwrap_err().to_string();
        assert!(error.contains(OWN_CATALOG) && error.contains("line 3"), "{error}");
    }
}
