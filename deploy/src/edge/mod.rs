//! Files, clock and processes: what `kubi build` left, what was deployed before, and connections to the world.

#![allow(clippy::disallowed_methods, reason = "this is the edge")]

mod clock;
mod folder;
mod history;
mod lock;
mod session;

pub use clock::SystemClock;
pub use folder::{Folder, FolderError};
pub use lock::Lock;
pub use session::Session;
