//! What tests share: clusters that were "built", and a world that is only pretended.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and not every test needs everything"
)]

pub mod cluster;
pub mod e2e;
pub mod etcd;
pub mod folder;
pub mod machine;
pub mod mini;
pub mod scenes;
pub mod second;
pub mod world;
