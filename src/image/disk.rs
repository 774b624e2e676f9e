//! Where image bytes come from, and the disk that they describe.
//!
//! Both are read through shared references, so that many nodes can read one base image at once.

use super::ImageError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::sync::Arc;

/// How an image file stores its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    Raw,
    Qcow2,
}

impl ImageFormat {
    /// The name that qcow2 headers, QEMU and libvirt use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }

    /// Looks at the first bytes; anything that is no qcow2 image is taken as raw.
    pub fn detect(source: &dyn ReadAt) -> Result<Self, ImageError> {
        let mut magic = [0; 4];
        if source.size()? < 4 {
            return Ok(Self::Raw);
        }
        source.read_exact_at(0, &mut magic)?;
        Ok(if magic == super::qcow2::MAGIC { Self::Qcow2 } else { Self::Raw })
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An image file's bytes, readable from several threads at once.
pub trait ReadAt: Send + Sync {
    /// The file's size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`, or fails.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for std::fs::File {
    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|m| m.len())
    }
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(buffer.len()));
        let slice = start.zip(end).and_then(|(start, end)| self.get(start..end));
        buffer.copy_from_slice(slice.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buffer)
    }
}

/// A disk as a guest would see it.
pub trait Disk: Send + Sync {
    /// Virtual size in bytes.
    fn size(&self) -> u64;
    /// Fills `buffer` from `offset`; beyond the end is an error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError>;
}

/// A raw image: the file is the disk.
pub(super) struct RawDisk {
    source: Box<dyn ReadAt>,
    size: u64,
}

impl RawDisk {
    pub(super) fn open(source: Box<dyn ReadAt>) -> Result<Self, ImageError> {
        let size = source.size()?;
        Ok(Self { source, size })
    }
}

impl Disk for RawDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        check_range(offset, buffer.len(), self.size)?;
        Ok(self.source.read_exact_at(offset, buffer)?)
    }
}

/// Refuses a read that leaves the disk.
pub(super) fn check_range(offset: u64, length: usize, size: u64) -> Result<(), ImageError> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= size => Ok(()),
        _ => Err(ImageError::damaged(format!(
            "it refers to byte {offset} and {length} bytes from there, and the disk ends at {size}"
        ))),
    }
}
