//! What can go wrong with a base image or an overlay. No message holds a byte of a secret.

use crate::tree::FillError;

/// Why an image could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The operating system failed to read or write.
    #[error("cannot read or write the image: {0}")]
    Io(#[from] std::io::Error),
    /// The image breaks its own format: damaged, truncated or hostile.
    #[error("the image is damaged: {0}")]
    Damaged(String),
    /// The image is sound but uses something that kubi does not handle.
    #[error("the image cannot be used: {0}")]
    Unsupported(String),
    /// The root file system is something other than ext4.
    #[error(
        "the root file system is {found}, and kubi writes into ext4 only; \
         such an image needs its files delivered by a CIDATA volume through cloud-init"
    )]
    NotExt4 { found: String },
    /// A tree entry does not fit what the base image has at that path.
    #[error("{path}: {reason}")]
    Path { path: String, reason: String },
    /// Found before anything is written.
    #[error(
        "the base image is too small: the tree needs {needed_blocks} blocks of {block_size} bytes and {needed_inodes} \
         inodes, and {free_blocks} blocks and {free_inodes} inodes are free; make the base image's root larger"
    )]
    NoSpace { block_size: usize, needed_blocks: u64, free_blocks: u64, needed_inodes: u64, free_inodes: u64 },
    #[error(transparent)]
    Secret(#[from] FillError),
    /// The artifact disk could not be put together.
    #[error("cannot write the artifact disk: {0}")]
    ArtifactDisk(String),
}

impl ImageError {
    pub(super) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged(reason.into())
    }

    pub(super) fn unsupported(reason: impl Into<String>) -> Self {
        Self::Unsupported(reason.into())
    }

    pub(super) fn path(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Path { path: path.into(), reason: reason.into() }
    }
}
