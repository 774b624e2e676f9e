//! Finds the root file system on a disk: by its GPT, or the whole disk when there is no partition table.

use super::bytes::{le16, le32, le64};
use super::{Disk, ImageError};

const SECTOR: u64 = 512;
/// Far more than any partition table: 128 entries of 128 bytes are usual.
const MAX_TABLE_BYTES: u64 = 1 << 20;

/// Type GUIDs in their on-disk byte order; roots first, as their type says more than "Linux file system".
/// Source: the Discoverable Partitions Specification.
const ROOT_TYPES: [[u8; 16]; 2] = [
    // 4f68bce3-e8cd-4db1-96e7-fbcaf984b709: root, x86-64
    [0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09],
    // b921b045-1df0-41c3-af44-4c6f280d3fae: root, arm64
    [0x45, 0xb0, 0x21, 0xb9, 0xf0, 0x1d, 0xc3, 0x41, 0xaf, 0x44, 0x4c, 0x6f, 0x28, 0x0d, 0x3f, 0xae],
];
/// 0fc63daf-8483-4772-8e79-3d69d8477de4: Linux file system data
const LINUX_TYPE: [u8; 16] =
    [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];

/// The part of a disk that holds the root file system, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub offset: u64,
    pub length: u64,
    /// Number in the partition table, from 1; `None` for a whole disk.
    pub number: Option<u32>,
    /// The partition's own GUID in lower case, as `root=PARTUUID=` wants it.
    pub part_uuid: Option<String>,
}

/// The first partition in the *table* that is typed as a Linux root and holds ext4; else the first Linux file system.
pub(super) fn find_root(disk: &dyn Disk) -> Result<Partition, ImageError> {
    let whole = Partition { offset: 0, length: disk.size(), number: None, part_uuid: None };
    let mut header = vec![0; SECTOR as usize];
    if disk.size() < 4 * SECTOR {
        return Err(ImageError::damaged(format!("a disk of {} bytes holds no file system", disk.size())));
    }
    disk.read_at(SECTOR, &mut header)?;
    if header.get(..8) != Some(b"EFI PART") {
        return match identify(disk, &whole)? {
            Content::Ext4 => Ok(whole),
            Content::Other(found) => Err(ImageError::NotExt4 { found: found.into() }),
            Content::Unknown => Err(ImageError::unsupported(
                "it has neither a GPT partition table nor an ext4 file system on the whole disk",
            )),
        };
    }
    choose(disk, &read_table(disk, &header)?)
}

fn choose(disk: &dyn Disk, entries: &[([u8; 16], Partition)]) -> Result<Partition, ImageError> {
    let roots = entries.iter().filter(|(kind, _)| ROOT_TYPES.contains(kind));
    let plain = entries.iter().filter(|(kind, _)| *kind == LINUX_TYPE);
    let mut other = None;
    for (_, partition) in roots.chain(plain) {
        match identify(disk, partition)? {
            Content::Ext4 => return Ok(partition.clone()),
            Content::Other(found) => other = other.or(Some(found)),
            Content::Unknown => {}
        }
    }
    Err(match other {
        Some(found) => ImageError::NotExt4 { found: found.into() },
        None => ImageError::unsupported("no partition of type Linux root or Linux file system holds ext4"),
    })
}

/// The used entries of the partition table, in table order.
fn read_table(disk: &dyn Disk, header: &[u8]) -> Result<Vec<([u8; 16], Partition)>, ImageError> {
    let header_size = le32(header, 12) as usize;
    let mut summed = header.get(..header_size).filter(|h| h.len() >= 92).map(<[u8]>::to_vec);
    let sound = summed.as_mut().is_some_and(|copy| {
        super::bytes::put_le32(copy, 16, 0);
        crc32(copy) == le32(header, 16)
    });
    if !sound {
        return Err(ImageError::damaged("the checksum of its GPT header is wrong"));
    }
    let (first, count, size) = (le64(header, 72), u64::from(le32(header, 80)), u64::from(le32(header, 84)));
    let bytes = count * size;
    if size < 128 || bytes > MAX_TABLE_BYTES {
        return Err(ImageError::damaged(format!("its GPT claims {count} entries of {size} bytes")));
    }
    let mut table = vec![0; bytes as usize];
    let offset = first.checked_mul(SECTOR).ok_or_else(|| ImageError::damaged("its GPT lies outside the disk"))?;
    disk.read_at(offset, &mut table)?;
    if crc32(&table) != le32(header, 88) {
        return Err(ImageError::damaged("the checksum of its GPT partition entries is wrong"));
    }
    let entries = table.chunks_exact(size as usize).enumerate();
    entries.filter_map(|(index, raw)| entry(index, raw, disk.size()).transpose()).collect()
}

fn entry(index: usize, raw: &[u8], disk_size: u64) -> Result<Option<([u8; 16], Partition)>, ImageError> {
    let guid = |at: usize| raw.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok()).unwrap_or_default();
    let kind = guid(0);
    if kind == [0; 16] {
        return Ok(None);
    }
    let number = index as u32 + 1;
    let (first, last) = (le64(raw, 32), le64(raw, 40));
    let end = last.checked_add(1).and_then(|end| end.checked_mul(SECTOR));
    match end.zip(first.checked_mul(SECTOR)) {
        Some((end, offset)) if offset < end && end <= disk_size => {
            let part_uuid = Some(guid_text(&guid(16)));
            Ok(Some((kind, Partition { offset, length: end - offset, number: Some(number), part_uuid })))
        }
        _ => Err(ImageError::damaged(format!(
            "its partition {number} (sectors {first} to {last}) does not fit the disk of {disk_size} bytes: it was cut off"
        ))),
    }
}

/// A GUID as text: its first three fields are little-endian on disk.
fn guid_text(raw: &[u8; 16]) -> String {
    let tail: String = raw[10..].iter().map(|b| format!("{b:02x}")).collect();
    format!("{:08x}-{:04x}-{:04x}-{:02x}{:02x}-{tail}", le32(raw, 0), le16(raw, 4), le16(raw, 6), raw[8], raw[9])
}

enum Content {
    Ext4,
    Other(&'static str),
    Unknown,
}

fn identify(disk: &dyn Disk, partition: &Partition) -> Result<Content, ImageError> {
    let mut head = vec![0; 0x10050.min(partition.length) as usize];
    disk.read_at(partition.offset, &mut head)?;
    let has = |at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
    Ok(match () {
        () if has(1024 + 0x38, &[0x53, 0xef]) => Content::Ext4,
        () if has(0, b"XFSB") => Content::Other("XFS"),
        () if has(0x10040, b"_BHRfS_M") => Content::Other("btrfs"),
        () if has(0, b"LUKS\xba\xbe") => Content::Other("encrypted (LUKS)"),
        () if has(512, b"LABELONE") => Content::Other("on LVM"),
        () if has(1024, &[0x10, 0x20, 0xf5, 0xf2]) => Content::Other("F2FS"),
        () => Content::Unknown,
    })
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
