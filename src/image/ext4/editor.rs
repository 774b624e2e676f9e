//! One node's changes to a volume: changed blocks in memory, everything else from the base.

use super::super::ImageError;
use super::directory;
use super::extents::{self, BlockMap, Extent, INLINE_RECORDS};
use super::group::Group;
use super::inode::{EXTENTS, Inode};
use super::superblock;
use super::view::{View, Volume};
use super::{Blocks, checksum};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeroize::Zeroize;

/// Where the next free block or inode is looked for: group, and position in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    pub group: u32,
    pub bit: u32,
}

/// A bitmap whose checksum must be written at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bitmap {
    Blocks,
    Inodes,
}

/// Changes a volume in memory; see the methods in `entries`.
pub(in super::super) struct Editor<'a> {
    pub(super) volume: &'a Volume,
    base: &'a dyn Blocks,
    pub(super) blocks: BTreeMap<u64, Arc<Vec<u8>>>,
    pub(super) groups: BTreeMap<u32, Group>,
    pub(super) bitmaps: BTreeSet<(Bitmap, u32)>,
    pub(super) free_blocks: u64,
    pub(super) free_inodes: u64,
    pub(super) block_cursor: Cursor,
    pub(super) inode_cursor: Cursor,
    pub(super) epoch: i64,
    /// Directories that were resolved already, by path.
    pub(super) directories: BTreeMap<String, u32>,
    /// Directory and name of every entry that was written: two paths may lead to one place.
    pub(super) written: BTreeMap<(u32, Vec<u8>), String>,
}

impl Blocks for Editor<'_> {
    fn block(&self, number: u64) -> Result<Arc<Vec<u8>>, ImageError> {
        match self.blocks.get(&number) {
            Some(block) => Ok(block.clone()),
            None => self.base.block(number),
        }
    }
}

impl Drop for Editor<'_> {
    fn drop(&mut self) {
        // The blocks hold a node's private keys.
        self.blocks.values_mut().filter_map(Arc::get_mut).for_each(Zeroize::zeroize);
    }
}

impl<'a> Editor<'a> {
    /// `epoch` becomes every time of every new inode, in seconds since 1970.
    pub(in super::super) fn new(volume: &'a Volume, base: &'a dyn Blocks, epoch: i64) -> Self {
        Self {
            volume,
            base,
            blocks: BTreeMap::new(),
            groups: BTreeMap::new(),
            bitmaps: BTreeSet::new(),
            free_blocks: volume.superblock.free_blocks(),
            free_inodes: volume.superblock.free_inodes(),
            block_cursor: Cursor::default(),
            inode_cursor: Cursor::default(),
            epoch,
            directories: BTreeMap::new(),
            written: BTreeMap::new(),
        }
    }

