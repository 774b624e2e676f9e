//! Reads a qcow2 image as a disk. Memory is bounded: the L1 table, some L2 tables and some decompressed clusters.

use super::super::bytes::be64;
use super::super::disk::check_range;
use super::super::{Disk, ImageError, ReadAt};
use super::header::{Compression, Header};
use super::{COMPRESSED, OFFSET_MASK, ZERO};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of L2 tables and of decompressed clusters that are kept, each.
const CACHE_BYTES: usize = 4 << 20;
/// Largest zstd window that is accepted: twice the largest cluster, so that a hostile image cannot ask for gigabytes.
const WINDOW_LOG_MAX: u32 = 22;

/// Recently used byte blocks by file offset.
type Cache = Mutex<BTreeMap<u64, Arc<Vec<u8>>>>;

/// An open qcow2 image, with its backing disk if it has one.
pub(in super::super) struct Qcow2Disk {
    source: Box<dyn ReadAt>,
    file_size: u64,
    header: Header,
    l1: Vec<u64>,
    backing: Option<Arc<dyn Disk>>,
    tables: Cache,
    clusters: Cache,
}

/// Where a cluster's bytes are.
enum Cluster {
    Backing,
    Zero,
    Plain(u64),
    Compressed { offset: u64, length: u64 },
}

impl Qcow2Disk {
    /// Opens `source`. `backing` must be given exactly when the image names a backing file.
    pub(in super::super) fn open(source: Box<dyn ReadAt>, backing: Option<Arc<dyn Disk>>) -> Result<Self, ImageError> {
        let header = Header::read(source.as_ref())?;
        if let (Some(name), None) = (&header.backing, &backing) {
            return Err(ImageError::unsupported(format!(
                "it has a backing file ({name}); flatten it with `qemu-img convert` first"
            )));
        }
        let file_size = source.size()?;
        let needed = header.virtual_size.div_ceil(1 << (2 * header.cluster_bits - 3));
        let mut raw = vec![0; needed as usize * 8];
        source.read_exact_at(header.l1_offset, &mut raw)?;
        let l1 = raw.chunks_exact(8).map(|entry| be64(entry, 0)).collect();
        Ok(Self { source, file_size, header, l1, backing, tables: Cache::default(), clusters: Cache::default() })
    }

    /// The backing file's name and format, as the header gives them.
    pub(in super::super) fn backing_name(&self) -> (Option<&str>, Option<&str>) {
        (self.header.backing.as_deref(), self.header.backing_format.as_deref())
    }

    /// Numbers of the clusters that do not come from the backing file.
    pub(in super::super) fn stored_clusters(&self) -> Result<BTreeSet<u64>, ImageError> {
        let per_table = self.cluster_size() / 8;
        let mut stored = BTreeSet::new();
        let tables = self.l1.iter().zip(0u64..).filter(|(entry, _)| **entry & OFFSET_MASK != 0);
        for cluster in tables.flat_map(|(_, index)| index * per_table..(index + 1) * per_table) {
            if !matches!(self.cluster(cluster << self.header.cluster_bits)?, Cluster::Backing) {
                stored.insert(cluster);
            }
        }
        Ok(stored)
    }

    /// Bytes in a cluster.
    pub(in super::super) fn cluster_size(&self) -> u64 {
        1 << self.header.cluster_bits
    }

    fn cluster(&self, offset: u64) -> Result<Cluster, ImageError> {
        let bits = self.header.cluster_bits;
        let l2_bits = bits - 3;
        let l1_index = (offset >> (bits + l2_bits)) as usize;
        let table = self.l1.get(l1_index).copied().unwrap_or(0) & OFFSET_MASK;
        if table == 0 {
            return Ok(Cluster::Backing);
        }
        let table = self.cached(&self.tables, table, |source, bytes| {
            source.read_exact_at(table, bytes)?;
            Ok(())
        })?;
        let entry = be64(&table, ((offset >> bits) as usize & ((1 << l2_bits) - 1)) * 8);
        if entry & COMPRESSED != 0 {
            let size_shift = 62 - (bits - 8);
            let start = entry & ((1 << size_shift) - 1);
            let sectors = (entry >> size_shift) & ((1 << (bits - 8)) - 1);
            return Ok(Cluster::Compressed { offset: start, length: (sectors + 1) * 512 - (start & 511) });
        }
        if entry & ZERO != 0 && self.header.zero_clusters {
            return Ok(Cluster::Zero);
        }
        Ok(match entry & OFFSET_MASK {
            0 => Cluster::Backing,
            start => Cluster::Plain(start),
        })
    }

