//! Gathers the files of an artifact disk: verifies each artifact in the cache, unpacks archives once, and says which file
//! goes where below `/opt/kubi`.

use super::cache::Cache;
use super::files;
use super::scratch::Scratch;
use crate::artifact::unpack::{Limits, Sink, UnpackError, unpack};
use crate::artifact::{Artifact, Catalog, DiskPath, Format, LockedArtifact};
use crate::image::ArtifactEntry;
use crate::tree::{Digest, Mode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The files of one artifact disk.
#[derive(Debug, Default)]
pub struct Staged {
    entries: BTreeMap<DiskPath, StagedEntry>,
}

#[derive(Clone, Debug)]
enum StagedEntry {
    File { mode: Mode, source: PathBuf },
    Symlink { target: String },
}

#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error("not in the cache: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Missing(Vec<LockedArtifact>),
    #[error("{0} was damaged in the cache and is removed from it; fetch or add it again")]
    Damaged(String),
    #[error("{0} is not in the catalog, so it is not known where its files go")]
    Unknown(String),
    #[error("{artifact}: {error}")]
    Unpack { artifact: String, error: UnpackError },
    #[error("{first} and {second} both install {path}")]
    Collision { path: DiskPath, first: String, second: String },
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
}

/// Gathers the files of `artifacts`.
///
/// # Errors
/// All missing artifacts together; a damaged or refused one; two that install the same path.
pub fn stage(artifacts: &[LockedArtifact], catalog: &Catalog, cache: &Cache) -> Result<Staged, StageError> {
    let missing: Vec<_> = artifacts.iter().filter(|artifact| !cache.has(&artifact.digest)).cloned().collect();
    if !missing.is_empty() {
        return Err(StageError::Missing(missing));
    }
    let mut staged = Staged::default();
    let mut owners: BTreeMap<DiskPath, &LockedArtifact> = BTreeMap::new();
    for locked in artifacts {
        let known = catalog.get(&locked.name).ok_or_else(|| StageError::Unknown(locked.to_string()))?;
        let blob = cache.path(&locked.digest);
        if !cache.verify(&locked.digest).map_err(file_error(&blob))? {
            return Err(StageError::Damaged(locked.to_string()));
        }
        for (path, entry) in entries_of(locked, known, cache, &blob)? {
            if let Some(first) = owners.insert(path.clone(), locked) {
                return Err(StageError::Collision { path, first: first.to_string(), second: locked.to_string() });
            }
            staged.entries.insert(path, entry);
        }
    }
    Ok(staged)
}

impl Staged {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the squashfs writer takes; files are opened when their turn comes.
    pub fn disk_entries(&self) -> BTreeMap<DiskPath, ArtifactEntry<'_>> {
        let convert = |entry: &StagedEntry| match entry {
            StagedEntry::Symlink { target } => ArtifactEntry::Symlink { target: target.clone() },
            StagedEntry::File { mode, source } => {
                let source = source.clone();
                let open = move || File::open(source).map(|file| Box::new(file) as Box<dyn Read>);
                ArtifactEntry::File { mode: *mode, open: Box::new(open) }
            }
        };
        self.entries.iter().map(|(path, entry)| (path.clone(), convert(entry))).collect()
    }
}

/// What was unpacked, beside the files: sources are names in the same directory.
#[derive(Serialize, Deserialize)]
struct Index(Vec<(DiskPath, Unpacked)>);

#[derive(Clone, Serialize, Deserialize)]
enum Unpacked {
    File { mode: Mode, name: String, size: u64 },
    Symlink { target: String },
}

const INDEX: &str = "index.json";

fn entries_of(
    locked: &LockedArtifact,
    known: &Artifact,
    cache: &Cache,
    blob: &Path,
) -> Result<Vec<(DiskPath, StagedEntry)>, StageError> {
    let mut entries = vec![];
    if known.format == Format::Binary {
        for destination in known.install.values() {
            let mode = destination.mode().unwrap_or(Mode::EXECUTABLE);
            entries.push((destination.path().clone(), StagedEntry::File { mode, source: blob.to_owned() }));
        }
    } else {
        let directory = unpacked(locked, known, cache, blob)?;
        let Index(found) = read_index(&directory)?;
        entries.extend(found.into_iter().map(|(path, entry)| match entry {
            Unpacked::File { mode, name, .. } => (path, StagedEntry::File { mode, source: directory.join(name) }),
            Unpacked::Symlink { target } => (path, StagedEntry::Symlink { target }),
        }));
    }
    let links =
        known.links.iter().map(|(path, target)| (path.clone(), StagedEntry::Symlink { target: target.clone() }));
    entries.extend(links);
    Ok(entries)
}

