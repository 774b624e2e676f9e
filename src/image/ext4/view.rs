//! A volume's fixed facts, and reading it through any source of blocks.

use super::super::bytes::is_zero;
use super::super::{Disk, ImageError};
use super::extents::BlockMap;
use super::group::Group;
use super::inode::{FileKind, Inode};
use super::superblock::{self, Superblock};
use super::{Blocks, directory};
use std::sync::Arc;

/// What every node shares: parsed and checked once.
#[derive(Clone, Debug)]
pub(in super::super) struct Volume {
    pub superblock: Superblock,
    pub(super) groups: Vec<Group>,
}

impl Volume {
    /// Reads the head of the volume that begins at byte `start` of a disk and has `size` bytes.
    pub(in super::super) fn open(disk: &dyn Disk, start: u64, size: u64) -> Result<Self, ImageError> {
        let read = |offset: u64, bytes: &mut [u8]| match start.checked_add(offset) {
            Some(at) => disk.read_at(at, bytes),
            None => Err(ImageError::damaged("ext4 lies outside the disk")),
        };
        let mut raw = vec![0; superblock::SIZE];
        if size < 2 * superblock::SIZE as u64 {
            return Err(ImageError::damaged("the root partition is too small for ext4"));
        }
        read(superblock::SIZE as u64, &mut raw)?;
        let superblock = Superblock::parse(&raw, size)?;
        let start = (superblock.first_data_block + 1) * superblock.block_size as u64;
        let mut table = vec![0; superblock.groups as usize * superblock.descriptor_size];
        read(start, &mut table)?;
        let groups: Vec<_> =
            table.chunks_exact(superblock.descriptor_size).map(|raw| Group { raw: raw.to_vec() }).collect();
        for (number, group) in groups.iter().enumerate() {
            let number = number as u32;
            if group.checksum(&superblock, number).is_some_and(|sum| sum != group.stored_checksum()) {
                return Err(ImageError::damaged(format!("the checksum of ext4 block group {number} is wrong")));
            }
            let table_blocks =
                (superblock.inodes_per_group as usize * superblock.inode_size).div_ceil(superblock.block_size) as u64;
            let last = [
                group.block_bitmap().checked_add(1),
                group.inode_bitmap().checked_add(1),
                group.inode_table().checked_add(table_blocks),
            ];
            if last.iter().any(|end| end.is_none_or(|end| end > superblock.blocks)) {
                return Err(ImageError::damaged(format!("ext4 block group {number} points outside the volume")));
            }
        }
        Ok(Self { superblock, groups })
    }

    /// First block of group `number` and how many blocks it has.
    pub(super) fn group_range(&self, number: u32) -> (u64, u32) {
        let per_group = u64::from(self.superblock.blocks_per_group);
        let first = self.superblock.first_data_block + u64::from(number) * per_group;
        (first, self.superblock.blocks.saturating_sub(first).min(per_group) as u32)
    }

    /// Block and byte offset in it of inode `number`.
    pub(super) fn inode_location(&self, number: u32) -> Result<(u64, usize), ImageError> {
        let sb = &self.superblock;
        let index = number.checked_sub(1).filter(|_| number <= sb.inodes);
        let index = index.ok_or_else(|| ImageError::damaged(format!("ext4 refers to inode {number}")))?;
        let group = self.groups.get((index / sb.inodes_per_group) as usize);
        let table = group.map(Group::inode_table).unwrap_or_default();
        let byte = u64::from(index % sb.inodes_per_group) * sb.inode_size as u64;
        let block_size = sb.block_size as u64;
        Ok((table + byte / block_size, (byte % block_size) as usize))
    }

    pub(super) fn check_block(&self, number: u64) -> Result<(), ImageError> {
        if number >= self.superblock.first_data_block && number < self.superblock.blocks {
            return Ok(());
        }
        Err(ImageError::damaged(format!("ext4 refers to block {number} outside its volume")))
    }
}

/// A volume and where its blocks come from.
#[derive(Clone, Copy)]
pub(in super::super) struct View<'a> {
    pub volume: &'a Volume,
    pub blocks: &'a dyn Blocks,
}

