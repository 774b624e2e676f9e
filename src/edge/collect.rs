//! Garbage collection: removes what no kept build needs. Never touches nodes, deploy files, what kubi-deploy has noted, or
//! the newest records.

use super::commit::{self, LOCK};
use super::files::{self, failed};
use super::lock_file::LockFile;
use super::output::{Output, OutputError};
use crate::store::{BuildRecord, Index, Needed, builds_to_keep};
use crate::tree::Digest;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What was removed, or would be.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Paths relative to the output folder.
    pub builds: Vec<String>,
    pub images: Vec<String>,
    pub blobs: Vec<String>,
    pub bytes: u64,
    /// Bundles of kept builds that cannot be read: what they need is not known, so that no blob is removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// Keeps what the newest `keep` builds of every cluster need. Everything that this decides is decided before the first
/// file is removed, and what refers to a file goes before the file, so that it can be killed at any moment.
pub fn collect(root: &Path, keep: usize, dry_run: bool, waiting: &mut dyn FnMut()) -> Result<Removed, OutputError> {
    if files::device(root)?.is_none() {
        return Ok(Removed::default());
    }
    let lock = LockFile::acquire(&root.join(LOCK), waiting)?;
    commit::recover_locked(root, &lock)?;
    let output = Output::open(root)?;
    let mut needed = Needed::default();
    let mut removed = Removed::default();
    let clusters = output.clusters()?;
    for cluster in &clusters {
        for record in kept_builds(&output, cluster, keep, &mut removed)? {
            needed.add_build(cluster, &record);
            for node in record.nodes.values() {
                match output.manifest(&node.bundle) {
                    Ok(manifest) => needed.add_manifest(&manifest),
                    Err(error) => removed.unreadable.push(format!("build {}, {error}", record.number)),
                }
            }
        }
    }
    for cluster in &clusters {
        for record in output.deployed(cluster)? {
            needed.add_images(cluster, &record);
        }
    }
    let index = keep_index(&output, &clusters, &mut needed)?;
    list_garbage(&output, &needed, &mut removed)?;
    if !dry_run {
        if let Some(bytes) = index {
            files::write_atomically(&root.join("store/index.json"), &bytes, 0o644)?;
        }
        for path in removed.builds.iter().chain(&removed.images).chain(&removed.blobs) {
            files::remove(&root.join(path))?;
        }
    }
    Ok(removed)
}

/// The records of a cluster that are kept; lists the others as garbage.
fn kept_builds(
    output: &Output,
    cluster: &str,
    keep: usize,
    removed: &mut Removed,
) -> Result<Vec<BuildRecord>, OutputError> {
    let newest = output.built(cluster)?;
    let numbers = output.builds(cluster)?;
    let kept = builds_to_keep(numbers.iter().copied().chain([newest.number]), keep);
    let mut records = Vec::new();
    for number in numbers {
        if number == newest.number {
            continue;
        }
        if !kept.contains(&number) {
            add(output, output.build_path(cluster, number), &mut removed.builds, &mut removed.bytes)?;
        } else if let Some(record) = output.build(cluster, number)? {
            records.push(record);
        }
    }
    records.push(newest);
    Ok(records)
}

/// Keeps what other tools have put into the store; drops entries of clusters whose folders are gone. Gives the index's
/// new bytes where they change.
fn keep_index(
    output: &Output,
    clusters: &BTreeSet<String>,
    needed: &mut Needed,
) -> Result<Option<Vec<u8>>, OutputError> {
    let path = output.root().join("store/index.json");
    let json = |source| OutputError::Json { path: path.display().to_string(), source };
    let Some(bytes) = files::read_optional(&path)? else { return Ok(None) };
    let mut index = Index::parse(&bytes).map_err(json)?;
    let gone: BTreeSet<String> = index
        .entries()
        .iter()
        .filter_map(|e| e.cluster().map(str::to_owned))
        .filter(|c| !clusters.contains(c))
        .collect();
    for cluster in &gone {
        index.replace(cluster, []);
    }
    for entry in index.entries().iter().filter(|entry| entry.cluster().is_none()) {
        keep_foreign(output, &entry.digest, needed)?;
    }
    if gone.is_empty() { Ok(None) } else { index.to_bytes().map(Some).map_err(json) }
}

/// Follows every digest in a manifest or index that kubi did not write.
fn keep_foreign(output: &Output, digest: &Digest, needed: &mut Needed) -> Result<(), OutputError> {
    let mut open = vec![*digest];
    while let Some(digest) = open.pop() {
        if !needed.blobs.insert(digest) {
            continue;
        }
        let bytes = files::read_optional(&output.blob_path(&digest))?.unwrap_or_default();
        // Layers and the like are no JSON and name nothing.
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) else { continue };
        let manifests = value["manifests"].as_array().into_iter().flatten();
        let blobs = value["layers"].as_array().into_iter().flatten().chain([&value["config"]]);
        open.extend(manifests.chain(blobs).filter_map(|part| part["digest"].as_str()?.parse::<Digest>().ok()));
    }
    Ok(())
}

fn list_garbage(output: &Output, needed: &Needed, removed: &mut Removed) -> Result<(), OutputError> {
    for (cluster, images) in &needed.images {
        for file in files::names(&output.root().join(cluster).join("images"))? {
            if !images.contains(&file) {
                add(output, output.image_path(cluster, &file), &mut removed.images, &mut removed.bytes)?;
            }
        }
    }
    if !removed.unreadable.is_empty() {
        return Ok(());
    }
    let blobs: BTreeSet<&str> = needed.blobs.iter().map(Digest::hex).collect();
    let folder = output.root().join("store/blobs/sha256");
    for name in files::names(&folder)? {
        if !blobs.contains(name.as_str()) {
            add(output, folder.join(&name), &mut removed.blobs, &mut removed.bytes)?;
        }
    }
    Ok(())
}

fn add(output: &Output, path: PathBuf, list: &mut Vec<String>, bytes: &mut u64) -> Result<(), OutputError> {
    let metadata = std::fs::symlink_metadata(&path).map_err(failed("read", &path))?;
    *bytes += metadata.len();
    let relative = path.strip_prefix(output.root()).unwrap_or(&path);
    list.push(relative.display().to_string());
    Ok(())
}
