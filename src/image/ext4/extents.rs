//! Which blocks a file's bytes are in: extent trees, and the older block maps for reading and freeing.

use super::super::ImageError;
use super::super::bytes::{le16, le32, put_le16, put_le32};
use super::checksum::crc32c;
use super::inode::{EXTENTS, Inode};
use super::view::View;

const MAGIC: u16 = 0xf30a;
/// Longest extent that is initialised; longer lengths mark preallocated space.
pub(super) const MAX_LENGTH: u32 = 32768;
const MAX_DEPTH: u16 = 5;
/// Far more pieces than any file of a base image has; bounds what a hostile image can make us collect.
const MAX_EXTENTS: usize = 1 << 20;
const RECORD: usize = 12;
/// Records that fit an inode's body.
pub(super) const INLINE_RECORDS: usize = 4;

/// A run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub logical: u32,
    pub length: u32,
    pub physical: u64,
    /// Preallocated: belongs to the file but reads as zeros.
    pub unwritten: bool,
}

/// All blocks of one inode.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockMap {
    /// In ascending logical order.
    pub extents: Vec<Extent>,
    /// Blocks of the tree or map itself.
    pub metadata: Vec<u64>,
}

impl BlockMap {
    pub(super) fn read(view: &View<'_>, inode: &Inode) -> Result<Self, ImageError> {
        let mut map = Self::default();
        if !inode.has_blocks(view.volume.superblock.block_size) {
            return Ok(map);
        }
        if inode.flags() & EXTENTS != 0 {
            map.read_node(view, inode, inode.body(), None)?;
        } else {
            map.read_block_map(view, inode)?;
        }
        map.extents.sort_by_key(|extent| extent.logical);
        Ok(map)
    }

    /// The block that holds logical block `logical`; `None` for a hole.
    pub(super) fn find(&self, logical: u32) -> Option<u64> {
        let index = self.extents.partition_point(|extent| extent.logical <= logical).checked_sub(1)?;
        let extent = self.extents.get(index)?;
        let offset = logical - extent.logical;
        (offset < extent.length && !extent.unwritten).then(|| extent.physical + u64::from(offset))
    }

    pub(super) fn block_count(&self) -> u64 {
        self.extents.iter().map(|extent| u64::from(extent.length)).sum()
    }

    fn push(&mut self, view: &View<'_>, inode: &Inode, extent: Extent) -> Result<(), ImageError> {
        let last = extent.physical.checked_add(u64::from(extent.length.max(1)) - 1);
        view.volume.check_block(extent.physical)?;
        view.volume.check_block(last.unwrap_or(u64::MAX))?;
        if self.extents.len() >= MAX_EXTENTS || extent.logical.checked_add(extent.length).is_none() {
            return Err(damaged(inode));
        }
        // Block maps arrive block by block.
        if let Some(before) = self.extents.last_mut() {
            let follows = before.logical + before.length == extent.logical
                && before.physical + u64::from(before.length) == extent.physical;
            if follows && before.unwritten == extent.unwritten && before.length + extent.length <= MAX_LENGTH {
                before.length += extent.length;
                return Ok(());
            }
        }
        self.extents.push(extent);
        Ok(())
    }

    fn read_node(
        &mut self,
        view: &View<'_>,
        inode: &Inode,
        node: &[u8],
        expected_depth: Option<u16>,
    ) -> Result<(), ImageError> {
        let (entries, depth) = (usize::from(le16(node, 2)), le16(node, 6));
        let fits = (entries + 1) * RECORD <= node.len();
        let depth_fits = expected_depth.map_or(depth <= MAX_DEPTH, |expected| depth == expected);
        if le16(node, 0) != MAGIC || !fits || !depth_fits {
            return Err(damaged(inode));
        }
        for record in node[RECORD..].chunks_exact(RECORD).take(entries) {
            if depth == 0 {
                let length = u32::from(le16(record, 4));
                let unwritten = length > MAX_LENGTH;
                let physical = u64::from(le32(record, 8)) | u64::from(le16(record, 6)) << 32;
                let length = if unwritten { length - MAX_LENGTH } else { length };
                self.push(view, inode, Extent { logical: le32(record, 0), length, physical, unwritten })?;
                continue;
            }
            let child = u64::from(le32(record, 4)) | u64::from(le16(record, 8)) << 32;
            if self.metadata.len() >= MAX_EXTENTS {
                return Err(damaged(inode));
            }
            self.metadata.push(child);
            let block = view.block(child)?;
            self.read_node(view, inode, &block, Some(depth - 1))?;
        }
        Ok(())
    }