/// What is in a directory of unpacked files, all of which are there.
fn read_index(directory: &Path) -> Result<Index, StageError> {
    let path = directory.join(INDEX);
    let bytes = fs::read(&path).map_err(file_error(&path))?;
    let index: Index = serde_json::from_slice(&bytes).map_err(io::Error::from).map_err(file_error(&path))?;
    for (_, entry) in &index.0 {
        if let Unpacked::File { name, size, .. } = entry {
            // kubi numbers them: any other name would be a file of somebody else.
            let own = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
            let whole =
                own && fs::symlink_metadata(directory.join(name)).is_ok_and(|m| m.is_file() && m.len() == *size);
            if !whole {
                return Err(file_error(&path)(io::ErrorKind::InvalidData.into()));
            }
        }
    }
    Ok(index)
}

/// The directory that the archive is unpacked in, once for each way of installing it.
fn unpacked(locked: &LockedArtifact, known: &Artifact, cache: &Cache, blob: &Path) -> Result<PathBuf, StageError> {
    let way = Digest::of(format!("{:?} {} {:?}", known.install, locked.version, locked.platform).as_bytes());
    let parent = cache.root().join("unpacked");
    let directory = parent.join(format!("{}-{}", locked.digest.hex(), &way.hex()[..16]));
    if read_index(&directory).is_ok() {
        return Ok(directory);
    }
    // Damaged, or of a kubi that wrote it otherwise: it is only a copy.
    files::remove(&directory).map_err(|error| file_error(&directory)(error.source))?;
    fs::create_dir_all(&parent).map_err(file_error(&parent))?;
    let scratch = Scratch::new_in(&parent, ".unpack-").map_err(file_error(&parent))?;
    let mut sink = Directory { path: scratch.path(), entries: vec![], names: BTreeMap::new() };
    let input = File::open(blob).map_err(file_error(blob))?;
    let input = io::BufReader::with_capacity(1 << 17, input);
    unpack(known, &locked.version, locked.platform, input, Limits::default(), &mut sink)
        .map_err(|error| StageError::Unpack { artifact: locked.to_string(), error })?;
    let index = serde_json::to_vec(&Index(sink.entries)).map_err(io::Error::from);
    let path = scratch.path().join(INDEX);
    index.and_then(|index| fs::write(&path, index)).map_err(file_error(&path))?;
    // Only what is whole on the disk gets the name that it is trusted by.
    files::sync_below(scratch.path()).map_err(|error| file_error(&directory)(error.source))?;
    match fs::rename(scratch.path(), &directory) {
        // Somebody else was quicker; theirs is the same.
        Err(_) if directory.join(INDEX).is_file() => {}
        result => result.map_err(file_error(&directory))?,
    }
    Ok(directory)
}

/// Writes what is unpacked as numbered files: no name of the archive reaches the file system.
struct Directory<'a> {
    path: &'a Path,
    entries: Vec<(DiskPath, Unpacked)>,
    names: BTreeMap<DiskPath, Unpacked>,
}

impl Sink for Directory<'_> {
    fn file(&mut self, path: &DiskPath, mode: Mode, contents: &mut dyn Read) -> io::Result<()> {
        let name = self.names.len().to_string();
        let size = io::copy(contents, &mut File::create_new(self.path.join(&name))?)?;
        let file = Unpacked::File { mode, name, size };
        self.names.insert(path.clone(), file.clone());
        self.entries.push((path.clone(), file));
        Ok(())
    }

    fn same_file(&mut self, path: &DiskPath, earlier: &DiskPath) -> io::Result<()> {
        let file = self.names.get(earlier).cloned().ok_or(io::ErrorKind::NotFound)?;
        self.entries.push((path.clone(), file));
        Ok(())
    }

    fn symlink(&mut self, path: &DiskPath, target: &str) -> io::Result<()> {
        self.entries.push((path.clone(), Unpacked::Symlink { target: target.to_owned() }));
        Ok(())
    }
}

fn file_error(path: &Path) -> impl Fn(io::Error) -> StageError + '_ {
    |error| StageError::File { path: path.to_owned(), error }
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
