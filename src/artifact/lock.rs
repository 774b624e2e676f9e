//! `kubi.lock`: the base image and the artifacts that a cluster is built from, pinned by digest. Its text form is in
//! `lock_text.rs`.

use super::TextError;
use super::catalog::{Catalog, check_name, check_version};
use crate::image::ImageFormat;
use crate::spec::model::Architecture;
use crate::tree::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Everything that a cluster is built from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pub base: Option<LockedBase>,
    /// Sorted by name, version and platform; no two alike.
    pub artifacts: Vec<LockedArtifact>,
}

/// The operating system disk that overlays build on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedBase {
    pub name: String,
    /// Of the image file.
    pub digest: Digest,
    pub format: ImageFormat,
    pub architecture: Architecture,
    /// Bytes that a guest sees.
    pub virtual_size: u64,
    pub root: RootDevice,
    /// For direct kernel boot.
    #[serde(default)]
    pub kernel: Option<Digest>,
    /// For direct kernel boot.
    #[serde(default)]
    pub initrd: Option<Digest>,
    /// Every installed Debian package and its version.
    pub packages: BTreeMap<String, String>,
}

/// How the kernel finds its root: `PARTUUID=`, `UUID=` or `LABEL=`, as `root=` on its command line has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootDevice(String);

impl RootDevice {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RootDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RootDevice {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        match text.split_once('=') {
            Some(("PARTUUID" | "UUID" | "LABEL", value)) if !value.is_empty() && value.bytes().all(good) => {
                Ok(Self(text))
            }
            _ => Err(format!("{text:?} names no root device: write PARTUUID=, UUID= or LABEL= and its value")),
        }
    }
}

impl From<RootDevice> for String {
    fn from(device: RootDevice) -> String {
        device.0
    }
}

/// One pinned file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedArtifact {
    pub name: String,
    pub version: String,
    pub platform: Architecture,
    pub digest: Digest,
    /// Where to get it: a URL, or `vendored:FILE` for a build of the user's own.
    pub source: String,
}

/// What a `vendored:` source starts with: no URL, the user brings the file.
pub const VENDORED: &str = "vendored:";

impl LockedArtifact {
    /// Whether it is the user's own build, pinned with their explicit consent: there is no source to fetch it from, and it
    /// may differ from a published release of the same version.
    pub fn is_vendored(&self) -> bool {
        self.source.starts_with(VENDORED)
    }

    /// Name, version and platform: what identifies it in a lock.
    pub fn key(&self) -> (&str, &str, Architecture) {
        (&self.name, &self.version, self.platform)
    }
}

impl fmt::Display for LockedArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} for {}", self.name, self.version, self.platform.name())
    }
}

/// Why a lock is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    #[error("kubi.lock: {0}\n  help: restore it from version control, or delete it and run `kubi lock`")]
    Text(TextError),
    #[error("kubi.lock: {0}\n  help: it was edited or merged by hand; run `kubi lock` to write it again")]
    Edited(TextError),
    #[error(
        "kubi.lock: {artifact} is pinned to {locked}, but that release is published as {published}\n  help: the lock was changed by hand, or somebody swapped the release; compare, then run `kubi lock` to pin the published one"
    )]
    Digest { artifact: String, locked: Box<Digest>, published: Box<Digest> },
    #[error("kubi.lock: {0}\n  help: run `kubi lock` to write it again")]
    Value(String),
}

impl Lock {
    /// Adds or replaces an artifact and keeps the order.
    pub fn put(&mut self, artifact: LockedArtifact) {
        self.artifacts.retain(|old| old.key() != artifact.key());
        self.artifacts.push(artifact);
        self.artifacts.sort();
    }

    /// The pinned file of a release.
    pub fn artifact(&self, name: &str, version: &str, platform: Architecture) -> Option<&LockedArtifact> {
        self.artifacts.iter().find(|artifact| artifact.key() == (name, version, platform))
    }

    /// Everything that must hold beyond the types: names, versions, and digests that the catalog knows otherwise.
    pub fn check(&self, catalog: &Catalog) -> Result<(), LockError> {
        for artifact in &self.artifacts {
            check_name(&artifact.name).map_err(LockError::Value)?;
            check_version(&artifact.version).map_err(LockError::Value)?;
            if artifact.is_vendored() {
                continue;
            }
            let published = catalog.release(&artifact.name, &artifact.version, artifact.platform);
            if let Some(published) = published.filter(|release| release.digest != artifact.digest) {
                return Err(LockError::Digest {
                    artifact: artifact.to_string(),
                    locked: Box::new(artifact.digest),
                    published: Box::new(published.digest),
                });
            }
        }
        Ok(())
    }
}