    fn read_block_map(&mut self, view: &View<'_>, inode: &Inode) -> Result<(), ImageError> {
        let body = inode.body().to_vec();
        let mut logical = 0u64;
        for slot in 0..12 {
            self.take_pointer(view, inode, le32(&body, slot * 4), 0, &mut logical)?;
        }
        for level in 1..=3 {
            self.take_pointer(view, inode, le32(&body, (11 + level as usize) * 4), level, &mut logical)?;
        }
        Ok(())
    }

    fn take_pointer(
        &mut self,
        view: &View<'_>,
        inode: &Inode,
        pointer: u32,
        level: u32,
        logical: &mut u64,
    ) -> Result<(), ImageError> {
        let per_block = view.volume.superblock.block_size as u64 / 4;
        if pointer == 0 {
            *logical += per_block.pow(level);
            return Ok(());
        }
        let physical = u64::from(pointer);
        if level == 0 {
            let at = u32::try_from(*logical).map_err(|_| damaged(inode))?;
            *logical += 1;
            return self.push(view, inode, Extent { logical: at, length: 1, physical, unwritten: false });
        }
        if self.metadata.len() >= MAX_EXTENTS {
            return Err(damaged(inode));
        }
        self.metadata.push(physical);
        let block = view.block(physical)?;
        for slot in block.chunks_exact(4) {
            self.take_pointer(view, inode, le32(slot, 0), level - 1, logical)?;
        }
        Ok(())
    }
}

fn damaged(inode: &Inode) -> ImageError {
    ImageError::damaged(format!("the block list of ext4 inode {} makes no sense", inode.number))
}

/// Records that fit a block of a tree: the checksum takes the last four bytes.
pub(super) fn records_per_block(block_size: usize) -> usize {
    (block_size - RECORD - 4) / RECORD
}

/// A leaf's record.
pub(super) fn leaf_record(extent: &Extent) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    put_le32(&mut record, 0, extent.logical);
    put_le16(&mut record, 4, (extent.length + if extent.unwritten { MAX_LENGTH } else { 0 }) as u16);
    put_le16(&mut record, 6, (extent.physical >> 32) as u16);
    put_le32(&mut record, 8, extent.physical as u32);
    record
}

/// An inner node's record: `logical` is the first block below `child`.
pub(super) fn index_record(logical: u32, child: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    put_le32(&mut record, 0, logical);
    put_le32(&mut record, 4, child as u32);
    put_le16(&mut record, 8, (child >> 32) as u16);
    record
}

/// A node of the tree: header and records, in `size` bytes.
pub(super) fn node(records: &[[u8; RECORD]], depth: u16, capacity: usize, size: usize) -> Vec<u8> {
    let mut out = vec![0; size];
    put_le16(&mut out, 0, MAGIC);
    put_le16(&mut out, 2, records.len() as u16);
    put_le16(&mut out, 4, capacity as u16);
    put_le16(&mut out, 6, depth);
    for (slot, record) in out[RECORD..].chunks_exact_mut(RECORD).zip(records) {
        slot.copy_from_slice(record);
    }
    out
}

/// Writes the checksum behind the records of a node that fills a block.
pub(super) fn stamp(node: &mut [u8], seed: u32) {
    let at = RECORD * (1 + usize::from(le16(node, 4)));
    let sum = crc32c(seed, node.get(..at).unwrap_or_default());
    put_le32(node, at, sum);
}
