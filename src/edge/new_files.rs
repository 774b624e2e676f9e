//! A build's new files on their way: numbered, in one folder beside the output, each with the place it belongs to.
//!
//! One flat folder, because a directory costs as much as ten small files, once to make and once to remove.

use super::files::{self, FileError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Files may be added from many threads.
#[derive(Debug)]
pub struct NewFiles {
    folder: PathBuf,
    umask: u32,
    next: AtomicU64,
    places: Mutex<BTreeMap<String, New>>,
}

/// What is to be moved to a place, relative to the output folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct New {
    /// Its name in the folder of new files.
    pub number: u64,
    /// A folder takes the place of the one that was there, a file that of the file.
    pub is_folder: bool,
}

/// A new file that somebody writes into; gone when dropped without [`Draft::keep`].
#[derive(Debug)]
pub struct Draft<'a> {
    pub file: File,
    new_files: &'a NewFiles,
    number: u64,
    kept: bool,
}

impl NewFiles {
    /// Makes `folder`, which must not exist and which its owner alone may enter.
    pub fn begin(folder: &Path) -> Result<Self, FileError> {
        files::create_directory(folder, 0o700, 0)?;
        let umask = files::probe_umask(folder).inspect_err(|_| drop(files::remove(folder)))?;
        Ok(Self { folder: folder.to_owned(), umask, next: AtomicU64::new(0), places: Mutex::default() })
    }

    /// The permission bits that new files lose.
    pub fn umask(&self) -> u32 {
        self.umask
    }

    /// Adds a file. Two for one place are an error.
    pub fn add(&self, place: String, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        files::create(&self.reserve_new(place, false)?, bytes, mode, self.umask)
    }

    /// Adds a file named by its digest, unless it is there: two nodes may have the same layer.
    pub fn add_blob(&self, place: String, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        match self.reserve(place, false) {
            Some(path) => files::create(&path, bytes, mode, self.umask),
            None => Ok(()),
        }
    }

    pub fn add_symlink(&self, place: String, target: &str) -> Result<(), FileError> {
        let path = self.reserve_new(place, false)?;
        symlink(target, &path).map_err(files::failed("create", &path))
    }

    /// Adds a file, named by its digest, that exists elsewhere, without copying its bytes where the file system can
    /// share them.
    pub fn add_shared(&self, place: String, from: &Path, mode: u32) -> Result<(), FileError> {
        match self.reserve(place, false) {
            Some(path) => files::share_or_copy(from, &path, mode),
            None => Ok(()),
        }
    }

    /// A new folder, to be filled by the caller.
    pub fn add_folder(&self, place: String, mode: u32) -> Result<PathBuf, FileError> {
        let path = self.reserve_new(place, true)?;
        files::create_directory(&path, mode, self.umask)?;
        Ok(path)
    }

    /// A new file whose place is not known before its bytes are.
    pub fn draft(&self, mode: u32) -> Result<Draft<'_>, FileError> {
        let number = self.number();
        let file = files::create_open(&self.path(number), mode, self.umask)?;
        Ok(Draft { file, new_files: self, number, kept: false })
    }

    /// Where the bytes for a place are now.
    pub fn find(&self, place: &str) -> Option<PathBuf> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(place).map(|new| self.path(new.number))
    }

    /// Every new file with its place, sorted by place.
    pub fn places(&self) -> BTreeMap<String, New> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reserve_new(&self, place: String, is_folder: bool) -> Result<PathBuf, FileError> {
        let twice = files::failed("create", Path::new(&place))(ErrorKind::AlreadyExists.into());
        self.reserve(place, is_folder).ok_or(twice)
    }

    fn reserve(&self, place: String, is_folder: bool) -> Option<PathBuf> {
        let number = self.number();
        self.put(place, New { number, is_folder }).then(|| self.path(number))
    }

    /// `false` when there is a file for this place already.
    fn put(&self, place: String, new: New) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.contains_key(&place);
        places.entry(place).or_insert(new);
        !known
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }
}

impl Draft<'_> {
    /// Where it is written, for tools that need a path.
    pub fn path(&self) -> PathBuf {
        self.new_files.path(self.number)
    }

    /// Gives the finished file its place; where another has it already, that has the same bytes.
    pub fn keep(mut self, place: String) {
        self.kept = self.new_files.put(place, New { number: self.number, is_folder: false });
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now goes with the folder later.
            drop(files::remove(&self.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_place_has_one_file() {
        let parent = tempfile::tempdir().unwrap();
        let new_files = NewFiles::begin(&parent.path().join("new")).unwrap();
        new_files.add("c/build.json".into(), b"1", 0o644).unwrap();
        let error = new_files.add("c/build.json".into(), b"2", 0o644).unwrap_err().to_string();
        assert!(error.contains("c/build.json"), "{error}");
        assert!(new_files.add_symlink("c/build.json".into(), "x").is_err());
        assert!(new_files.add_folder("c/build.json".into(), 0o755).is_err());
        assert_eq!(fs::read(new_files.find("c/build.json").unwrap()).unwrap(), b"1");
        new_files.add_blob("blobs/a".into(), b"a", 0o644).unwrap();
        new_files.add_blob("blobs/a".into(), b"a", 0o644).unwrap();
        assert_eq!(new_files.places().keys().collect::<Vec<_>>(), ["blobs/a", "c/build.json"]);
    }

    #[test]
    fn a_draft_that_is_not_kept_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("new");
        let new_files = NewFiles::begin(&folder).unwrap();
        drop(new_files.draft(0o600).unwrap());
        let kept = new_files.draft(0o600).unwrap();
        let path = kept.path();
        kept.keep("c/images/a".into());
        let same = new_files.draft(0o600).unwrap();
        same.keep("c/images/a".into());
        assert_eq!(new_files.find("c/images/a"), Some(path));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
