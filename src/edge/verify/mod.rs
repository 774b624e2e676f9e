//! Checks every byte below `out/` against the digests that name it.
//!
//! The chain starts at each cluster's `build.json`, which exists twice. It names bundles, review manifests, images and
//! files by digest; a bundle names its blobs, a review manifest every file of the review tree.

mod cluster;
mod review;
mod store;

use super::commit::LOCK;
use super::files::FileError;
use super::lock_file::LockFile;
use super::output::{Output, OutputError};
use crate::store::BuildRecord;
use crate::tree::Digest;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::Path;

/// Something that is not as its build made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The path of the wrong, missing or extra object, below the output folder.
    pub object: String,
    pub problem: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Verification {
    pub clusters: Vec<String>,
    pub nodes: usize,
    pub blobs: usize,
    pub images: usize,
    pub files: usize,
    pub bytes: u64,
    pub findings: Vec<Finding>,
}

/// Verifies one cluster and what it needs of the store, or all clusters and the whole store.
pub fn verify(output: &Output, cluster: Option<&str>) -> Result<Verification, OutputError> {
    // A build or `kubi gc` beside it would look like damage.
    let _lock = LockFile::share(&output.root().join(LOCK))?;
    let mut verification = Verification::default();
    let names = match cluster {
        Some(name) => [name.to_owned()].into(),
        None => output.clusters()?,
    };
    let mut records: Vec<(String, BuildRecord)> = Vec::new();
    for name in names {
        match output.record(&name) {
            Ok(Some(record)) => records.push((name.clone(), record)),
            Ok(None) => {
                // Asked for by name, or it would not have been listed.
                output.built(&name)?;
            }
            Err(error) => verification.find(output, &output.cluster_path(&name).join("build.json"), error),
        }
        verification.clusters.push(name);
    }
    store::check(output, &records, cluster.is_none(), &mut verification)?;
    for (name, record) in &records {
        cluster::check(output, name, record, &mut verification)?;
    }
    verification.findings.sort();
    verification.findings.dedup();
    Ok(verification)
}

impl Verification {
    fn find(&mut self, output: &Output, path: &Path, problem: impl ToString) {
        self.findings.push(finding(output, path, problem));
    }

    fn add(&mut self, other: Verification) {
        self.nodes += other.nodes;
        self.blobs += other.blobs;
        self.images += other.images;
        self.files += other.files;
        self.bytes += other.bytes;
        self.findings.extend(other.findings);
    }
}

fn finding(output: &Output, path: &Path, problem: impl ToString) -> Finding {
    let object = path.strip_prefix(output.root()).unwrap_or(path).display().to_string();
    Finding { object, problem: problem.to_string() }
}

/// Reads a file in pieces and compares its digest. A file that is missing or wrong is a finding, not an error.
fn check_file(output: &Output, path: &Path, expected: &Digest, verification: &mut Verification) -> bool {
    match digest(path) {
        Ok((actual, size)) => {
            verification.bytes += size;
            if actual != *expected {
                verification.find(output, path, format!("has digest {actual}, not {expected}"));
            }
            actual == *expected
        }
        Err(error) => {
            verification.find(output, path, missing(&error));
            false
        }
    }
}

fn missing(error: &FileError) -> String {
    match error.source.kind() {
        std::io::ErrorKind::NotFound => "is missing".to_owned(),
        _ => format!("cannot be read: {}", error.source),
    }
}

/// The digest and size of a file, which may be larger than memory. Links are not followed.
fn digest(path: &Path) -> Result<(Digest, u64), FileError> {
    let fail = || super::files::failed("read", path);
    let metadata = std::fs::symlink_metadata(path).map_err(fail())?;
    if !metadata.is_file() {
        return Err(fail()(std::io::Error::other("it is no regular file")));
    }
    let mut file = std::fs::File::open(path).map_err(fail())?;
    let (mut hash, mut size) = (Sha256::new(), 0u64);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer).map_err(fail())?;
        if read == 0 {
            return Ok((Digest::from_sha256(&hash.finalize().into()), size));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}
