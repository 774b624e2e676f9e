//! The cache of artifacts and base images: files by digest, shared by all of a user's clusters.

use crate::tree::Digest;
use std::fs::File;
use std::path::{Path, PathBuf};

/// `$KUBI_CACHE`, `$XDG_CACHE_HOME/kubi` or `~/.cache/kubi`. What is in it can always be fetched or built again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

/// Neither `--cache`, nor `KUBI_CACHE`, `XDG_CACHE_HOME` or `HOME` says where the cache is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no place for the cache: set KUBI_CACHE to a directory")]
pub struct NoCache;

impl Cache {
    /// Finds the cache's place; it need not exist.
    pub fn find(given: Option<&Path>) -> Result<Self, NoCache> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = given
            .map(Path::to_owned)
            .or_else(|| variable("KUBI_CACHE"))
            .or_else(|| variable("XDG_CACHE_HOME").map(|home| home.join("kubi")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/kubi")));
        root.map(|root| Self { root }).ok_or(NoCache)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file with this digest is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("sha256").join(digest.hex())
    }

    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// The file with this digest, which must be there, and its size in bytes.
    pub fn open(&self, digest: &Digest) -> std::io::Result<(File, u64)> {
        let file = File::open(self.path(digest))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }
}