    /// Reads the volume with all changes so far.
    pub(in super::super) fn view(&self) -> View<'_> {
        View { volume: self.volume, blocks: self }
    }

    /// A block to change.
    pub(super) fn edit(&mut self, number: u64) -> Result<&mut Vec<u8>, ImageError> {
        self.volume.check_block(number)?;
        let block = match self.blocks.remove(&number) {
            Some(block) => block,
            None => self.base.block(number)?,
        };
        Ok(Arc::make_mut(self.blocks.entry(number).or_insert(block)))
    }

    /// Sets a whole block.
    pub(super) fn put_block(&mut self, number: u64, bytes: Vec<u8>) -> Result<(), ImageError> {
        self.volume.check_block(number)?;
        self.blocks.insert(number, Arc::new(bytes));
        Ok(())
    }

    pub(super) fn group(&mut self, number: u32) -> Result<&mut Group, ImageError> {
        let group = self.peek(number)?.clone();
        Ok(self.groups.entry(number).or_insert(group))
    }

    /// A group as it is now.
    pub(super) fn peek(&self, number: u32) -> Result<&Group, ImageError> {
        let group = self.groups.get(&number).or_else(|| self.volume.groups.get(number as usize));
        group.ok_or_else(|| ImageError::damaged(format!("ext4 refers to block group {number}")))
    }

    /// Writes an inode with its checksum.
    pub(super) fn put_inode(&mut self, inode: &mut Inode) -> Result<(), ImageError> {
        inode.stamp(&self.volume.superblock);
        let (block, offset) = self.volume.inode_location(inode.number)?;
        super::super::bytes::put(self.edit(block)?, offset, &inode.raw);
        Ok(())
    }

    /// Writes a directory leaf with its checksum.
    pub(super) fn put_leaf(&mut self, directory: &Inode, number: u64, mut block: Vec<u8>) -> Result<(), ImageError> {
        if self.volume.superblock.metadata_checksums() {
            if !directory::has_tail(&block) {
                return Err(directory::damaged(directory.number));
            }
            directory::stamp(&mut block, directory.seed(&self.volume.superblock));
        }
        self.put_block(number, block)
    }

    /// Gives an inode exactly these extents, in logical order, and frees the tree blocks of `old`.
    ///
    /// The inode's count of used space follows the tree blocks, not the data.
    pub(super) fn set_extents(&mut self, inode: &mut Inode, extents: &[Extent], old: &[u64]) -> Result<(), ImageError> {
        let block_size = self.volume.superblock.block_size;
        for block in old {
            self.free_block(*block)?;
        }
        let capacity = extents::records_per_block(block_size);
        let mut records: Vec<_> = extents.iter().map(extents::leaf_record).collect();
        let mut firsts: Vec<_> = extents.iter().map(|extent| extent.logical).collect();
        let (mut depth, mut added) = (0, 0);
        while records.len() > INLINE_RECORDS {
            let (mut parents, mut parent_firsts) = (Vec::new(), Vec::new());
            for (chunk, first) in records.chunks(capacity).zip(firsts.iter().step_by(capacity)) {
                let child = self.allocate_block()?;
                let mut node = extents::node(chunk, depth, capacity, block_size);
                if self.volume.superblock.metadata_checksums() {
                    extents::stamp(&mut node, inode.seed(&self.volume.superblock));
                }
                self.put_block(child, node)?;
                parents.push(extents::index_record(*first, child));
                parent_firsts.push(*first);
                added += 1;
            }
            (records, firsts) = (parents, parent_firsts);
            depth += 1;
        }
        inode.set_body(0, &extents::node(&records, depth, INLINE_RECORDS, super::inode::BODY.len()));
        inode.set_flags(inode.flags() | EXTENTS);
        inode.add_blocks(added - old.len() as i64, block_size);
        Ok(())
    }

    /// Adds one block at a directory's end and gives its number; the caller fills it.
    pub(super) fn grow_directory(&mut self, directory: &mut Inode) -> Result<u64, ImageError> {
        let block_size = self.volume.superblock.block_size;
        let mut map = BlockMap::read(&self.view(), directory)?;
        if directory.flags() & EXTENTS == 0 {
            return Err(ImageError::unsupported(format!(
                "the full directory with inode {} has an old block map and cannot grow",
                directory.number
            )));
        }
        let logical = (directory.size() / block_size as u64) as u32;
        let physical = self.allocate_block()?;
        match map.extents.last_mut() {
            Some(last)
                if last.logical + last.length == logical
                    && last.physical + u64::from(last.length) == physical
                    && !last.unwritten
                    && last.length < extents::MAX_LENGTH =>
            {
                last.length += 1;
            }
            _ => map.extents.push(Extent { logical, length: 1, physical, unwritten: false }),
        }
        self.set_extents(directory, &map.extents, &map.metadata)?;
        directory.set_size(directory.size() + block_size as u64);
        directory.add_blocks(1, block_size);
        self.put_inode(directory)?;
        Ok(physical)
    }

    /// Completes checksums and free counts and gives all changed blocks.
    pub(in super::super) fn finish(mut self) -> Result<BTreeMap<u64, Arc<Vec<u8>>>, ImageError> {
        self.stamp_bitmaps()?;
        let sb = &self.volume.superblock;
        let start = (sb.first_data_block + 1) * sb.block_size as u64;
        for (number, mut group) in std::mem::take(&mut self.groups) {
            if let Some(sum) = group.checksum(sb, number) {
                group.set_checksum(sum);
            }
            let at = start + u64::from(number) * sb.descriptor_size as u64;
            self.put_at(at, &group.raw)?;
        }
        let raw = sb.with_free(self.free_blocks, self.free_inodes);
        self.put_at(superblock::SIZE as u64, &raw)?;
        Ok(std::mem::take(&mut self.blocks))
    }

    /// Writes inside one block, at a byte offset of the volume.
    fn put_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), ImageError> {
        let block_size = self.volume.superblock.block_size as u64;
        let number = at / block_size;
        let base = self.block(number)?;
        let block = Arc::make_mut(self.blocks.entry(number).or_insert(base));
        super::super::bytes::put(block, (at % block_size) as usize, bytes);
        Ok(())
    }

    fn stamp_bitmaps(&mut self) -> Result<(), ImageError> {
        let sb = &self.volume.superblock;
        if !sb.metadata_checksums() {
            return Ok(());
        }
        for (kind, number) in self.bitmaps.clone() {
            let group = self.group(number)?;
            let (block, bits) = match kind {
                Bitmap::Blocks => (group.block_bitmap(), sb.blocks_per_group),
                Bitmap::Inodes => (group.inode_bitmap(), sb.inodes_per_group),
            };
            let bitmap = self.block(block)?;
            let sum = checksum::crc32c(sb.seed, bitmap.get(..bits as usize / 8).unwrap_or_default());
            match kind {
                Bitmap::Blocks => self.group(number)?.set_block_bitmap_checksum(sum),
                Bitmap::Inodes => self.group(number)?.set_inode_bitmap_checksum(sum),
            }
        }
        Ok(())
    }
}
