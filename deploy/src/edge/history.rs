//! What was deployed: `out/<cluster>/deployed/<number>/` holds the deploy files of a build, so that it can be deployed
//! again, and the operator's credentials of then. The images stay in `images/` (`kubi gc` keeps them), and in the pools.

use super::folder::{Folder, FolderError, number_of, read};
use crate::build::Build;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
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
        self.remember_operator(build, &target)?;
        write(&target.join("build.json"), &record)
    }

    /// A build that is gone back to is asked with the credentials of its own: authorities may have changed since.
    fn remember_operator(&self, build: &Build, target: &Path) -> Result<(), FolderError> {
        for path in build.deployment.operator_files() {
            let bytes = read(&self.relative(path))?;
            let copy = target.join("deploy").join(path);
            if let Some(parent) = copy.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed(parent))?;
            }
            write_secret(&copy, &bytes)?;
        }
        Ok(())
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

/// Private keys are their owner's alone from the start.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(failed(path))
}

fn remove(folder: &Path) -> Result<(), FolderError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(failed(folder)),
    }
}
