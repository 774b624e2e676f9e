//! One writer at a time: an advisory lock that the kernel drops when its holder dies.

use super::files::{FileError, failed};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// Held until dropped.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

impl LockFile {
    /// Takes the lock; calls `waiting` once where someone else holds it, and waits for them.
    pub fn acquire(path: &Path, waiting: &mut dyn FnMut()) -> Result<Self, FileError> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => return Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => waiting(),
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
        }
        file.lock().map_err(failed("lock", path))?;
        Ok(Self { _file: file })
    }

    /// Waits until nobody writes, and keeps writers out. `None` where there is no lock that this user may open: who may
    /// only read goes without.
    pub fn share(path: &Path) -> Result<Option<Self>, FileError> {
        let Ok(file) = OpenOptions::new().read(true).open(path) else { return Ok(None) };
        file.lock_shared().map_err(failed("lock", path))?;
        Ok(Some(Self { _file: file }))
    }

    /// Takes the lock if nobody holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, FileError> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", path)(error)),
        }
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    // Never removed: a lock on a removed file would not exclude the next one who creates it.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed("open", path))
}
