//! Disk images: reads base images, writes node overlays and the artifact disk, and proves that an overlay is right.
//!
//! Comes in: the bytes of a base image, a tree, and whoever hands out secrets. Goes out: overlays as byte chunks. Nothing
//! here opens a file, looks at a clock or starts a process; see docs/images.md for the formats and the choices.

mod artifact_disk;
mod base;
mod bytes;
mod contents;
mod disk;
mod error;
mod ext4;
mod overlay;
mod partition;
mod qcow2;
mod verify;

pub use artifact_disk::{ArtifactEntry, OpenFile, write_artifact_disk};
pub use base::Base;
pub use contents::{KernelFiles, installed_packages, kernel_and_initrd, read_file};
pub use disk::{Disk, ImageFormat, ReadAt};
pub use error::ImageError;
pub use overlay::{OverlayOptions, write_overlay};
pub use partition::Partition;
pub use qcow2::Overlay;
pub use verify::{Mismatch, verify_overlay};