impl View<'_> {
    pub(in super::super) fn block(&self, number: u64) -> Result<Arc<Vec<u8>>, ImageError> {
        self.volume.check_block(number)?;
        self.blocks.block(number)
    }

    /// Reads an inode and checks its checksum.
    pub(in super::super) fn inode(&self, number: u32) -> Result<Inode, ImageError> {
        let (block, offset) = self.volume.inode_location(number)?;
        let bytes = self.block(block)?;
        let raw = bytes.get(offset..offset + self.volume.superblock.inode_size).unwrap_or_default().to_vec();
        let inode = Inode { number, raw };
        if !inode.checksum_is_right(&self.volume.superblock) {
            return Err(ImageError::damaged(format!("the checksum of ext4 inode {number} is wrong")));
        }
        Ok(inode)
    }

    /// A symbolic link's target.
    pub(in super::super) fn link_target(&self, inode: &Inode) -> Result<Vec<u8>, ImageError> {
        if inode.is_fast_link(self.volume.superblock.block_size) {
            return Ok(inode.body()[..inode.size() as usize].to_vec());
        }
        if inode.size() > 4096 {
            return Err(ImageError::damaged(format!(
                "ext4 inode {} is a link of {} bytes",
                inode.number,
                inode.size()
            )));
        }
        let mut target = Vec::new();
        self.read_body(inode, &mut |bytes| {
            target.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(target)
    }

    /// Hands out a file's contents piece by piece; holes arrive as zeros.
    pub(in super::super) fn read_body(
        &self,
        inode: &Inode,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        let block_size = self.volume.superblock.block_size as u64;
        let map = BlockMap::read(self, inode)?;
        let zeros = vec![0; block_size as usize];
        let blocks = inode.size().div_ceil(block_size);
        if blocks > u64::from(u32::MAX) {
            return Err(ImageError::damaged(format!("ext4 inode {} is too large", inode.number)));
        }
        for logical in 0..blocks {
            let length = (inode.size() - logical * block_size).min(block_size) as usize;
            match map.find(logical as u32) {
                Some(physical) => take(&self.block(physical)?[..length])?,
                None => take(&zeros[..length])?,
            }
        }
        Ok(())
    }

    /// A directory's entries in the order they are stored, without `.` and `..`.
    pub(in super::super) fn entries(&self, inode: &Inode) -> Result<Vec<directory::Name>, ImageError> {
        let mut names = Vec::new();
        self.each_entry(inode, &mut |entry| {
            if entry.inode != 0 && entry.name != b"." && entry.name != b".." {
                names.push(directory::Name { name: entry.name.to_vec(), inode: entry.inode });
            }
            true
        })?;
        Ok(names)
    }

    /// The inode that `name` has in a directory.
    pub(in super::super) fn lookup(&self, inode: &Inode, name: &[u8]) -> Result<Option<u32>, ImageError> {
        let mut found = None;
        self.each_entry(inode, &mut |entry| {
            if entry.inode != 0 && entry.name == name {
                found = Some(entry.inode);
            }
            found.is_none()
        })?;
        Ok(found)
    }

    /// Calls `take` until it says false.
    fn each_entry(&self, inode: &Inode, take: &mut dyn FnMut(&directory::Entry<'_>) -> bool) -> Result<(), ImageError> {
        if inode.kind() != FileKind::Directory {
            return Err(ImageError::damaged(format!("ext4 inode {} is no directory", inode.number)));
        }
        for physical in self.directory_blocks(inode)? {
            let block = self.block(physical)?;
            for entry in directory::entries(&block) {
                if !take(&entry.map_err(|()| directory::damaged(inode.number))?) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A directory's blocks in logical order.
    pub(super) fn directory_blocks(&self, inode: &Inode) -> Result<Vec<u64>, ImageError> {
        let count = inode.size().div_ceil(self.volume.superblock.block_size as u64);
        let map = BlockMap::read(self, inode)?;
        if count > map.block_count() {
            return Err(directory::damaged(inode.number));
        }
        Ok((0..count).filter_map(|logical| map.find(logical as u32)).collect())
    }

    /// Every run of blocks that a file's contents and block list are in: first block and count.
    pub(in super::super) fn ranges(&self, inode: &Inode) -> Result<Vec<(u64, u64)>, ImageError> {
        let map = BlockMap::read(self, inode)?;
        let data = map.extents.iter().map(|extent| (extent.physical, u64::from(extent.length)));
        Ok(data.chain(map.metadata.iter().map(|block| (*block, 1))).collect())
    }

    /// A file's extended attributes outside its inode; without the count of inodes that share them.
    pub(in super::super) fn attributes(&self, inode: &Inode) -> Result<Vec<u8>, ImageError> {
        if inode.attribute_block() == 0 {
            return Ok(Vec::new());
        }
        let mut block = self.block(inode.attribute_block())?.to_vec();
        // The count, and the checksum over it.
        for range in [4..8, 16..20] {
            block.get_mut(range).into_iter().for_each(|part: &mut [u8]| part.fill(0));
        }
        Ok(block)
    }

    /// Whether a block holds only zeros.
    pub(super) fn is_zero(&self, number: u64) -> Result<bool, ImageError> {
        Ok(is_zero(&self.block(number)?))
    }
}
