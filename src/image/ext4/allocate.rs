//! Finding and freeing blocks and inodes.
//!
//! Free space is taken from one run where the whole tree fits, if the volume has such a run: an overlay stores whole
//! clusters, so what lies close together makes it small.

use super::super::ImageError;
use super::super::bytes::{le32, put_le32};
use super::checksum::crc32c;
use super::editor::{Bitmap, Cursor, Editor};
use super::extents::{BlockMap, Extent, MAX_LENGTH};
use super::group::{self, BLOCK_UNINIT, Group, INODE_UNINIT, INODE_ZEROED};
use super::inode::Inode;
use std::sync::Arc;

fn free_in(kind: Bitmap, group: &Group) -> u32 {
    match kind {
        Bitmap::Blocks => group.free_blocks(),
        Bitmap::Inodes => group.free_inodes(),
    }
}

impl Editor<'_> {
    /// Points both cursors at runs that hold the whole need.
    pub(super) fn choose_start(&mut self, blocks: u64, inodes: u64) -> Result<(), ImageError> {
        self.block_cursor = self.longest_run(Bitmap::Blocks, blocks)?;
        self.inode_cursor = self.longest_run(Bitmap::Inodes, inodes)?;
        Ok(())
    }

    /// The first run of `wanted`, else the longest.
    fn longest_run(&self, kind: Bitmap, wanted: u64) -> Result<Cursor, ImageError> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).max(1);
        let (mut best, mut longest) = (Cursor::default(), 0);
        for number in 0..self.volume.superblock.groups {
            let free = free_in(kind, self.peek(number)?);
            if free <= longest {
                continue;
            }
            let bitmap = self.bitmap(kind, number)?;
            let found = group::find_run(&bitmap, self.first_bit(kind, number), self.limit(kind, number), wanted);
            if let Some((bit, length)) = found.filter(|(_, length)| *length > longest) {
                (best, longest) = (Cursor { group: number, bit }, length);
            }
            if longest >= wanted {
                break;
            }
        }
        Ok(best)
    }

    /// Reserved inodes at the start of group 0 are never handed out.
    fn first_bit(&self, kind: Bitmap, number: u32) -> u32 {
        if kind == Bitmap::Inodes && number == 0 { self.volume.superblock.first_inode() - 1 } else { 0 }
    }

    fn limit(&self, kind: Bitmap, number: u32) -> u32 {
        match kind {
            Bitmap::Blocks => self.volume.group_range(number).1,
            Bitmap::Inodes => self.volume.superblock.inodes_per_group,
        }
    }

    /// A group's bitmap; worked out where it was never written.
    fn bitmap(&self, kind: Bitmap, number: u32) -> Result<Arc<Vec<u8>>, ImageError> {
        let flags = self.volume.superblock.group_flags();
        let group = self.peek(number)?;
        let (block, flag) = match kind {
            Bitmap::Blocks => (group.block_bitmap(), BLOCK_UNINIT),
            Bitmap::Inodes => (group.inode_bitmap(), INODE_UNINIT),
        };
        if flags && group.flags() & flag != 0 {
            return Ok(Arc::new(self.fresh_bitmap(kind, number)?));
        }
        self.view().block(block)
    }

    /// What the kernel would write into the bitmap of an untouched group (`ext4_init_block_bitmap`).
    fn fresh_bitmap(&self, kind: Bitmap, number: u32) -> Result<Vec<u8>, ImageError> {
        let sb = &self.volume.superblock;
        let bits = sb.block_size as u32 * 8;
        let mut bitmap = vec![0; sb.block_size];
        for bit in self.limit(kind, number)..bits {
            group::set(&mut bitmap, bit);
        }
        if kind == Bitmap::Inodes {
            return Ok(bitmap);
        }
        let (first, count) = self.volume.group_range(number);
        if sb.has_backup(number) {
            let (table, reserved) = sb.descriptor_blocks();
            for bit in 0..(1 + table + reserved).min(u64::from(count)) {
                group::set(&mut bitmap, bit as u32);
            }
        }
        let table_blocks = (sb.inodes_per_group as usize * sb.inode_size).div_ceil(sb.block_size) as u64;
        let group = self.peek(number)?;
        let own = [(group.block_bitmap(), 1), (group.inode_bitmap(), 1), (group.inode_table(), table_blocks)];
        for block in own.into_iter().flat_map(|(start, length)| start..start + length) {
            if (first..first + u64::from(count)).contains(&block) {
                group::set(&mut bitmap, (block - first) as u32);
            }
        }
        Ok(bitmap)
    }

    /// Makes a group's bitmap real and gives it for change.
    fn edit_bitmap(&mut self, kind: Bitmap, number: u32) -> Result<&mut Vec<u8>, ImageError> {
        let flags = self.volume.superblock.group_flags();
        let group = self.group(number)?;
        let (block, flag) = match kind {
            Bitmap::Blocks => (group.block_bitmap(), BLOCK_UNINIT),
            Bitmap::Inodes => (group.inode_bitmap(), INODE_UNINIT),
        };
        let uninit = flags && group.flags() & flag != 0;
        if uninit {
            let fresh = self.fresh_bitmap(kind, number)?;
            self.put_block(block, fresh)?;
            let group = self.group(number)?;
            group.set_flags(group.flags() & !flag);
        }
        self.bitmaps.insert((kind, number));
        self.edit(block)
    }

    /// Takes the next run of free bits from the cursor on, at most `wanted`.
    fn take(&mut self, kind: Bitmap, wanted: u32) -> Result<Option<(u32, u32, u32)>, ImageError> {
        let groups = self.volume.superblock.groups;
        let start = match kind {
            Bitmap::Blocks => self.block_cursor,
            Bitmap::Inodes => self.inode_cursor,
        };
        // Once around: the group where the search starts comes again at the end, from its beginning.
        for step in 0..=groups {
            let number = (start.group + step) % groups;
            if free_in(kind, self.peek(number)?) == 0 {
                continue;
            }
            let from = if step == 0 { start.bit } else { 0 }.max(self.first_bit(kind, number));
            let limit = self.limit(kind, number);
            let bitmap = self.bitmap(kind, number)?;
            // Not the longest run but the next one: files stay in one place.
            let Some((bit, _)) = group::find_run(&bitmap, from, limit, 1) else { continue };
            let length =
                (bit..limit).take(wanted as usize).take_while(|bit| !group::is_set(&bitmap, *bit)).count() as u32;
            drop(bitmap);
            let bitmap = self.edit_bitmap(kind, number)?;
            (bit..bit + length).for_each(|bit| group::set(bitmap, bit));
            let cursor = Cursor { group: number, bit: bit + length };
            match kind {
                Bitmap::Blocks => self.block_cursor = cursor,
                Bitmap::Inodes => self.inode_cursor = cursor,
            }
            return Ok(Some((number, bit, length)));
        }
        Ok(None)
    }

    fn full(&self) -> ImageError {
        ImageError::damaged("its ext4 bitmaps have less room than its free counts say")
    }

    /// Blocks for `count` blocks of data from logical block 0 on.
    pub(super) fn allocate_extents(&mut self, count: u32) -> Result<Vec<Extent>, ImageError> {
        let mut extents = Vec::new();
        let mut logical = 0;
        while logical < count {
            let wanted = (count - logical).min(MAX_LENGTH - 1);
            let (number, bit, length) = self.take(Bitmap::Blocks, wanted)?.ok_or_else(|| self.full())?;
            let group = self.group(number)?;
            group.set_free_blocks(group.free_blocks().saturating_sub(length));
            self.free_blocks = self.free_blocks.saturating_sub(u64::from(length));
            let physical = self.volume.group_range(number).0 + u64::from(bit);
            extents.push(Extent { logical, length, physical, unwritten: false });
            logical += length;
        }
        Ok(extents)
    }

    pub(super) fn allocate_block(&mut self) -> Result<u64, ImageError> {
        Ok(self.allocate_extents(1)?.first().map(|extent| extent.physical).unwrap_or_default())
    }

    /// A free inode's number; its place in the table is made ready.
    pub(super) fn allocate_inode(&mut self, directory: bool) -> Result<u32, ImageError> {
        let (number, bit, _) = self.take(Bitmap::Inodes, 1)?.ok_or_else(|| self.full())?;
        if self.volume.superblock.group_flags() {
            // As the kernel does: a group with an inode in use has a real block bitmap.
            if self.group(number)?.flags() & BLOCK_UNINIT != 0 {
                self.edit_bitmap(Bitmap::Blocks, number)?;
            }
            self.use_inode_table(number, bit)?;
        }
        let group = self.group(number)?;
        group.set_free_inodes(group.free_inodes().saturating_sub(1));
        if directory {
            group.set_used_directories(group.used_directories() + 1);
        }
        self.free_inodes = self.free_inodes.saturating_sub(1);
        Ok(number * self.volume.superblock.inodes_per_group + bit + 1)
    }

    /// Moves the mark of never used inodes beyond `bit`, and clears the table blocks that come into use: where the
    /// table was not zeroed when the volume was made, they hold anything.
    fn use_inode_table(&mut self, number: u32, bit: u32) -> Result<(), ImageError> {
        let sb = &self.volume.superblock;
        let per_group = sb.inodes_per_group;
        let per_block = (sb.block_size / sb.inode_size) as u32;
        let group = self.group(number)?;
        let used = per_group.saturating_sub(group.unused_inodes());
        if bit < used {
            return Ok(());
        }
        group.set_unused_inodes(per_group - (bit + 1));
        let (zeroed, table) = (group.flags() & INODE_ZEROED != 0, group.inode_table());
        if zeroed {
            return Ok(());
        }
        for block in used.div_ceil(per_block)..(bit + 1).div_ceil(per_block) {
            let block = table + u64::from(block);
            if !self.view().is_zero(block)? {
                self.put_block(block, vec![0; self.volume.superblock.block_size])?;
            }
        }
        Ok(())
    }

    pub(super) fn free_block(&mut self, block: u64) -> Result<(), ImageError> {
        self.volume.check_block(block)?;
        let index = block - self.volume.superblock.first_data_block;
        let per_group = u64::from(self.volume.superblock.blocks_per_group);
        let (number, bit) = ((index / per_group) as u32, (index % per_group) as u32);
        let bitmap = self.edit_bitmap(Bitmap::Blocks, number)?;
        if !group::is_set(bitmap, bit) {
            return Err(ImageError::damaged(format!("ext4 block {block} is in use and marked as free")));
        }
        group::clear(bitmap, bit);
        let group = self.group(number)?;
        group.set_free_blocks(group.free_blocks() + 1);
        self.free_blocks += 1;
        Ok(())
    }

    /// Takes one link from an inode, and frees it with all its blocks after the last.
    pub(super) fn unlink(&mut self, mut inode: Inode) -> Result<(), ImageError> {
        if inode.links() > 1 {
            inode.set_links(inode.links() - 1);
            inode.set_change_time(self.epoch);
            return self.put_inode(&mut inode);
        }
        let map = BlockMap::read(&self.view(), &inode)?;
        let data = map.extents.iter().flat_map(|e| (0..u64::from(e.length)).map(|offset| e.physical + offset));
        for block in data.chain(map.metadata.iter().copied()) {
            self.free_block(block)?;
        }
        self.release_attributes(&inode)?;
        let index = inode.number - 1;
        let per_group = self.volume.superblock.inodes_per_group;
        let (number, bit) = (index / per_group, index % per_group);
        group::clear(self.edit_bitmap(Bitmap::Inodes, number)?, bit);
        let group = self.group(number)?;
        group.set_free_inodes(group.free_inodes() + 1);
        self.free_inodes += 1;
        let mut freed = Inode { number: inode.number, raw: vec![0; inode.raw.len()] };
        // The time of deletion tells a freed inode from a damaged one.
        put_le32(&mut freed.raw, 0x14, self.epoch as u32);
        self.put_inode(&mut freed)
    }

    /// Attribute blocks are shared between inodes and count their users.
    fn release_attributes(&mut self, inode: &Inode) -> Result<(), ImageError> {
        const USERS: usize = 4;
        const CHECKSUM: usize = 16;
        let number = inode.attribute_block();
        if number == 0 {
            return Ok(());
        }
        let (checksums, seed) = (self.volume.superblock.metadata_checksums(), self.volume.superblock.seed);
        let block = self.edit(number)?;
        let users = le32(block, USERS);
        if users <= 1 {
            return self.free_block(number);
        }
        put_le32(block, USERS, users - 1);
        if checksums {
            put_le32(block, CHECKSUM, 0);
            let sum = crc32c(crc32c(seed, &number.to_le_bytes()), block);
            put_le32(block, CHECKSUM, sum);
        }
        Ok(())
    }
}
