//! One deployer a cluster's folder at a time. The lock goes with the process, however that ends.

use super::FolderError;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;

#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Does not wait: what the other one does would make this one's plan stale.
    pub fn acquire(path: &Path) -> Result<Self, FolderError> {
        let failed = |error: std::io::Error| FolderError::Io { path: path.to_owned(), source: error };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let file = File::create(path).map_err(failed)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| FolderError::Busy { path: path.to_owned() })?;
        Ok(Self { _file: file })
    }
}
