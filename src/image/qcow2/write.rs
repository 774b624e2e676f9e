//! Writes a canonical qcow2 overlay: the same changes give the same bytes, in whatever order they were made.
//!
//! Layout, in clusters: header, reference count table, reference count blocks, L1 table, L2 tables, data. L2 tables and
//! data follow in ascending guest order, so that the file can be written from front to back in one go.

use super::super::ImageFormat;
use super::{BACKING_FORMAT, COPIED, MAGIC, ZERO};
use std::collections::BTreeMap;
use std::io::{self, Write};
use zeroize::Zeroizing;

/// log2 of the cluster size. Small overlays scatter a few blocks over the disk: 16 KiB keeps their tables and the copied
/// bytes around each block small, and still lets QEMU's default cache cover a whole disk (see docs/images.md).
pub(in super::super) const CLUSTER_BITS: u32 = 14;
/// Bytes in a cluster.
pub(in super::super) const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Longest backing file name that the format allows, in bytes.
pub(in super::super) const MAX_BACKING_NAME: usize = 1023;
const HEADER_LENGTH: u32 = 104;

/// A finished overlay in memory; wiped when dropped, as it holds a node's secrets.
pub struct Overlay {
    metadata: Vec<u8>,
    data: Vec<Zeroizing<Vec<u8>>>,
}

impl Overlay {
    /// Size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.metadata.len() as u64 + self.data.iter().map(|c| c.len() as u64).sum::<u64>()
    }

    /// The file's bytes, front to back.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.metadata.as_slice()).chain(self.data.iter().map(|c| c.as_slice()))
    }

    /// Writes the whole file, from front to back.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        self.chunks().try_for_each(|chunk| out.write_all(chunk))
    }

    /// The whole file as one buffer.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.size() as usize));
        self.chunks().for_each(|chunk| out.extend_from_slice(chunk));
        out
    }
}

/// Collects clusters; see [`OverlayBuilder::finish`].
pub(in super::super) struct OverlayBuilder<'a> {
    pub disk_size: u64,
    pub backing_name: &'a str,
    pub backing_format: ImageFormat,
    /// Cluster number to contents; `None` reads as zeros.
    pub clusters: BTreeMap<u64, Option<Zeroizing<Vec<u8>>>>,
}

/// How many clusters each part takes.
struct Layout {
    refcount_table: u64,
    refcount_blocks: u64,
    l1: u64,
    l2: u64,
    data: u64,
}

impl Layout {
    fn metadata(&self) -> u64 {
        1 + self.refcount_table + self.refcount_blocks + self.l1 + self.l2
    }

    fn total(&self) -> u64 {
        self.metadata() + self.data
    }
}

const ENTRIES: u64 = CLUSTER / 8;
const REFCOUNTS: u64 = CLUSTER / 2;

impl OverlayBuilder<'_> {
    /// The file. The backing name must be at most 1023 bytes and the disk size a multiple of 512; the caller checks.
    pub(in super::super) fn finish(self) -> Overlay {
        let tables = self.table_numbers();
        let layout = self.layout(tables.len() as u64);
        let mut metadata = vec![0; (layout.metadata() * CLUSTER) as usize];
        self.put_header(&mut metadata, &layout);
        put_refcounts(&mut metadata, &layout);
        self.put_tables(&mut metadata, &layout, &tables);
        Overlay { metadata, data: self.clusters.into_values().flatten().collect() }
    }

    /// L1 index to position among the L2 tables.
    fn table_numbers(&self) -> BTreeMap<u64, u64> {
        let mut tables = BTreeMap::new();
        for cluster in self.clusters.keys() {
            let next = tables.len() as u64;
            tables.entry(cluster / ENTRIES).or_insert(next);
        }
        tables
    }

    fn l1_entries(&self) -> u64 {
        self.disk_size.div_ceil(CLUSTER).div_ceil(ENTRIES)
    }

    fn layout(&self, l2: u64) -> Layout {
        let data = self.clusters.values().filter(|c| c.is_some()).count() as u64;
        let l1 = (self.l1_entries() * 8).div_ceil(CLUSTER).max(1);
        let mut layout = Layout { refcount_table: 1, refcount_blocks: 1, l1, l2, data };
        // The reference counts cover their own clusters: grow until they do.
        loop {
            let blocks = layout.total().div_ceil(REFCOUNTS);
            let table = (blocks * 8).div_ceil(CLUSTER);
            if blocks <= layout.refcount_blocks && table <= layout.refcount_table {
                return layout;
            }
            layout.refcount_blocks = blocks.max(layout.refcount_blocks);
            layout.refcount_table = table.max(layout.refcount_table);
        }
    }

    fn put_header(&self, out: &mut [u8], layout: &Layout) {
        let name = self.backing_name.as_bytes();
        let format = self.backing_format.name().as_bytes();
        let extension = HEADER_LENGTH as usize;
        let name_at = extension + 8 + format.len().next_multiple_of(8) + 8;
        let refcount_table = CLUSTER;
        let l1 = (1 + layout.refcount_table + layout.refcount_blocks) * CLUSTER;
        out[..4].copy_from_slice(&MAGIC);
        put32(out, 4, 3);
        put64(out, 8, name_at as u64);
        put32(out, 16, name.len() as u32);
        put32(out, 20, CLUSTER_BITS);
        put64(out, 24, self.disk_size);
        put32(out, 36, self.l1_entries() as u32);
        put64(out, 40, l1);
        put64(out, 48, refcount_table);
        put32(out, 56, layout.refcount_table as u32);
        put32(out, 96, 4);
        put32(out, 100, HEADER_LENGTH);
        put32(out, extension, BACKING_FORMAT);
        put32(out, extension + 4, format.len() as u32);
        out[extension + 8..extension + 8 + format.len()].copy_from_slice(format);
        out[name_at..name_at + name.len()].copy_from_slice(name);
    }

    fn put_tables(&self, out: &mut [u8], layout: &Layout, tables: &BTreeMap<u64, u64>) {
        let l1 = 1 + layout.refcount_table + layout.refcount_blocks;
        let l2 = l1 + layout.l1;
        for (index, position) in tables {
            put64(out, l1 * CLUSTER + index * 8, COPIED | ((l2 + position) * CLUSTER));
        }
        let mut next = layout.metadata();
        for (cluster, contents) in &self.clusters {
            // Every cluster's table was numbered by `table_numbers`.
            let table = tables.get(&(cluster / ENTRIES)).copied().unwrap_or_default();
            let at = (l2 + table) * CLUSTER + cluster % ENTRIES * 8;
            if contents.is_some() {
                put64(out, at, COPIED | (next * CLUSTER));
                next += 1;
            } else {
                put64(out, at, ZERO);
            }
        }
    }
}

fn put_refcounts(out: &mut [u8], layout: &Layout) {
    let blocks = 1 + layout.refcount_table;
    for block in 0..layout.refcount_blocks {
        put64(out, CLUSTER + block * 8, (blocks + block) * CLUSTER);
    }
    let start = (blocks * CLUSTER) as usize;
    for cluster in 0..layout.total() as usize {
        out[start + cluster * 2 + 1] = 1;
    }
}

fn put32(out: &mut [u8], at: impl TryInto<usize>, value: u32) {
    super::super::bytes::put(out, at.try_into().unwrap_or(usize::MAX), &value.to_be_bytes());
}

fn put64(out: &mut [u8], at: impl TryInto<usize>, value: u64) {
    super::super::bytes::put(out, at.try_into().unwrap_or(usize::MAX), &value.to_be_bytes());
}
