//! Adding names to directories, with or without a hash index.
//!
//! A full leaf of an indexed directory is split as the kernel does it, and so is a full node of the index. Where the
//! whole index is full (millions of names), or it uses a hash that current volumes do not, the directory is turned into a plain one: that is always valid, and merely slower to search.

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

/// A block of an index, and the position of its record that leads on.
#[derive(Clone, Copy)]
struct Step {
    block: u64,
    records: usize,
    position: usize,
}

/// The way from the index root to the leaf where a name belongs.
struct Route {
    hash: u32,
    version: u8,
    /// The root, and one node below it where the index has two levels.
    steps: Vec<Step>,
    leaf: u64,
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

    /// False where the index cannot take the name.
    fn add_indexed(&mut self, directory: &mut Inode, new: NewName<'_>) -> Result<bool, ImageError> {
        let Some(route) = self.find_leaf(directory, new.name)? else { return Ok(false) };
        if self.add_to_leaf(directory, route.leaf, new)? {
            return Ok(true);
        }
        let (Some(route), Some(last)) = self.with_room(directory, route, new.name)? else { return Ok(false) };
        let (upper, logical) = self.grow(directory)?;
        let boundary = self.split_leaf(directory, route.version, route.leaf, upper)?;
        self.add_record(directory, last, boundary, logical)?;
        let target = if route.hash >= boundary & !1 { upper } else { route.leaf };
        self.add_to_leaf(directory, target, new)
    }

    /// A new last block: its place on the volume and in the directory.
    fn grow(&mut self, directory: &mut Inode) -> Result<(u64, u32), ImageError> {
        let block = self.grow_directory(directory)?;
        Ok((block, (directory.size() / self.volume.superblock.block_size as u64 - 1) as u32))
    }

    fn is_full(&self, step: Step) -> Result<bool, ImageError> {
        let index = self.view().block(step.block)?;
        Ok(le16(&index, step.records + 2) >= le16(&index, step.records))
    }

    /// Makes room for one more record in the block above the leaf; gives the way there and that block.
    fn with_room(
        &mut self,
        directory: &mut Inode,
        route: Route,
        name: &[u8],
    ) -> Result<(Option<Route>, Option<Step>), ImageError> {
        match *route.steps.as_slice() {
            [root] if self.is_full(root)? => self.add_level(directory, root)?,
            [root, node] if self.is_full(node)? => {
                if self.is_full(root)? {
                    return Ok((None, None));
                }
                self.split_node(directory, root, node)?;
            }
            _ => {
                let last = route.steps.last().copied();
                return Ok((Some(route), last));
            }
        }
        let route = self.find_leaf(directory, name)?;
        let last = route.as_ref().and_then(|route| route.steps.last().copied());
        Ok((route, last))
    }

    /// Moves all records of a full root into a node below it.
    fn add_level(&mut self, directory: &mut Inode, root: Step) -> Result<(), ImageError> {
        let (block, logical) = self.grow(directory)?;
        let mut index = self.view().block(root.block)?.to_vec();
        let all = records(&index, root.records).ok_or_else(|| directory::damaged(directory.number))?;
        self.put_node(directory, block, &all)?;
        put_le16(&mut index, root.records + 2, 1);
        put_le32(&mut index, root.records + 4, logical);
        super::super::bytes::put(&mut index, LEVELS, &[1]);
        self.put_index(directory, root.block, index, root.records)
    }

    /// Moves the upper half of a full node into a new one.
    fn split_node(&mut self, directory: &mut Inode, root: Step, node: Step) -> Result<(), ImageError> {
        let (block, logical) = self.grow(directory)?;
        let index = self.view().block(node.block)?;
        let all = records(&index, node.records).ok_or_else(|| directory::damaged(directory.number))?;
        let (lower, upper) = all.split_at(all.len() / 2);
        let boundary = upper.first().map(|(hash, _)| *hash).ok_or_else(|| directory::damaged(directory.number))?;
        self.put_node(directory, node.block, lower)?;
        self.put_node(directory, block, upper)?;
        self.add_record(directory, root, boundary, logical)
    }

    /// Writes an index node of these records; the first one's hash is implied.
    fn put_node(&mut self, directory: &Inode, block: u64, records: &[(u32, u32)]) -> Result<(), ImageError> {
        let (size, checksums) = (self.volume.superblock.block_size, self.volume.superblock.metadata_checksums());
        let mut node = directory::new_block(size, false, None);
        for (position, (hash, child)) in records.iter().enumerate() {
            put_le32(&mut node, NODE_RECORDS + position * RECORD, *hash);
            put_le32(&mut node, NODE_RECORDS + position * RECORD + 4, *child);
        }
        let limit = (size - NODE_RECORDS) / RECORD - usize::from(checksums);
        put_le16(&mut node, NODE_RECORDS, limit as u16);
        put_le16(&mut node, NODE_RECORDS + 2, records.len() as u16);
        self.put_index(directory, block, node, NODE_RECORDS)
    }

    fn put_index(&mut self, directory: &Inode, number: u64, mut block: Vec<u8>, at: usize) -> Result<(), ImageError> {
        if self.volume.superblock.metadata_checksums() {
            stamp(&mut block, at, directory.seed(&self.volume.superblock));
        }
        self.put_block(number, block)
    }

    fn find_leaf(&self, directory: &Inode, name: &[u8]) -> Result<Option<Route>, ImageError> {
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
        let Some(hash) = hash(version, sb.hash_unsigned(), sb.hash_seed(), name) else { return Ok(None) };
        let mut steps = Vec::new();
        let mut records = ROOT_RECORDS;
        for _ in 0..=levels {
            let index = view.block(block)?;
            let position = search(&index, records, hash).ok_or_else(damaged)?;
            let child = le32(&index, records + position * RECORD + 4) & 0x0fff_ffff;
            steps.push(Step { block, records, position });
            (block, records) = (map.find(child).ok_or_else(damaged)?, NODE_RECORDS);
        }
        Ok(Some(Route { hash, version, steps, leaf: block }))
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
    fn add_record(&mut self, directory: &Inode, step: Step, hash: u32, logical: u32) -> Result<(), ImageError> {
        let mut block = self.view().block(step.block)?.to_vec();
        let (limit, count) = (usize::from(le16(&block, step.records)), usize::from(le16(&block, step.records + 2)));
        let at = step.records + (step.position + 1) * RECORD;
        let end = step.records + count * RECORD;
        if at > end || step.records + limit * RECORD > block.len() || count >= limit {
            return Err(directory::damaged(directory.number));
        }
        block.copy_within(at..end, at + RECORD);
        put_le32(&mut block, at, hash);
        put_le32(&mut block, at + 4, logical);
        put_le16(&mut block, step.records + 2, count as u16 + 1);
        self.put_index(directory, step.block, block, step.records)
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

/// All records in use as hash and child; the first one's hash counts as 0.
fn records(index: &[u8], at: usize) -> Option<Vec<(u32, u32)>> {
    let (limit, count) = (usize::from(le16(index, at)), usize::from(le16(index, at + 2)));
    if count == 0 || count > limit || at + limit * RECORD > index.len() {
        return None;
    }
    let mut all: Vec<_> =
        (0..count).map(|i| at + i * RECORD).map(|at| (le32(index, at), le32(index, at + 4))).collect();
    all[0].0 = 0;
    Some(all)
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
