//! Writing a node's tree as real files for people to read: secrets are stubs, modes are such that their owner can read
//! everything. The true modes and owners are in `manifest.json`.

use super::files::{self, FileError};
use super::new_files::NewFiles;
use crate::tree::{Entry, Kind, Mode, NodePath, Tree};
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Writes `tree` below `directory`, which must not exist. No path leads through a symbolic link: the folder is new and
/// every folder in it is made here.
pub fn write(directory: &Path, tree: &Tree, umask: u32) -> Result<(), FileError> {
    files::create_directory(directory, 0o755, umask)?;
    let mut made = BTreeSet::new();
    for (path, entry) in tree.iter() {
        write_entry(directory, path, entry, umask, &mut made)?;
    }
    Ok(())
}

fn write_entry(
    directory: &Path,
    path: &NodePath,
    entry: &Entry,
    umask: u32,
    made: &mut BTreeSet<NodePath>,
) -> Result<(), FileError> {
    if let Some(parent) = path.parent() {
        make_directories(directory, &parent, umask, made)?;
    }
    let target = directory.join(path.relative());
    match &entry.kind {
        Kind::Directory => make_directories(directory, path, umask, made),
        Kind::File(contents) => files::create(&target, contents.bytes(), review_mode(entry.mode), umask),
        Kind::Symlink(to) => symlink(to, &target).map_err(files::failed("create", &target)),
    }
}

/// Adds only the files and links of `tree` whose paths are in `some`, for the folder `place`.
pub fn add_some(new_files: &NewFiles, place: &str, tree: &Tree, some: &BTreeSet<String>) -> Result<(), FileError> {
    for (path, entry) in tree.iter().filter(|(path, _)| some.contains(path.as_str())) {
        let place = format!("{place}{path}");
        match &entry.kind {
            Kind::Directory => {}
            Kind::File(contents) => new_files.add(place, contents.bytes(), review_mode(entry.mode))?,
            Kind::Symlink(to) => new_files.add_symlink(place, to)?,
        }
    }
    Ok(())
}

/// The mode in a review tree of a file that has `mode` on the node.
pub fn review_mode(mode: Mode) -> u32 {
    let executable = mode.bits() & 0o111 != 0;
    u32::from(if executable { Mode::EXECUTABLE } else { Mode::FILE }.bits())
}

fn make_directories(root: &Path, path: &NodePath, umask: u32, made: &mut BTreeSet<NodePath>) -> Result<(), FileError> {
    if made.contains(path) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directories(root, &parent, umask, made)?;
    }
    files::create_directory(&root.join(path.relative()), 0o755, umask)?;
    made.insert(path.clone());
    Ok(())
}
