//! Adding names to directories, with or without a hash index.
//!
//! A full leaf of an indexed directory is split as the kernel does it. Where an index itself is full, or uses a hash that
//! current volumes do not, the directory is turned into a plain one: that is always valid, and merely slower to search.

use super::super::ImageError;
use super::super::bytes::{le16, le32, put_le16, put_le32};
use super::checksum::crc32c;
use super::directory;
use super::editor::Editor;
use super::extents::BlockMap;
use super::hash::hash;
use super::inode::{INDEXED, Inode};

/// Offset of the hash version in an index root.
const VERSION: usize = 0x1c;
const INFO_LENGTH: usize = 0x1d;
const LEVELS: usize = 0x1e;
/// Where the records begin: behind `.`, `..` and the index header, or behind one free entry.
const ROOT_RECORDS: usize = 0x20;
const NODE_RECORDS: usize = 8;
const RECORD: usize = 8;

/// A name to add.
#[derive(Clone, Copy)]
pub(super) struct NewName<'a> {
    pub name: &'a [u8],
    pub inode: u32,
    pub kind: u8,
}

/// The block of an index whose record leads to a leaf.
struct Step {
    block: u64,
    records: usize,
    position: usize,
}

impl Editor<'_> {
    /// Adds a name that the directory does not have yet.
    pub(super) fn add_name(&mut self, directory: &mut Inode, new: NewName<'_>) -> Result<(), ImageError> {
        if directory.flags() & INDEXED != 0 {
            if self.add_indexed(directory, new)? {
                return Ok(());
            }
            self.drop_index(directory)?;
        }
        // The last block is where there is room, if anywhere, in all but directories with many deletions.
        for number in self.view().directory_blocks(directory)?.into_iter().rev() {
            if self.add_to_leaf(directory, number, new)? {
                return Ok(());
            }
        }
        let number = self.grow_directory(directory)?;
        let checksums = self.volume.superblock.metadata_checksums();
        let block = directory::new_block(self.volume.superblock.block_size, checksums, None);
        self.put_leaf(directory, number, block)?;
        self.add_to_leaf(directory, number, new).map(|_| ())
    }

    fn add_to_leaf(&mut self, directory: &Inode, number: u64, new: NewName<'_>) -> Result<bool, ImageError> {
        let mut block = self.view().block(number)?.to_vec();
        let checksums = self.volume.superblock.metadata_checksums();
        let added = directory::add(&mut block, checksums, new.name, new.inode, new.kind)
            .map_err(|()| directory::damaged(directory.number))?;
        if added {
            self.put_leaf(directory, number, block)?;
        }
        Ok(added)
    }

    /// False where the index cannot take the name; nothing is changed then.
    fn add_indexed(&mut self, directory: &mut Inode, new: NewName<'_>) -> Result<bool, ImageError> {
        let Some((value, version, step, leaf)) = self.find_leaf(directory, new.name)? else { return Ok(false) };
        if self.add_to_leaf(directory, leaf, new)? {
            return Ok(true);
        }
        let index = self.view().block(step.block)?;
        if le16(&index, step.records + 2) >= le16(&index, step.records) {
            return Ok(false);
        }
        let upper = self.grow_directory(directory)?;
        let logical = (directory.size() / self.volume.superblock.block_size as u64 - 1) as u32;
        let boundary = self.split_leaf(directory, version, leaf, upper)?;
        self.add_record(directory, &step, boundary, logical)?;
        let target = if value >= boundary & !1 { upper } else { leaf };
        if self.add_to_leaf(directory, target, new)? {
            return Ok(true);
        }
        Ok(false)
    }

    /// The leaf where a name belongs, and the record that leads there.
    fn find_leaf(&self, directory: &Inode, name: &[u8]) -> Result<Option<(u32, u8, Step, u64)>, ImageError> {
        let view = self.view();
        let map = BlockMap::read(&view, directory)?;
        let damaged = || directory::damaged(directory.number);
        let mut block = map.find(0).ok_or_else(damaged)?;
        let root = view.block(block)?;
        let (version, levels) = (root[VERSION], root[LEVELS]);
        if root[INFO_LENGTH] != 8 || levels > 1 {
            return Ok(None);
        }
        let sb = &self.volume.superblock;
        let Some(value) = hash(version, sb.hash_unsigned(), sb.hash_seed(), name) else { return Ok(None) };
        let mut records = ROOT_RECORDS;
        for level in 0..=levels {
            let index = view.block(block)?;
            let position = search(&index, records, value).ok_or_else(damaged)?;
            let child = le32(&index, records + position * RECORD + 4) & 0x0fff_ffff;
            let physical = map.find(child).ok_or_else(damaged)?;
            if level == levels {
                return Ok(Some((value, version, Step { block, records, position }, physical)));
            }
            (block, records) = (physical, NODE_RECORDS);
        }
        Ok(None)
    }

    /// Moves the upper half of a leaf, by hash, to the block `upper`; gives the hash where that half begins.
    fn split_leaf(&mut self, directory: &Inode, version: u8, lower: u64, upper: u64) -> Result<u32, ImageError> {
        let sb = &self.volume.superblock;
        let (unsigned, seed) = (sb.hash_unsigned(), sb.hash_seed());
        let (size, checksums) = (sb.block_size, sb.metadata_checksums());
        let block = self.view().block(lower)?;
        let mut names = Vec::new();
        for entry in directory::entries(&block) {
            let entry = entry.map_err(|()| directory::damaged(directory.number))?;
            if entry.inode != 0 {
                let value = hash(version, unsigned, seed, entry.name).unwrap_or_default();
                names.push((value, (entry.name.to_vec(), entry.inode, entry.kind)));
            }
        }
        names.sort_by_key(|(value, _)| *value);
        let lengths: Vec<_> = names.iter().map(|(_, name)| directory::record_length(name.0.len())).collect();
        let split = half(&lengths);
        let boundary = names.get(split).map(|(value, _)| *value).ok_or_else(|| directory::damaged(directory.number))?;
        // The lowest bit says that names of this hash begin in the block before.
        let continued = split > 0 && names.get(split - 1).is_some_and(|(value, _)| *value == boundary);
        let plain: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
        self.put_leaf(directory, lower, directory::filled_block(size, checksums, &plain[..split]))?;
        self.put_leaf(directory, upper, directory::filled_block(size, checksums, &plain[split..]))?;
        Ok(boundary | u32::from(continued))
    }

    /// Puts a record behind the one of `step`; the caller checked that there is room.
    fn add_record(&mut self, directory: &Inode, step: &Step, hash: u32, logical: u32) -> Result<(), ImageError> {
        let (checksums, seed) = (self.volume.superblock.metadata_checksums(), directory.seed(&self.volume.superblock));
        let block = self.edit(step.block)?;
        let (limit, count) = (usize::from(le16(block, step.records)), usize::from(le16(block, step.records + 2)));
        let at = step.records + (step.position + 1) * RECORD;
        let end = step.records + count * RECORD;
        if at > end || step.records + limit * RECORD > block.len() || count >= limit {
            return Err(directory::damaged(directory.number));
        }
        block.copy_within(at..end, at + RECORD);
        put_le32(block, at, hash);
        put_le32(block, at + 4, logical);
        put_le16(block, step.records + 2, count as u16 + 1);
        if checksums {
            stamp(block, step.records, seed);
        }
        Ok(())
    }

    /// Turns an indexed directory into a plain one.
    fn drop_index(&mut self, directory: &mut Inode) -> Result<(), ImageError> {
        let (size, checksums) = (self.volume.superblock.block_size, self.volume.superblock.metadata_checksums());
        let numbers = self.view().directory_blocks(directory)?;
        for (position, number) in numbers.into_iter().enumerate() {
            let block = self.view().block(number)?;
            if position == 0 {
                let parent = le32(&block, 12);
                self.put_leaf(
                    directory,
                    number,
                    directory::new_block(size, checksums, Some((directory.number, parent))),
                )?;
            } else if usize::from(le16(&block, 4)) == size && le32(&block, 0) == 0 {
                // A node of the index: one free entry over the whole block.
                self.put_leaf(directory, number, directory::new_block(size, checksums, None))?;
            }
        }
        directory.set_flags(directory.flags() & !INDEXED);
        self.put_inode(directory)
    }
}

