//! How much room a tree needs, worked out before anything is changed.

use super::super::ImageError;
use super::directory::record_length;
use super::editor::Editor;
use super::entries::Body;
use super::extents::{INLINE_RECORDS, records_per_block};
use super::inode::FAST_LINK;
use super::walk::{Last, Place};
use crate::tree::NodePath;
use std::collections::{BTreeMap, BTreeSet};

/// Blocks and inodes, never too few: what replaced files give back is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    blocks: u64,
    inodes: u64,
}

impl Editor<'_> {
    /// Refuses a tree that does not fit, and otherwise chooses where it goes.
    pub(in super::super) fn reserve<'t>(
        &mut self,
        entries: impl Iterator<Item = (&'t NodePath, Body<'t>)>,
    ) -> Result<(), ImageError> {
        let need = self.need(entries)?;
        if need.blocks > self.free_blocks || need.inodes > self.free_inodes {
            return Err(ImageError::NoSpace {
                block_size: self.volume.superblock.block_size,
                needed_blocks: need.blocks,
                free_blocks: self.free_blocks,
                needed_inodes: need.inodes,
                free_inodes: self.free_inodes,
            });
        }
        self.choose_start(need.blocks, need.inodes)
    }

    fn need<'t>(&self, entries: impl Iterator<Item = (&'t NodePath, Body<'t>)>) -> Result<Need, ImageError> {
        let mut need = Need::default();
        // Bytes of names that each directory gets.
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        let mut missing = BTreeSet::new();
        for (path, body) in entries {
            let parent = path.parent().map_or_else(String::new, |parent| parent.to_string());
            *names.entry(parent).or_default() += record_length(path.file_name().len()) as u64;
            match body {
                Body::Directory => self.add_missing(path.as_str(), &mut missing)?,
                Body::File(bytes) => self.add_file(&mut need, bytes.len()),
                Body::Symlink(target) if target.len() >= FAST_LINK => self.add_file(&mut need, target.len()),
                Body::Symlink(_) => need.inodes += 1,
            }
        }
        for parent in names.keys().filter(|parent| !parent.is_empty()) {
            self.add_missing(parent, &mut missing)?;
        }
        for path in &missing {
            let name = path.rsplit('/').next().unwrap_or_default();
            let parent = path.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
            *names.entry(parent.to_owned()).or_default() += record_length(name.len()) as u64;
        }
        need.inodes += missing.len() as u64;
        need.blocks += missing.len() as u64;
        // A directory that grows may split leaves into halves, and its index and its tree may need a block or two.
        let half = self.volume.superblock.block_size as u64 / 2;
        need.blocks += names.values().map(|bytes| bytes / half + 3).sum::<u64>();
        Ok(need)
    }

    fn add_file(&self, need: &mut Need, bytes: usize) {
        let blocks = bytes.div_ceil(self.volume.superblock.block_size) as u64;
        need.inodes += 1;
        need.blocks += blocks;
        // In the worst case every block lies alone, and the list of them takes blocks of its own.
        if blocks > INLINE_RECORDS as u64 {
            need.blocks += 1 + blocks / records_per_block(self.volume.superblock.block_size) as u64;
        }
    }

    /// Notes every directory on the way to `path`, itself included, that must be made.
    fn add_missing(&self, path: &str, missing: &mut BTreeSet<String>) -> Result<(), ImageError> {
        if missing.contains(path) {
            return Ok(());
        }
        if let Place::Missing { names, .. } = self.view().walk(path, Last::Follow)? {
            let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
            let all: Vec<&str> = ends.map(|end| &path[..end]).collect();
            missing.extend(all.iter().rev().take(names.len()).map(|path| (*path).to_owned()));
        }
        Ok(())
    }
}
