//! The machine: files, clock, environment, randomness and processes. Nothing outside `edge` and `cli` reaches them.
#![allow(clippy::disallowed_methods, reason = "this is the edge")]

pub mod base_build;
pub mod base_pin;
pub mod cache;
pub mod cache_write;
pub mod collect;
pub mod commit;
pub mod download;
pub mod files;
pub mod identity;
pub mod inputs;
pub mod key_cache;
pub mod keys;
pub mod lock_file;
pub mod lock_store;
mod names;
mod new_files;
pub mod output;
pub mod process;
pub mod publish;
pub mod review_tree;
pub mod scratch;
pub mod sides;
pub mod stage;
pub mod verify;
