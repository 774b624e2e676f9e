//! One inode as it is on disk, with its fields by name.

use super::super::bytes::{le16, le32, put, put_le16, put_le32};
use super::checksum::crc32c;
use super::superblock::Superblock;
use crate::tree::{Mode, Owner};

const FORMAT: u16 = 0o170000;
/// The inode's blocks are an extent tree.
pub(super) const EXTENTS: u32 = 0x8_0000;
/// The directory has a hash index.
pub(super) const INDEXED: u32 = 0x1000;
/// The inode's body is stored in the inode itself.
const INLINE: u32 = 0x1000_0000;
/// Counted in blocks, not in sectors of 512 bytes.
const HUGE: u32 = 0x4_0000;
/// Symbolic links shorter than this are kept in the inode.
pub(super) const FAST_LINK: usize = 60;
/// Where the block map, extent tree or short link is.
pub(super) const BODY: std::ops::Range<usize> = 0x28..0x64;
const EXTRA_SIZE: usize = 32;

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum FileKind {
    Directory,
    File,
    Symlink,
    /// A device, pipe or socket.
    Special,
}

impl FileKind {
    fn format(self) -> u16 {
        match self {
            Self::Directory => 0o040000,
            Self::File => 0o100000,
            Self::Symlink => 0o120000,
            Self::Special => 0,
        }
    }

