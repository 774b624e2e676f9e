//! Block group descriptors and the bitmaps of groups that were never written.

use super::super::bytes::{le16, le32, put_le16};
use super::checksum::{crc16, crc32c};
use super::superblock::Superblock;

/// The inode table and bitmap of this group were never written.
pub(super) const INODE_UNINIT: u16 = 1;
/// The block bitmap of this group was never written.
pub(super) const BLOCK_UNINIT: u16 = 2;
/// The whole inode table was filled with zeros.
pub(super) const INODE_ZEROED: u16 = 4;

/// One descriptor, as it is on disk.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub raw: Vec<u8>,
}

impl Group {
    fn wide(&self) -> bool {
        self.raw.len() >= 64
    }

    fn number(&self, low: usize, high: usize) -> u64 {
        u64::from(le32(&self.raw, low)) | if self.wide() { u64::from(le32(&self.raw, high)) << 32 } else { 0 }
    }

    fn count(&self, low: usize, high: usize) -> u32 {
        u32::from(le16(&self.raw, low)) | if self.wide() { u32::from(le16(&self.raw, high)) << 16 } else { 0 }
    }

    fn set_count(&mut self, low: usize, high: usize, value: u32) {
        put_le16(&mut self.raw, low, value as u16);
        if self.wide() {
            put_le16(&mut self.raw, high, (value >> 16) as u16);
        }
    }

    pub(super) fn block_bitmap(&self) -> u64 {
        self.number(0, 0x20)
    }
    pub(super) fn inode_bitmap(&self) -> u64 {
        self.number(4, 0x24)
    }
    pub(super) fn inode_table(&self) -> u64 {
        self.number(8, 0x28)
    }
    pub(super) fn free_blocks(&self) -> u32 {
        self.count(0xc, 0x2c)
    }
    pub(super) fn set_free_blocks(&mut self, value: u32) {
        self.set_count(0xc, 0x2c, value);
    }
    pub(super) fn free_inodes(&self) -> u32 {
        self.count(0xe, 0x2e)
    }
    pub(super) fn set_free_inodes(&mut self, value: u32) {
        self.set_count(0xe, 0x2e, value);
    }
    pub(super) fn used_directories(&self) -> u32 {
        self.count(0x10, 0x30)
    }
    pub(super) fn set_used_directories(&mut self, value: u32) {
        self.set_count(0x10, 0x30, value);
    }
    /// Inodes at the end of the table that were never used.
    pub(super) fn unused_inodes(&self) -> u32 {
        self.count(0x1c, 0x32)
    }
    pub(super) fn set_unused_inodes(&mut self, value: u32) {
        self.set_count(0x1c, 0x32, value);
    }
    pub(super) fn flags(&self) -> u16 {
        le16(&self.raw, 0x12)
    }
    pub(super) fn set_flags(&mut self, value: u16) {
        put_le16(&mut self.raw, 0x12, value);
    }
    pub(super) fn set_block_bitmap_checksum(&mut self, sum: u32) {
        self.set_count(0x18, 0x38, sum);
    }
    pub(super) fn set_inode_bitmap_checksum(&mut self, sum: u32) {
        self.set_count(0x1a, 0x3a, sum);
    }

    /// What the descriptor's own checksum must be; `None` where the volume has none.
    pub(super) fn checksum(&self, superblock: &Superblock, number: u32) -> Option<u16> {
        const CHECKSUM: usize = 0x1e;
        let (before, after) = self.raw.split_at(CHECKSUM.min(self.raw.len()));
        let after = after.get(2..).unwrap_or_default();
        if superblock.metadata_checksums() {
            let sum = crc32c(superblock.seed, &number.to_le_bytes());
            return Some(crc32c(crc32c(crc32c(sum, before), &[0, 0]), after) as u16);
        }
        superblock.old_group_checksums().then(|| {
            let sum = crc16(crc16(!0, superblock.uuid_bytes()), &number.to_le_bytes());
            crc16(crc16(sum, before), after)
        })
    }

    pub(super) fn stored_checksum(&self) -> u16 {
        le16(&self.raw, 0x1e)
    }

    pub(super) fn set_checksum(&mut self, sum: u16) {
        put_le16(&mut self.raw, 0x1e, sum);
    }
}

pub(super) fn is_set(bitmap: &[u8], bit: u32) -> bool {
    bitmap.get(bit as usize / 8).is_none_or(|byte| byte >> (bit % 8) & 1 == 1)
}

pub(super) fn set(bitmap: &mut [u8], bit: u32) {
    if let Some(byte) = bitmap.get_mut(bit as usize / 8) {
        *byte |= 1 << (bit % 8);
    }
}

pub(super) fn clear(bitmap: &mut [u8], bit: u32) {
    if let Some(byte) = bitmap.get_mut(bit as usize / 8) {
        *byte &= !(1 << (bit % 8));
    }
}

/// The first run of at least `wanted` clear bits in `from..limit`, else the longest: start and length.
pub(super) fn find_run(bitmap: &[u8], from: u32, limit: u32, wanted: u32) -> Option<(u32, u32)> {
    let mut best: Option<(u32, u32)> = None;
    let mut bit = from;
    while bit < limit {
        if bit.is_multiple_of(8) && bitmap.get(bit as usize / 8) == Some(&0xff) {
            bit += 8;
            continue;
        }
        if is_set(bitmap, bit) {
            bit += 1;
            continue;
        }
        let start = bit;
        while bit < limit && bit - start < wanted {
            let whole = bit.is_multiple_of(8) && bit + 8 <= limit && bitmap.get(bit as usize / 8) == Some(&0);
            if whole {
                bit += 8;
            } else if is_set(bitmap, bit) {
                break;
            } else {
                bit += 1;
            }
        }
        let length = (bit - start).min(wanted);
        if length >= wanted {
            return Some((start, length));
        }
        if best.is_none_or(|(_, longest)| length > longest) {
            best = Some((start, length));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_the_first_that_is_long_enough() {
        let bitmap = [0b1111_0001, 0xff, 0b0000_0011, 0, 0b1000_0000];
        assert_eq!(find_run(&bitmap, 0, 40, 2), Some((1, 2)));
        assert_eq!(find_run(&bitmap, 0, 40, 4), Some((18, 4)));
        assert_eq!(find_run(&bitmap, 0, 40, 99), Some((18, 21)));
        assert_eq!(find_run(&bitmap, 19, 30, 99), Some((19, 11)));
        assert_eq!(find_run(&[0xff; 4], 0, 32, 1), None);
    }
}
