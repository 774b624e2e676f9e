//! Directory blocks: walking, adding, replacing and removing entries.

use super::super::ImageError;
use super::super::bytes::{le16, le32, put, put_le16, put_le32};
use super::checksum::crc32c;

const HEADER: usize = 8;
/// The pretended entry at a block's end that holds its checksum.
const TAIL: usize = 12;
const TAIL_TYPE: u8 = 0xde;

/// An entry's name and inode, on its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Name {
    pub name: Vec<u8>,
    pub inode: u32,
}

/// One entry inside a block; inode 0 marks free space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub offset: usize,
    pub length: usize,
    pub inode: u32,
    pub kind: u8,
    pub name: &'a [u8],
}

impl Entry<'_> {
    /// Bytes that the entry itself needs.
    fn used(&self) -> usize {
        if self.inode == 0 { 0 } else { record_length(self.name.len()) }
    }
}

/// Bytes that an entry with a name of this length needs.
pub(super) fn record_length(name: usize) -> usize {
    (HEADER + name).next_multiple_of(4)
}

pub(super) fn damaged(inode: u32) -> ImageError {
    ImageError::damaged(format!("the ext4 directory with inode {inode} makes no sense"))
}

/// All entries of a block, in order; `Err` ends the walk of a block that makes no sense.
pub(super) fn entries(block: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, ()>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        if offset >= block.len() {
            return None;
        }
        let entry = entry_at(block, offset);
        offset = entry.as_ref().map_or(block.len(), |e| e.offset + e.length);
        Some(entry.ok_or(()))
    })
}

fn entry_at(block: &[u8], offset: usize) -> Option<Entry<'_>> {
    let length = usize::from(le16(block, offset + 4));
    let name = usize::from(*block.get(offset + 6)?);
    let inode = le32(block, offset);
    let needed = if inode == 0 { HEADER } else { HEADER + name };
    if length < needed || length % 4 != 0 || offset + length > block.len() {
        return None;
    }
    let start = offset + HEADER;
    let name = if inode == 0 { &[] } else { block.get(start..start + name)? };
    Some(Entry { offset, length, inode, kind: *block.get(offset + 7)?, name })
}

/// Bytes of a block that entries may use.
fn usable(block_size: usize, checksums: bool) -> usize {
    if checksums { block_size - TAIL } else { block_size }
}

fn put_entry(block: &mut [u8], offset: usize, length: usize, inode: u32, name: &[u8], kind: u8) {
    put_le32(block, offset, inode);
    put_le16(block, offset + 4, length as u16);
    put(block, offset + 6, &[name.len() as u8, kind]);
    put(block, offset + HEADER, name);
}

/// Adds an entry where there is room; false when the block is full.
pub(super) fn add(block: &mut [u8], checksums: bool, name: &[u8], inode: u32, kind: u8) -> Result<bool, ()> {
    let needed = record_length(name.len());
    let end = usable(block.len(), checksums);
    let mut place = None;
    for entry in entries(block) {
        let entry = entry?;
        if entry.offset + entry.length <= end && entry.length - entry.used().min(entry.length) >= needed {
            place = Some((entry.offset, entry.used(), entry.length));
            break;
        }
    }
    let Some((offset, used, length)) = place else { return Ok(false) };
    if used > 0 {
        put_le16(block, offset + 4, used as u16);
    }
    put_entry(block, offset + used, length - used, inode, name, kind);
    Ok(true)
}

/// Points an existing entry at another inode; false when the name is not in this block.
pub(super) fn replace(block: &mut [u8], name: &[u8], inode: u32, kind: u8) -> Result<bool, ()> {
    let mut place = None;
    for entry in entries(block) {
        let entry = entry?;
        if entry.inode != 0 && entry.name == name {
            place = Some(entry.offset);
            break;
        }
    }
    let Some(offset) = place else { return Ok(false) };
    put_le32(block, offset, inode);
    put(block, offset + 7, &[kind]);
    Ok(true)
}

/// An empty block, or with `.` and `..` the first block of a new directory.
pub(super) fn new_block(block_size: usize, checksums: bool, dots: Option<(u32, u32)>) -> Vec<u8> {
    let mut block = vec![0; block_size];
    let end = usable(block_size, checksums);
    match dots {
        Some((own, parent)) => {
            put_entry(&mut block, 0, 12, own, b".", 2);
            put_entry(&mut block, 12, end - 12, parent, b"..", 2);
        }
        None => put_entry(&mut block, 0, end, 0, b"", 0),
    }
    put_tail(&mut block, checksums);
    block
}

/// A block that holds exactly these entries.
pub(super) fn filled_block(block_size: usize, checksums: bool, names: &[(Vec<u8>, u32, u8)]) -> Vec<u8> {
    let mut block = new_block(block_size, checksums, None);
    let end = usable(block_size, checksums);
    let mut offset = 0;
    for (index, (name, inode, kind)) in names.iter().enumerate() {
        let length = if index + 1 == names.len() { end - offset } else { record_length(name.len()) };
        put_entry(&mut block, offset, length, *inode, name, *kind);
        offset += length;
    }
    block
}

fn put_tail(block: &mut [u8], checksums: bool) {
    if checksums {
        let offset = block.len() - TAIL;
        put_entry(block, offset, TAIL, 0, b"", TAIL_TYPE);
    }
}

/// Whether a block ends in the pretended entry that holds its checksum.
pub(super) fn has_tail(block: &[u8]) -> bool {
    let at = block.len() - TAIL;
    le32(block, at) == 0 && le16(block, at + 4) == TAIL as u16 && block[at + 6..at + 8] == [0, TAIL_TYPE]
}

/// Writes the checksum into a block's tail; `seed` is the directory inode's.
pub(super) fn stamp(block: &mut [u8], seed: u32) {
    let at = block.len() - TAIL;
    let sum = crc32c(seed, &block[..at]);
    put_le32(block, at + 8, sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(block: &[u8]) -> Vec<(Vec<u8>, u32)> {
        entries(block).map(|e| e.unwrap()).filter(|e| e.inode != 0).map(|e| (e.name.to_vec(), e.inode)).collect()
    }

    #[test]
    fn entries_fill_a_block_and_leave_its_tail_alone() {
        let mut block = new_block(1024, true, Some((11, 2)));
        let mut added = 0;
        while add(&mut block, true, format!("name-{added:04}").as_bytes(), 20 + added, 1).unwrap() {
            added += 1;
        }
        assert!(added > 40 && has_tail(&block), "{added}");
        assert_eq!(names(&block).len(), added as usize + 2);
        assert!(replace(&mut block, b"name-0003", 999, 7).unwrap() && !replace(&mut block, b"none", 1, 1).unwrap());
        assert!(names(&block).contains(&(b"name-0003".to_vec(), 999)));
    }

    #[test]
    fn nonsense_is_an_error_and_no_endless_loop() {
        for (at, value) in [(4, 0u16), (4, 7), (4, 4000), (4, 3)] {
            let mut block = new_block(1024, true, Some((11, 2)));
            put_le16(&mut block, at, value);
            assert!(entries(&block).any(|e| e.is_err()), "{at} {value}");
            assert!(add(&mut block, true, b"x", 12, 1).is_err());
        }
    }
}