    /// The type byte of directory entries.
    pub(super) fn entry_type(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Directory => 2,
            Self::Symlink => 7,
            Self::Special => 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Inode {
    pub number: u32,
    pub raw: Vec<u8>,
}

impl Inode {
    /// A new inode without any blocks; all four times are `epoch`.
    pub(super) fn new(number: u32, size: usize, kind: FileKind, mode: Mode, owner: Owner, epoch: i64) -> Self {
        let mut inode = Self { number, raw: vec![0; size] };
        put_le16(&mut inode.raw, 0, kind.format());
        if size > 128 {
            put_le16(&mut inode.raw, 0x80, EXTRA_SIZE.min(size - 128) as u16);
        }
        inode.set_permissions(mode, owner);
        for (seconds, extra) in [(0x8, 0x8c), (0xc, 0x84), (0x10, 0x88), (0x90, 0x94)] {
            inode.put_time(seconds, extra, epoch);
        }
        inode.set_links(1);
        inode
    }

    fn put_time(&mut self, seconds: usize, extra: usize, epoch: i64) {
        // Inodes of 128 bytes have no creation time and no extra bits.
        if seconds < 0x80 || self.raw.len() > 128 {
            put_le32(&mut self.raw, seconds, epoch as u32);
        }
        if self.raw.len() > 128 {
            // Two bits extend the signed 32-bit seconds beyond 2038.
            let high = (epoch - i64::from(epoch as i32)) >> 32;
            put_le32(&mut self.raw, extra, high as u32 & 3);
        }
    }

    pub(super) fn set_permissions(&mut self, mode: Mode, owner: Owner) {
        let format = le16(&self.raw, 0) & FORMAT;
        put_le16(&mut self.raw, 0, format | mode.bits());
        put_le16(&mut self.raw, 2, owner.uid as u16);
        put_le16(&mut self.raw, 0x78, (owner.uid >> 16) as u16);
        put_le16(&mut self.raw, 0x18, owner.gid as u16);
        put_le16(&mut self.raw, 0x7a, (owner.gid >> 16) as u16);
    }

    pub(super) fn set_change_time(&mut self, epoch: i64) {
        self.put_time(0xc, 0x84, epoch);
    }

    pub(in super::super) fn kind(&self) -> FileKind {
        match le16(&self.raw, 0) & FORMAT {
            0o040000 => FileKind::Directory,
            0o100000 => FileKind::File,
            0o120000 => FileKind::Symlink,
            _ => FileKind::Special,
        }
    }

    /// The twelve permission bits.
    pub(in super::super) fn permissions(&self) -> u16 {
        le16(&self.raw, 0) & !FORMAT
    }

    pub(in super::super) fn owner(&self) -> Owner {
        let wide = |low, high| u32::from(le16(&self.raw, low)) | u32::from(le16(&self.raw, high)) << 16;
        Owner { uid: wide(2, 0x78), gid: wide(0x18, 0x7a) }
    }

    pub(in super::super) fn size(&self) -> u64 {
        let high = if self.kind() == FileKind::Directory { 0 } else { u64::from(le32(&self.raw, 0x6c)) << 32 };
        u64::from(le32(&self.raw, 4)) | high
    }

    pub(super) fn set_size(&mut self, size: u64) {
        put_le32(&mut self.raw, 4, size as u32);
        if self.kind() != FileKind::Directory {
            put_le32(&mut self.raw, 0x6c, (size >> 32) as u32);
        }
    }

    pub(in super::super) fn links(&self) -> u16 {
        le16(&self.raw, 0x1a)
    }

    pub(super) fn set_links(&mut self, links: u16) {
        put_le16(&mut self.raw, 0x1a, links);
    }

    /// Adds to the count of used space, in file system blocks.
    pub(super) fn add_blocks(&mut self, blocks: i64, block_size: usize) {
        let unit = if self.flags() & HUGE != 0 { 1 } else { block_size as i64 / 512 };
        let old = u64::from(le32(&self.raw, 0x1c)) | u64::from(le16(&self.raw, 0x74)) << 32;
        let new = old.saturating_add_signed(blocks * unit);
        put_le32(&mut self.raw, 0x1c, new as u32);
        put_le16(&mut self.raw, 0x74, (new >> 32) as u16);
    }

    fn sectors(&self) -> u64 {
        u64::from(le32(&self.raw, 0x1c)) | u64::from(le16(&self.raw, 0x74)) << 32
    }

    pub(super) fn flags(&self) -> u32 {
        le32(&self.raw, 0x20)
    }

    pub(super) fn set_flags(&mut self, flags: u32) {
        put_le32(&mut self.raw, 0x20, flags);
    }

    /// Where the contents are, or the contents of a short link.
    pub(in super::super) fn body(&self) -> &[u8] {
        self.raw.get(BODY).unwrap_or_default()
    }

    pub(super) fn set_body(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.raw, BODY.start + offset, bytes);
    }

    /// Everything but the contents that a change elsewhere leaves alone: links to it come and go, and a directory's
    /// size follows its names.
    pub(in super::super) fn facts(&self) -> Vec<u8> {
        let mut copy = self.raw.clone();
        let mut clear = |range: std::ops::Range<usize>| copy.get_mut(range).into_iter().for_each(|part| part.fill(0));
        // Change time, links, checksum.
        [0xc..0x10, 0x1a..0x1c, 0x7c..0x7e, 0x82..0x88, BODY].into_iter().for_each(&mut clear);
        if self.kind() == FileKind::Directory {
            // Size, used space, and the mark of an index.
            [0x4..0x8, 0x1c..0x24, 0x74..0x76].into_iter().for_each(&mut clear);
        }
        copy
    }

    /// The block with extended attributes; 0 for none.
    pub(super) fn attribute_block(&self) -> u64 {
        u64::from(le32(&self.raw, 0x68)) | u64::from(le16(&self.raw, 0x76)) << 32
    }

    /// Whether the body is a short symbolic link.
    pub(super) fn is_fast_link(&self, block_size: usize) -> bool {
        let attributes = if self.attribute_block() == 0 { 0 } else { block_size as u64 / 512 };
        self.kind() == FileKind::Symlink
            && self.flags() & EXTENTS == 0
            && self.size() < FAST_LINK as u64
            && self.sectors().saturating_sub(attributes) == 0
    }

    /// Whether the body points at blocks at all.
    pub(super) fn has_blocks(&self, block_size: usize) -> bool {
        self.kind() != FileKind::Special && self.flags() & INLINE == 0 && !self.is_fast_link(block_size)
    }

    /// Seed of checksums over this inode's own blocks.
    pub(super) fn seed(&self, superblock: &Superblock) -> u32 {
        let seed = crc32c(superblock.seed, &self.number.to_le_bytes());
        crc32c(seed, self.raw.get(0x64..0x68).unwrap_or_default())
    }

    /// Whether the upper half of the checksum has its field.
    fn wide_checksum(&self) -> bool {
        self.raw.len() > 128 && le16(&self.raw, 0x80) >= 4
    }

    fn computed_checksum(&self, superblock: &Superblock) -> u32 {
        let mut copy = self.raw.clone();
        put_le16(&mut copy, 0x7c, 0);
        if self.wide_checksum() {
            put_le16(&mut copy, 0x82, 0);
        }
        crc32c(self.seed(superblock), &copy)
    }

    /// Whether the stored checksum is right; an inode of zeros needs none.
    pub(super) fn checksum_is_right(&self, superblock: &Superblock) -> bool {
        if !superblock.metadata_checksums() || super::super::bytes::is_zero(&self.raw) {
            return true;
        }
        let sum = self.computed_checksum(superblock);
        let high = !self.wide_checksum() || le16(&self.raw, 0x82) == (sum >> 16) as u16;
        high && le16(&self.raw, 0x7c) == sum as u16
    }

    pub(super) fn stamp(&mut self, superblock: &Superblock) {
        if !superblock.metadata_checksums() {
            return;
        }
        let sum = self.computed_checksum(superblock);
        put_le16(&mut self.raw, 0x7c, sum as u16);
        if self.wide_checksum() {
            put_le16(&mut self.raw, 0x82, (sum >> 16) as u16);
        }
    }
}
