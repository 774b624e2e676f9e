//! Puts new files into place, all or none, and never over others.

use crate::edge::files::{FileError, create, failed};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A file that does not exist yet.
#[derive(Debug)]
pub struct NewFile {
    pub path: PathBuf,
    pub contents: zeroize::Zeroizing<Vec<u8>>,
    /// Mode before the umask.
    pub mode: u32,
}

/// Creates the files and the directories that they need. On failure, all that was created is removed again.
pub fn write_all(files: &[NewFile]) -> Result<(), FileError> {
    let mut created = Created::default();
    for file in files {
        if let Some(parent) = file.path.parent() {
            created.directories(parent, if file.mode & 0o077 == 0 { 0o700 } else { 0o755 })?;
        }
        let result = create(&file.path, &file.contents, file.mode, 0);
        // A full disk leaves a file that was created but not written. A file of somebody else must stay.
        if !result.as_ref().is_err_and(|error| error.source.kind() == io::ErrorKind::AlreadyExists) {
            created.paths.push(file.path.clone());
        }
        result?;
    }
    created.sync()?;
    created.keep();
    Ok(())
}

/// What to remove when not all goes well.
#[derive(Default)]
struct Created {
    paths: Vec<PathBuf>,
}

impl Created {
    fn directories(&mut self, path: &Path, mode: u32) -> Result<(), FileError> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directories(parent, mode)?;
        }
        DirBuilder::new().mode(mode).create(path).map_err(failed("create", path))?;
        self.paths.push(path.to_owned());
        Ok(())
    }

    /// Files, then the directories that name them: the only identity must not be lost with the next power cut.
    fn sync(&self) -> Result<(), FileError> {
        let parents = self.paths.iter().filter_map(|path| path.parent());
        for path in self.paths.iter().map(PathBuf::as_path).chain(parents) {
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            fs::File::open(path).and_then(|file| file.sync_all()).map_err(failed("write", path))?;
        }
        Ok(())
    }

    fn keep(mut self) {
        self.paths.clear();
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        for path in self.paths.iter().rev() {
            // Best effort while failing already: a directory that others filled meanwhile stays.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn file(path: PathBuf, mode: u32) -> NewFile {
        NewFile { path, contents: b"new".to_vec().into(), mode }
    }

    #[test]
    fn a_failure_leaves_things_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("old"), "old").unwrap();
        let error =
            write_all(&[file(path("a/b/c"), 0o644), file(path("d"), 0o644), file(path("old"), 0o644)]).unwrap_err();
        assert!(error.to_string().contains("old"), "{error}");
        assert!(!path("a").exists() && !path("d").exists());
        assert_eq!(fs::read_to_string(path("old")).unwrap(), "old");
    }

    #[test]
    fn private_files_lie_in_private_directories() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/kubi/identity");
        write_all(&[file(path.clone(), 0o600)]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
