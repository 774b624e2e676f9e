//! A qcow2 header, version 2 or 3, checked before anything else is read.

use super::super::bytes::{be32, be64};
use super::super::{ImageError, ReadAt};
use super::{BACKING_FORMAT, MAX_L1_BYTES};

pub(in super::super) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// How compressed clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Deflate,
    Zstd,
}

/// The fields that reading needs.
#[derive(Debug)]
pub(super) struct Header {
    pub cluster_bits: u32,
    pub virtual_size: u64,
    pub l1_entries: u64,
    pub l1_offset: u64,
    pub zero_clusters: bool,
    pub compression: Compression,
    pub backing: Option<String>,
    pub backing_format: Option<String>,
}

impl Header {
    /// Reads and checks the header; whatever this reader could not follow is refused by name.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self, ImageError> {
        let file_size = source.size()?;
        let mut raw = vec![0; file_size.min(4096) as usize];
        source.read_exact_at(0, &mut raw)?;
        if raw.len() < 72 || raw.get(..4) != Some(&MAGIC) {
            return Err(ImageError::damaged("it is no qcow2 image"));
        }
        let version = be32(&raw, 4);
        if !(2..=3).contains(&version) {
            return Err(ImageError::unsupported(format!("qcow2 version {version}; versions 2 and 3 are known")));
        }
        if be32(&raw, 32) != 0 {
            return Err(ImageError::unsupported("it is encrypted; decrypt it with `qemu-img convert` first"));
        }
        let cluster_bits = be32(&raw, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(ImageError::damaged(format!("qcow2 cluster_bits is {cluster_bits}, not 9 to 21")));
        }
        let compression = if version == 3 { features(&raw)? } else { Compression::Deflate };
        let header = Self {
            cluster_bits,
            virtual_size: be64(&raw, 24),
            l1_entries: u64::from(be32(&raw, 36)),
            l1_offset: be64(&raw, 40),
            zero_clusters: version == 3,
            compression,
            backing: backing_name(&raw, source, file_size)?,
            backing_format: if version == 3 { extension(&raw, BACKING_FORMAT) } else { None },
        };
        header.check_l1(file_size)?;
        Ok(header)
    }

    fn check_l1(&self, file_size: u64) -> Result<(), ImageError> {
        let bytes_per_entry = 1u64 << (2 * self.cluster_bits - 3);
        let needed = self.virtual_size.div_ceil(bytes_per_entry);
        if self.l1_entries < needed {
            return Err(ImageError::damaged(format!(
                "its L1 table has {} entries, and {} bytes of disk need {needed}",
                self.l1_entries, self.virtual_size
            )));
        }
        if needed * 8 > MAX_L1_BYTES {
            return Err(ImageError::unsupported(format!(
                "its L1 table of {needed} entries is larger than QEMU itself allows"
            )));
        }
        if self.l1_offset.checked_add(needed * 8).is_none_or(|end| end > file_size) {
            return Err(ImageError::damaged("the file ends before its L1 table does: it was cut off"));
        }
        Ok(())
    }
}

/// Checks the incompatible features and gives the compression.
fn features(raw: &[u8]) -> Result<Compression, ImageError> {
    let incompatible = be64(raw, 72);
    if incompatible & 2 != 0 {
        return Err(ImageError::damaged("QEMU marked it as corrupt; see `qemu-img check`"));
    }
    if incompatible & 4 != 0 {
        return Err(ImageError::unsupported("its data is in an external data file; use `qemu-img convert` first"));
    }
    if incompatible & 16 != 0 {
        return Err(ImageError::unsupported("it has extended L2 entries; use `qemu-img convert` first"));
    }
    // Bit 0 says that reference counts may be stale, which matters to writers only; bit 3 announces the compression type.
    let unknown = incompatible & !0b1_1111;
    if unknown != 0 {
        return Err(ImageError::unsupported(format!("unknown incompatible qcow2 features {unknown:#x}")));
    }
    let kind = if be32(raw, 100) > 104 && incompatible & 8 != 0 { raw.get(104).copied().unwrap_or(0) } else { 0 };
    match kind {
        0 => Ok(Compression::Deflate),
        1 => Ok(Compression::Zstd),
        other => Err(ImageError::unsupported(format!("unknown qcow2 compression type {other}"))),
    }
}

fn backing_name(raw: &[u8], source: &dyn ReadAt, file_size: u64) -> Result<Option<String>, ImageError> {
    let offset = be64(raw, 8);
    if offset == 0 {
        return Ok(None);
    }
    let length = be32(raw, 16);
    if length > 1023 || offset.checked_add(u64::from(length)).is_none_or(|end| end > file_size) {
        return Err(ImageError::damaged("its backing file name lies outside the file"));
    }
    let mut name = vec![0; length as usize];
    source.read_exact_at(offset, &mut name)?;
    String::from_utf8(name).map(Some).map_err(|_| ImageError::damaged("its backing file name is no UTF-8"))
}

/// The text of one header extension, if the header has it.
fn extension(raw: &[u8], wanted: u32) -> Option<String> {
    let mut at = be32(raw, 100) as usize;
    while at.checked_add(8)? <= raw.len() {
        let (kind, length) = (be32(raw, at), be32(raw, at + 4) as usize);
        if kind == 0 {
            return None;
        }
        let start = at + 8;
        if kind == wanted {
            return raw.get(start..start.checked_add(length)?).and_then(|b| String::from_utf8(b.to_vec()).ok());
        }
        at = start.checked_add(length.checked_next_multiple_of(8)?)?;
    }
    None
}
