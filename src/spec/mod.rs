//! `parse(text) -> Cluster`: the spec as typed values, and every problem with it in one run.

pub mod defaults;
pub mod model;
pub mod units;

pub use model::*;
