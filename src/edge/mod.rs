//! The machine: files, clock, environment, randomness and processes. Nothing outside `edge` and `cli` reaches them.
#![allow(clippy::disallowed_methods, reason = "this is the edge")]

pub mod base_build;
pub mod identity;
pub mod key_cache;
pub mod process;
