//! kubi turns one cluster spec into every node's complete file tree, content-addressed bundles and bootable overlays.
//!
//! Each stage is a function on values; see ARCHITECTURE.md for the code map. Only [`edge`] and [`cli`] reach the
//! machine (files, clock, environment, randomness, processes); everything else is pure.

/// Names the sources that this kubi was built from (build.rs).
pub(crate) const SOURCES: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("KUBI_SOURCES"));

pub mod artifact;
pub mod build;
pub mod bundle;
pub mod cli;
pub mod diff;
pub mod edge;
pub mod image;
pub mod libvirt;
pub mod pki;
pub mod plan;
pub mod recipe;
pub mod render;
pub mod report;
pub mod secret;
pub mod spec;
pub mod store;
pub mod template;
pub mod tree;
