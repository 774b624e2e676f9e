//! What was deployed: `out/<cluster>/deployed/<number>/` holds the deploy files of a build, so that it can be deployed
//! again. The images stay in `images/` (`kubi gc` keeps them), and in the pools.

use super::folder::{Folder, FolderError, number_of, read};
use crate::build::Build;
use std::io;
use std::path::Path;

/// So many builds can be gone back to.
const KEPT: usize = 5;

impl Folder {
    /// Notes that a build is being deployed. A folder without `build.json` is one that was interrupted here.
    pub fn remember(&self, build: &Build) -> Result<(), FolderError> {
        let target = self.deployed_folder().join(build.number.to_string());
        let path = self.root.join("build.json");
        let record = read(&path)?;
        if number_of(&record) != Some(build.number) {
            // A newer build was published since this one was read.
            return Err(FolderError::NotOfBuild { path, number: build.number });
        }
        if std::fs::read(target.join("build.json")).is_ok_and(|known| known == record) {
            return Ok(());
        }
        remove(&target)?;
        let xml = build.xml.keys().map(String::as_str);
        for path in xml.chain(["deploy.json"]) {
            let bytes = read(&self.relative(path))?;
            write(&target.join("deploy").join(path), &bytes)?;
        }
        write(&target.join("build.json"), &record)
    }

    /// Builds that are too old to go back to, and those that are not.
    pub fn old_and_kept(&self) -> (Vec<u64>, Vec<u64>) {
        let mut old = self.deployed_numbers();
        let kept = old.split_off(old.len().saturating_sub(KEPT));
        (old, kept)
    }

    /// After its images have gone from the pools: nothing else knows their names.
    pub fn forget(&self, number: u64) -> Result<(), FolderError> {
        remove(&self.deployed_folder().join(number.to_string()))
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    std::fs::write(path, bytes).map_err(failed(path))
}

fn remove(folder: &Path) -> Result<(), FolderError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(failed(folder)),
    }
}
