//! A base image: opened and checked once, then read by every node at the same time.

use super::disk::RawDisk;
use super::ext4::{Blocks, View, Volume};
use super::partition::{self, Partition};
use super::qcow2::Qcow2Disk;
use super::{Disk, ImageError, ImageFormat, ReadAt};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What one cache may hold. Nodes read the same few hundred blocks of metadata; the rest is not worth keeping.
const CACHE_BYTES: usize = 8 << 20;

/// A base image with its root file system.
pub struct Base {
    disk: Arc<dyn Disk>,
    format: ImageFormat,
    partition: Partition,
    volume: Volume,
    blocks: Cache,
    chunks: Cache,
}

impl Base {
    /// Opens an image file; finds its root partition and checks the head of its ext4.
    pub fn open(source: Box<dyn ReadAt>, format: ImageFormat) -> Result<Self, ImageError> {
        let disk: Arc<dyn Disk> = match format {
            ImageFormat::Raw => Arc::new(RawDisk::open(source)?),
            ImageFormat::Qcow2 => Arc::new(Qcow2Disk::open(source, None)?),
        };
        Self::on_disk(disk, format)
    }

    pub(super) fn on_disk(disk: Arc<dyn Disk>, format: ImageFormat) -> Result<Self, ImageError> {
        let partition = partition::find_root(disk.as_ref())?;
        let volume = Volume::open(disk.as_ref(), partition.offset, partition.length)?;
        Ok(Self { disk, format, partition, volume, blocks: Cache::default(), chunks: Cache::default() })
    }

    /// The disk's size in bytes.
    pub fn virtual_size(&self) -> u64 {
        self.disk.size()
    }

    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// Where the root file system is.
    pub fn root_partition(&self) -> &Partition {
        &self.partition
    }

    /// UUID of the root file system, as `root=UUID=` wants it.
    pub fn root_uuid(&self) -> String {
        self.volume.superblock.uuid()
    }

    /// Label of the root file system; empty when it has none.
    pub fn root_label(&self) -> String {
        self.volume.superblock.label()
    }

    /// Blocks of the root file system, in bytes each.
    pub fn block_size(&self) -> usize {
        self.volume.superblock.block_size
    }

    /// The whole disk.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(super) fn volume(&self) -> &Volume {
        &self.volume
    }

    pub(super) fn view(&self) -> View<'_> {
        View { volume: &self.volume, blocks: self }
    }

    /// `size` bytes of the disk at `index * size`; zeros beyond the disk's end. All calls use one size.
    pub(super) fn chunk(&self, index: u64, size: u64) -> Result<Arc<Vec<u8>>, ImageError> {
        self.chunks.get(index, || {
            let mut bytes = vec![0; size as usize];
            let offset = index * size;
            let available = self.disk.size().saturating_sub(offset).min(size) as usize;
            self.disk.read_at(offset, &mut bytes[..available])?;
            Ok(bytes)
        })
    }
}

impl Blocks for Base {
    fn block(&self, number: u64) -> Result<Arc<Vec<u8>>, ImageError> {
        self.blocks.get(number, || {
            let size = self.block_size();
            let mut bytes = vec![0; size];
            let offset = number.checked_mul(size as u64).and_then(|o| o.checked_add(self.partition.offset));
            let offset = offset.ok_or_else(|| ImageError::damaged("ext4 lies outside the disk"))?;
            self.disk.read_at(offset, &mut bytes)?;
            Ok(bytes)
        })
    }
}

/// Byte blocks by number; when full it takes no more.
#[derive(Default)]
struct Cache {
    entries: Mutex<BTreeMap<u64, Arc<Vec<u8>>>>,
}

impl Cache {
    fn get(&self, number: u64, read: impl FnOnce() -> Result<Vec<u8>, ImageError>) -> Result<Arc<Vec<u8>>, ImageError> {
        let lock = || self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&number) {
            return Ok(found.clone());
        }
        let bytes = Arc::new(read()?);
        let mut entries = lock();
        if entries.len() * bytes.len() < CACHE_BYTES {
            entries.insert(number, bytes.clone());
        }
        Ok(bytes)
    }
}