/// Position of the last record whose hash is not above `value`.
fn search(index: &[u8], records: usize, value: u32) -> Option<usize> {
    let (limit, count) = (usize::from(le16(index, records)), usize::from(le16(index, records + 2)));
    if count == 0 || count > limit || records + limit * RECORD > index.len() {
        return None;
    }
    let above = (1..count).find(|position| le32(index, records + position * RECORD) > value);
    Some(above.unwrap_or(count) - 1)
}

/// Where to split entries of these lengths so that both parts take about the same room; neither part is empty.
fn half(lengths: &[usize]) -> usize {
    let total: usize = lengths.iter().sum();
    let mut sum = 0;
    let position = lengths.iter().position(|length| {
        sum += length;
        sum * 2 > total
    });
    position.unwrap_or(0).clamp(1, lengths.len().saturating_sub(1).max(1))
}

/// The checksum of an index block covers the records in use and stands behind the last possible one.
fn stamp(block: &mut [u8], records: usize, seed: u32) {
    let (limit, count) = (usize::from(le16(block, records)), usize::from(le16(block, records + 2)));
    let tail = records + limit * RECORD;
    let used = block.get(..records + count * RECORD).unwrap_or_default();
    let reserved = block.get(tail..tail + 4).unwrap_or_default();
    let sum = crc32c(crc32c(crc32c(seed, used), reserved), &[0; 4]);
    put_le32(block, tail + 4, sum);
}
