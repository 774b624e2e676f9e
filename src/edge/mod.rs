//! The machine: files, clock, environment, randomness and processes. Nothing outside `edge` and `cli` reaches them.
#![allow(clippy::disallowed_methods, reason = "this is the edge")]
