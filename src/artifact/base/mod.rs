//! What a Debian base image is made of: its packages, its disk layout, its boot loader's texts. Values only; `edge` runs
//! the programs that make it.

mod boot;
mod layout;
mod packages;
mod suite;

pub use boot::{BootError, embed_core, grub_config, grub_prefix_config, install_boot_sector, kernel_command_line};
pub use layout::{Extent, Identifiers, Layout, SECTOR};
pub use packages::base_packages;
pub use suite::Suite;

/// Time stamp of everything in a base image (2026-11-01, UTC): packages bring their own, older ones; what is made while
/// building gets this one, so that two builds of the same packages are alike.
pub const EPOCH: u64 = 1_793_491_200;
