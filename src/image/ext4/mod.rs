//! Reads an ext4 file system and changes it in place, in memory.
//!
//! A [`Volume`] is what all nodes share: the superblock and group descriptors, parsed and checked once. A [`View`] reads
//! a volume through any source of blocks. An [`Editor`] keeps the changed blocks of one node and reads the rest from the
//! base. Nothing here writes to the base, and no change is visible before [`Editor::finish`].
//!
//! Unlike the kernel, the editor writes no journal: the volume is not mounted, and its blocks appear together with the
//! finished overlay or not at all. Volumes whose journal must be replayed first are refused.
//!
//! Source of the format: the kernel's `Documentation/filesystems/ext4/`.

mod allocate;
mod checksum;
mod directory;
mod editor;
mod entries;
mod extents;
mod group;
mod hash;
mod index;
mod inode;
mod need;
mod superblock;
mod view;
mod walk;

pub(super) use editor::Editor;
pub(super) use entries::Body;
pub(super) use inode::{FileKind, Inode};
pub(super) use walk::{Last, Place};

pub(super) use view::{View, Volume};

use super::ImageError;
use std::sync::Arc;

/// Inode number of the root directory.
pub(super) const ROOT: u32 = 2;

/// Blocks of a file system, by number.
pub(super) trait Blocks {
    fn block(&self, number: u64) -> Result<Arc<Vec<u8>>, ImageError>;
}
