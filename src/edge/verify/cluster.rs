//! A cluster's folder: records, review trees, images, deploy and operator files.

use super::{Verification, check_file, review};
use crate::edge::files;
use crate::edge::output::{Output, OutputError};
use crate::store::BuildRecord;
use crate::tree::Digest;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What kubi makes in a cluster's folder, and the one that kubi-deploy makes.
const FOLDERS: [&str; 7] = ["build.json", "builds", "deploy", "deployed", "images", "nodes", "operator"];

pub fn check(
    output: &Output,
    cluster: &str,
    record: &BuildRecord,
    verification: &mut Verification,
) -> Result<(), OutputError> {
    let folder = output.cluster_path(cluster);
    for name in files::names(&folder)?.iter().filter(|name| !FOLDERS.contains(&name.as_str())) {
        verification.find(output, &folder.join(name), "is extra: kubi makes no such thing");
    }
    let images = check_records(output, cluster, record, verification)?;
    check_images(output, cluster, &images, verification)?;
    for overlay in record.nodes.values().filter_map(|node| node.overlay.as_ref()) {
        check_private(output, &output.image_path(cluster, &overlay.file), verification);
    }
    check_files(output, cluster, record, verification)?;
    check_nodes(output, cluster, record, verification)
}

/// `build.json` and the newest record in `builds/` are the same bytes, in the one form that kubi writes. Returns the
/// images that this build and older ones need.
fn check_records(
    output: &Output,
    cluster: &str,
    record: &BuildRecord,
    verification: &mut Verification,
) -> Result<BTreeMap<String, Digest>, OutputError> {
    let path = output.cluster_path(cluster).join("build.json");
    let newest = files::read(&path)?;
    if record.to_bytes().ok().as_ref() != Some(&newest) {
        verification.find(output, &path, "is not written as kubi writes it");
    }
    let numbers = output.builds(cluster)?;
    if numbers.last() != Some(&record.number) {
        let problem = format!("is of build {}, which is not the newest record in builds/", record.number);
        verification.find(output, &path, problem);
    }
    let copy = output.build_path(cluster, record.number);
    match files::read_optional(&copy)? {
        Some(bytes) if bytes == newest => {}
        Some(_) => {
            // Nothing says which of the two is right.
            verification.find(output, &copy, "differs from build.json, whose copy it is");
            verification.find(output, &path, format!("differs from its copy, builds/{}.json", record.number));
        }
        None => verification.find(output, &copy, "is missing"),
    }
    let owned = |record: &BuildRecord| -> Vec<_> {
        record.image_files().map(|(file, digest)| (file.to_owned(), *digest)).collect()
    };
    let mut images = BTreeMap::new();
    for number in numbers {
        match output.build(cluster, number) {
            Ok(Some(older)) if older.number == number => images.extend(owned(&older)),
            Ok(Some(older)) => {
                let problem = format!("is the record of build {}", older.number);
                verification.find(output, &output.build_path(cluster, number), problem);
            }
            Ok(None) => {}
            Err(error) => verification.find(output, &output.build_path(cluster, number), error),
        }
    }
    for older in output.deployed(cluster)? {
        images.extend(owned(&older));
    }
    images.extend(owned(record));
    Ok(images)
}

fn check_images(
    output: &Output,
    cluster: &str,
    images: &BTreeMap<String, Digest>,
    verification: &mut Verification,
) -> Result<(), OutputError> {
    let folder = output.cluster_path(cluster).join("images");
    let present = files::names(&folder)?;
    for file in present.iter().filter(|file| !images.contains_key(*file)) {
        verification.find(output, &folder.join(file), "is extra: no build needs it; `kubi gc` removes it");
    }
    let checked: Vec<Verification> = images
        .par_iter()
        .map(|(file, digest)| {
            let mut one = Verification { images: 1, ..Verification::default() };
            check_file(output, &folder.join(file), digest, &mut one);
            one
        })
        .collect();
    for one in checked {
        verification.add(one);
    }
    Ok(())
}

fn check_files(
    output: &Output,
    cluster: &str,
    record: &BuildRecord,
    verification: &mut Verification,
) -> Result<(), OutputError> {
    let folder = output.cluster_path(cluster);
    for (file, digest) in &record.files {
        verification.files += 1;
        check_file(output, &folder.join(file), digest, verification);
        if file.starts_with("operator/") {
            check_private(output, &folder.join(file), verification);
        }
    }
    for below in ["deploy", "operator"] {
        for file in files::files_below(&folder.join(below))? {
            let relative = format!("{below}/{file}");
            if !record.files.contains_key(&relative) {
                verification.find(output, &folder.join(&relative), "is extra: the newest build has no such file");
            }
        }
    }
    Ok(())
}

/// Files with secrets are their owner's alone.
fn check_private(output: &Output, path: &Path, verification: &mut Verification) {
    let mode = std::fs::symlink_metadata(path).map(|metadata| metadata.mode() & 0o7777);
    // A file that is not there has been named already.
    if let Some(mode) = mode.ok().filter(|mode| mode & 0o077 != 0) {
        verification.find(
            output,
            path,
            format!("holds secrets, but others may read or write it: its mode is {mode:04o}, not 0600"),
        );
    }
}

fn check_nodes(
    output: &Output,
    cluster: &str,
    record: &BuildRecord,
    verification: &mut Verification,
) -> Result<(), OutputError> {
    let nodes: Vec<_> = record.nodes.iter().collect();
    let checked: Vec<Verification> =
        nodes.par_iter().map(|(name, node)| review::check(output, cluster, name, node)).collect();
    for one in checked {
        verification.add(one);
    }
    let folder = output.cluster_path(cluster).join("nodes");
    for name in files::names(&folder)?.iter().filter(|name| !record.nodes.contains_key(*name)) {
        verification.find(output, &folder.join(name), "is extra: the newest build has no such node");
    }
    Ok(())
}