    /// The cached bytes for `key`, made by `fill` when they are not there yet.
    fn cached(
        &self,
        cache: &Cache,
        key: u64,
        fill: impl FnOnce(&dyn ReadAt, &mut Vec<u8>) -> Result<(), ImageError>,
    ) -> Result<Arc<Vec<u8>>, ImageError> {
        if let Some(found) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(found.clone());
        }
        let mut bytes = vec![0; self.cluster_size() as usize];
        check_range(key, 1, self.file_size).map_err(|_| self.truncated(key))?;
        fill(self.source.as_ref(), &mut bytes).map_err(|error| match error {
            ImageError::Io(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => self.truncated(key),
            other => other,
        })?;
        let bytes = Arc::new(bytes);
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        // Dropping everything now and then is as good as an exact order of use here: reads come in runs.
        if (cache.len() + 1) * bytes.len() > CACHE_BYTES {
            cache.clear();
        }
        cache.insert(key, bytes.clone());
        Ok(bytes)
    }

    fn truncated(&self, offset: u64) -> ImageError {
        ImageError::damaged(format!("it refers to byte {offset} of a file of {}: it was cut off", self.file_size))
    }

    fn decompress(&self, offset: u64, length: u64) -> Result<Arc<Vec<u8>>, ImageError> {
        self.cached(&self.clusters, offset, |source, bytes| {
            // The last compressed cluster's sectors may reach beyond the end of the file.
            let available = length.min(self.file_size.saturating_sub(offset));
            let mut packed = vec![0; available as usize];
            source.read_exact_at(offset, &mut packed)?;
            unpack(self.header.compression, &packed, bytes)
                .map_err(|error| ImageError::damaged(format!("the compressed cluster at byte {offset}: {error}")))
        })
    }

    fn read_within_cluster(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        let within = offset & (self.cluster_size() - 1);
        match self.cluster(offset)? {
            Cluster::Zero => buffer.fill(0),
            Cluster::Plain(start) => {
                let at = start.checked_add(within).ok_or_else(|| self.truncated(start))?;
                check_range(at, buffer.len(), self.file_size).map_err(|_| self.truncated(at))?;
                self.source.read_exact_at(at, buffer)?;
            }
            Cluster::Compressed { offset, length } => {
                let bytes = self.decompress(offset, length)?;
                let within = within as usize;
                // A read never crosses a cluster, and a decompressed cluster is always whole.
                buffer.copy_from_slice(&bytes[within..within + buffer.len()]);
            }
            Cluster::Backing => {
                buffer.fill(0);
                if let Some(backing) = &self.backing {
                    let available = backing.size().saturating_sub(offset).min(buffer.len() as u64) as usize;
                    backing.read_at(offset, &mut buffer[..available])?;
                }
            }
        }
        Ok(())
    }
}

fn unpack(compression: Compression, packed: &[u8], out: &mut [u8]) -> std::io::Result<()> {
    match compression {
        Compression::Deflate => flate2::read::DeflateDecoder::new(packed).read_exact(out),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?.single_frame();
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            decoder.read_exact(out)
        }
    }
}

impl Disk for Qcow2Disk {
    fn size(&self) -> u64 {
        self.header.virtual_size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        check_range(offset, buffer.len(), self.header.virtual_size)?;
        let (mut at, mut done) = (offset, 0);
        while done < buffer.len() {
            let left = self.cluster_size() - (at & (self.cluster_size() - 1));
            let length = left.min((buffer.len() - done) as u64) as usize;
            self.read_within_cluster(at, &mut buffer[done..done + length])?;
            at += length as u64;
            done += length;
        }
        Ok(())
    }
}
