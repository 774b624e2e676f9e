//! A tree in canonical bytes: the same entries always give the same bundle, and different entries a different digest.
//!
//! Comes in: a [`Tree`](crate::tree::Tree) and the node's [`Identity`]. Goes out: three blobs of an OCI image layout (layer, config,
//! manifest) whose format is written down in `docs/bundle-format.md`. Origins are left out, and no secret is ever in a
//! bundle, because none is in a tree. [`unbundle`] is strict: it accepts exactly what [`bundle`] makes.

mod archive;
mod compress;
mod config;
mod manifest;
mod read;
mod write;

pub use config::{ConfigEntry, ConfigSecret, EntryType, read_config};
pub use manifest::{Descriptor, ImageManifest, read_manifest};
pub use read::unbundle;
pub use write::bundle;

use crate::spec::model::Architecture;
use crate::tree::{Digest, PathError, TreeError};
use serde::{Deserialize, Serialize};

/// What makes a manifest a kubi bundle.
pub const ARTIFACT_TYPE: &str = "application/vnd.kubi.tree.v1";
/// The layer: the tree's files, with stubs in place of secrets.
pub const LAYER_MEDIA_TYPE: &str = "application/vnd.kubi.tree.v1.tar+zstd";
/// The config is a valid OCI image configuration, so that common tools can inspect a bundle; kubi's part is one key in it.
pub const CONFIG_MEDIA_TYPE: &str = "application/vnd.oci.image.config.v1+json";
pub const MANIFEST_MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Largest uncompressed layer, in bytes. Big things belong on the artifact disk; hostile bundles must not fill memory.
pub const MAX_LAYER: u64 = 1 << 30;
/// Largest config, in bytes: some hundred thousand entries.
pub const MAX_CONFIG: usize = 128 << 20;
/// Largest manifest, in bytes; a canonical one has less than 1 KiB.
pub const MAX_MANIFEST: usize = 64 << 10;

/// Whose tree it is. Part of the digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    pub cluster: String,
    pub node: String,
    pub architecture: Architecture,
}

/// A tree's canonical bytes: three blobs, addressed by the digest of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The digest of `manifest`: the bundle's name.
    pub digest: Digest,
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
    pub config_digest: Digest,
    pub layer: Vec<u8>,
    pub layer_digest: Digest,
    /// The digest of every regular file's public bytes, in path order: computed once, used by the review manifest too.
    pub file_digests: Vec<Digest>,
}

/// A tree that cannot be bundled, or bytes that are no canonical bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("{what} has {size} bytes; at most {limit} are allowed")]
    TooLarge { what: &'static str, size: u64, limit: u64 },
    #[error("{what} has digest {actual}, not {expected}")]
    Digest { what: String, expected: Box<Digest>, actual: Box<Digest> },
    #[error("{what} is not valid: {source}")]
    Json { what: &'static str, source: serde_json::Error },
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("entry {path}: {problem}")]
    Entry { path: String, problem: &'static str },
    #[error("the {what} is not in canonical form: {problem}")]
    NotCanonical { what: &'static str, problem: String },
    #[error("the layer cannot be {verb}: {source}")]
    Compression { verb: &'static str, source: std::io::Error },
}

impl BundleError {
    pub fn digest(what: impl Into<String>, expected: Digest, actual: Digest) -> Self {
        Self::Digest { what: what.into(), expected: Box::new(expected), actual: Box::new(actual) }
    }
}
