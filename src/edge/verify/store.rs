//! The OCI image layout: every blob has the digest it is named by, all that builds need is there, and nothing else.

use super::{Verification, check_file, missing};
use crate::edge::files::{self};
use crate::edge::output::{Output, OutputError};
use crate::store::{BuildRecord, Index, IndexEntry, Needed, OCI_LAYOUT};
use crate::tree::Digest;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub fn check(
    output: &Output,
    records: &[(String, BuildRecord)],
    whole: bool,
    verification: &mut Verification,
) -> Result<(), OutputError> {
    let mut needed = BTreeSet::new();
    for (_, record) in records {
        needed.extend(check_bundles(output, record, verification));
    }
    if whole {
        needed.extend(older_blobs(output, records)?);
    }
    let foreign = check_index(output, records, whole, verification);
    let blobs = output.root().join("store/blobs/sha256");
    let present = files::names(&blobs)?;
    for digest in needed.iter().filter(|digest| !present.contains(digest.hex())) {
        verification.find(output, &output.blob_path(digest), "is missing");
    }
    let wanted = |name: &&String| whole || named(name).is_some_and(|digest| needed.contains(&digest));
    let checked: Vec<Verification> = present
        .iter()
        .filter(wanted)
        .collect::<Vec<_>>()
        .par_iter()
        .map(|name| check_blob(output, &blobs, name))
        .collect();
    for one in checked {
        verification.add(one);
    }
    // What other tools have listed in the index is theirs; following it is their business.
    if whole && !foreign {
        let known: BTreeSet<&str> = needed.iter().map(Digest::hex).collect();
        for name in present.iter().filter(|name| !known.contains(name.as_str())) {
            verification.find(output, &blobs.join(name), "is extra: no build needs it; `kubi gc` removes it");
        }
    }
    Ok(())
}

/// The digest that a blob's file name stands for.
fn named(file: &str) -> Option<Digest> {
    format!("sha256:{file}").parse().ok()
}

fn check_blob(output: &Output, folder: &Path, name: &str) -> Verification {
    let mut verification = Verification { blobs: 1, ..Verification::default() };
    let path = folder.join(name);
    match named(name) {
        Some(digest) => drop(check_file(output, &path, &digest, &mut verification)),
        None => verification.find(output, &path, "is extra: its name is no digest"),
    }
    verification
}

/// Reads each bundle of a build as strictly as the format asks. Returns the blobs that they consist of.
fn check_bundles(output: &Output, record: &BuildRecord, verification: &mut Verification) -> BTreeSet<Digest> {
    let bundles: Vec<&Digest> = record.nodes.values().map(|node| &node.bundle).collect();
    let checked: Vec<_> = bundles
        .par_iter()
        .map(|digest| {
            let mut needed = Needed::default();
            needed.blobs.insert(*(*digest));
            let manifest = output.manifest(digest);
            if let Ok(manifest) = &manifest {
                needed.add_manifest(manifest);
            }
            // Missing and wrong blobs are named by the caller; this is about right bytes that make no bundle.
            let sound =
                needed.blobs.iter().all(|blob| super::digest(&output.blob_path(blob)).is_ok_and(|(d, _)| d == *blob));
            let error = if sound { manifest.and_then(|_| output.tree(digest)).err() } else { None };
            (needed.blobs, error.map(|error| (*digest, error.to_string())))
        })
        .collect();
    let mut needed = BTreeSet::new();
    for (blobs, error) in checked {
        needed.extend(blobs);
        if let Some((digest, error)) = error {
            verification.find(output, &output.blob_path(digest), error);
        }
    }
    needed
}

/// The blobs of older builds whose records are kept. A record that cannot be read is a finding of its cluster.
fn older_blobs(output: &Output, records: &[(String, BuildRecord)]) -> Result<BTreeSet<Digest>, OutputError> {
    let mut needed = Needed::default();
    for (cluster, _) in records {
        for number in output.builds(cluster)? {
            let Ok(Some(record)) = output.build(cluster, number) else { continue };
            needed.add_build(cluster, &record);
            for node in record.nodes.values() {
                if let Ok(manifest) = output.manifest(&node.bundle) {
                    needed.add_manifest(&manifest);
                }
            }
        }
    }
    Ok(needed.blobs)
}

/// Returns whether other tools have added something.
fn check_index(
    output: &Output,
    records: &[(String, BuildRecord)],
    whole: bool,
    verification: &mut Verification,
) -> bool {
    let store = output.root().join("store");
    let layout = store.join("oci-layout");
    match files::read(&layout) {
        Ok(bytes) if bytes == OCI_LAYOUT.as_bytes() => {}
        Ok(bytes)
            if serde_json::from_slice::<serde_json::Value>(&bytes).ok() == serde_json::from_str(OCI_LAYOUT).ok() => {}
        Ok(_) => verification.find(output, &layout, "is not the layout file of an OCI image layout"),
        Err(error) => verification.find(output, &layout, missing(&error)),
    }
    let path = store.join("index.json");
    let parsed = files::read(&path).map_err(|error| missing(&error));
    let parsed = parsed.and_then(|bytes| match Index::parse(&bytes) {
        Ok(index) => Ok((bytes, index)),
        Err(error) => Err(format!("is damaged: {error}")),
    });
    let (bytes, index) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => {
            verification.find(output, &path, problem);
            return false;
        }
    };
    for (cluster, record) in records {
        check_entries(output, cluster, record, &index, verification);
    }
    let foreign = index.entries().iter().any(|entry| entry.cluster().is_none());
    if whole && !foreign {
        let clusters: BTreeSet<&str> = records.iter().map(|(name, _)| name.as_str()).collect();
        for entry in index.entries().iter().filter(|e| e.cluster().is_some_and(|name| !clusters.contains(name))) {
            verification.find(output, &path, format!("lists {} of a cluster that is not here", entry.digest));
        }
        if index.to_bytes().ok().as_ref() != Some(&bytes) {
            verification.find(output, &path, "is not written as kubi writes it");
        }
    }
    foreign
}

fn check_entries(output: &Output, cluster: &str, record: &BuildRecord, index: &Index, verification: &mut Verification) {
    let path = output.root().join("store/index.json");
    let mut listed: BTreeMap<&str, Vec<&IndexEntry>> = BTreeMap::new();
    for entry in index.entries().iter().filter(|entry| entry.cluster() == Some(cluster)) {
        listed.entry(entry.node().unwrap_or_default()).or_default().push(entry);
    }
    for (node, built) in &record.nodes {
        let size = std::fs::metadata(output.blob_path(&built.bundle)).map(|metadata| metadata.len()).unwrap_or(0);
        let expected = IndexEntry::bundle(cluster, node, built.bundle, size);
        match listed.remove(node.as_str()).as_deref() {
            Some([entry]) if **entry == expected || size == 0 => {}
            Some(_) => verification.find(output, &path, format!("has a wrong entry for {cluster}/{node}")),
            None => verification.find(output, &path, format!("does not list {cluster}/{node}")),
        }
    }
    for node in listed.keys() {
        verification.find(output, &path, format!("lists {cluster}/{node}, which is no node of the newest build"));
    }
}
