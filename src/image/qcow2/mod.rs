//! The qcow2 format: reading base images and overlays, and writing canonical overlays.
//!
//! Source of the format: `docs/interop/qcow2.txt` of QEMU.

mod header;
mod read;
mod write;

pub(super) use header::MAGIC;
pub(super) use read::Qcow2Disk;
pub use write::Overlay;
pub(super) use write::{CLUSTER, MAX_BACKING_NAME, OverlayBuilder};

/// L1 and L2 entries: this cluster is referenced once.
const COPIED: u64 = 1 << 63;
/// L2 entries: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// L2 entries: reads as zeros, whatever the backing file holds.
const ZERO: u64 = 1;
/// The offset bits of L1 and L2 entries.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
/// QEMU's own limit for an L1 table, in bytes.
const MAX_L1_BYTES: u64 = 32 << 20;
/// Header extension that names the backing file's format.
const BACKING_FORMAT: u32 = 0xE279_2ACA;
