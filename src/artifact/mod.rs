//! Third-party files that nodes use: what is known ([`Catalog`]), what a cluster has pinned ([`Lock`]), what it needs
//! ([`resolve()`]), and how an archive's members become files of the artifact disk.
//!
//! Pure: downloads and the cache live in `edge`.

pub mod base;
mod catalog;
mod disk_path;
mod lock;
mod lock_text;
pub mod packing;
mod resolve;
mod source;
mod tar_entries;
mod text_error;
pub mod unpack;

pub use crate::image::ImageFormat;
pub use catalog::{Artifact, Catalog, CatalogError, Destination, Format, Release};
pub use disk_path::DiskPath;
pub use lock::{Lock, LockError, LockedArtifact, LockedBase, RootDevice, VENDORED};
pub use resolve::{Needed, ResolveError, Unresolved, resolve};
pub use source::{file_name, mirrored};
pub use text_error::TextError;
