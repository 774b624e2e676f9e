//! A node's review tree against its `manifest.json`, whose digest is in the build's record.

use super::{Verification, check_file};
use crate::edge::files;
use crate::edge::output::Output;
use crate::edge::review_tree::review_mode;
use crate::store::{NodeRecord, ReviewEntry, ReviewManifest};
use crate::tree::NodePath;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub fn check(output: &Output, cluster: &str, name: &str, record: &NodeRecord) -> Verification {
    let mut verification = Verification { nodes: 1, ..Verification::default() };
    let folder = output.node_path(cluster, name);
    let path = folder.join("manifest.json");
    if check_file(output, &path, &record.review, &mut verification) {
        match files::read(&path) {
            Ok(bytes) => check_manifest(output, &folder, &bytes, record, &mut verification),
            Err(error) => verification.find(output, &path, super::missing(&error)),
        }
    }
    for extra in files::names(&folder).unwrap_or_default() {
        if !["manifest.json", "tree"].contains(&extra.as_str()) {
            verification.find(output, &folder.join(extra), "is extra: kubi makes no such thing");
        }
    }
    verification
}

fn check_manifest(output: &Output, folder: &Path, bytes: &[u8], record: &NodeRecord, verification: &mut Verification) {
    let path = folder.join("manifest.json");
    let manifest = match ReviewManifest::parse(bytes) {
        Ok(manifest) => manifest,
        Err(error) => return verification.find(output, &path, format!("is damaged: {error}")),
    };
    if manifest.bundle != record.bundle {
        verification.find(output, &path, format!("is of bundle {}, not {}", manifest.bundle, record.bundle));
    }
    let tree = folder.join("tree");
    let mut expected: BTreeMap<NodePath, Option<&ReviewEntry<'_>>> = BTreeMap::new();
    for entry in &manifest.entries {
        let Ok(path) = NodePath::new(entry.path.as_ref()) else { continue };
        for parent in std::iter::successors(path.parent(), NodePath::parent) {
            expected.entry(parent).or_insert(None);
        }
        expected.insert(path, Some(entry));
    }
    for (path, entry) in &expected {
        verification.files += 1;
        check_entry(output, &tree.join(path.relative()), *entry, verification);
    }
    for extra in extra_paths(&tree, &expected) {
        verification.find(output, &extra, "is extra: the bundle has no such entry");
    }
}

/// `None` stands for a directory that only exists because something is in it.
fn check_entry(output: &Output, path: &Path, entry: Option<&ReviewEntry<'_>>, verification: &mut Verification) {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return verification.find(output, path, "is missing");
    };
    let kind = entry.map_or("directory", |entry| entry.kind.as_ref());
    let right = match kind {
        "directory" => metadata.is_dir(),
        "file" => metadata.is_file(),
        _ => metadata.is_symlink(),
    };
    if !right {
        return verification.find(output, path, format!("is no {kind}"));
    }
    let Some(entry) = entry else { return };
    if let Some(digest) = &entry.digest {
        check_file(output, path, digest, verification);
        let (mode, expected) = (metadata.mode() & 0o7777, review_mode(entry.mode));
        if mode != expected {
            verification.find(output, path, format!("has mode {mode:04o}, not {expected:04o}"));
        }
    }
    if let Some(target) = &entry.target {
        let actual = std::fs::read_link(path).unwrap_or_default();
        if actual.as_os_str() != target.as_ref() {
            verification.find(output, path, format!("leads to {}, not {target}", actual.display()));
        }
    }
}

/// What is in the folder and is not expected there. Of an extra folder only the folder itself is named.
fn extra_paths(tree: &Path, expected: &BTreeMap<NodePath, Option<&ReviewEntry<'_>>>) -> BTreeSet<PathBuf> {
    let mut extra = BTreeSet::new();
    let mut open = vec![String::new()];
    while let Some(prefix) = open.pop() {
        for name in files::names(&tree.join(prefix.trim_start_matches('/'))).unwrap_or_default() {
            let path = format!("{prefix}/{name}");
            let full = tree.join(&path[1..]);
            if !NodePath::new(path.as_str()).is_ok_and(|path| expected.contains_key(&path)) {
                extra.insert(full);
            } else if std::fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_dir()) {
                open.push(path);
            }
        }
    }
    extra
}
