//! `diff(Side, Side) -> Diff`: what a change does to every node, and what follows from that. Pure.
//!
//! Comes in: two [`Side`]s (a build, a revision, the working spec), which hand out entries and contents when asked. Goes
//! out: a [`Diff`], a plain value that `json` writes down and that `terminal` and `markdown` show. Nothing here reads a
//! file, knows a secret, or looks at the clock. Entries with equal digests are never opened.

mod attributes;
mod authorities;
mod changes;
mod compare;
mod effect;
mod entries;
pub mod facts;
mod group;
mod hardening;
mod inputs;
mod keys;
mod libvirt;
mod machines;
pub mod markdown;
mod masks;
mod model;
mod named;
mod names;
mod node_list;
mod node_words;
mod order;
mod partners;
mod phrases;
pub mod risk;
pub mod semantic;
mod shorten;
mod side;
mod stand_ins;
pub mod terminal;
mod whole;
mod whole_nodes;
mod why;

pub use compare::{KeySource, Options, diff};
pub use entries::{apply, changed_entries};
pub use facts::Facts;
pub use hardening::weak;
pub use model::*;
pub use names::ranges;
pub use order::deployment;
pub use phrases::{escape, plain};
pub use side::{NodeKey, Secret, Side, SideEntry, SideError};
pub use why::reads;
