//! A node's files in memory: what every recipe contributes to and what bundles, overlays and diffs are made from.
//!
//! A [`Tree`] maps validated absolute paths to entries. It holds no secret: a file that needs one carries a stub with
//! the secret's commitment and a [`Hole`] that says where the bytes belong.

mod contents;
mod digest;
mod entry;
mod json_rows;
mod path;

pub use contents::{Contents, Encoding, FillError, Hole, SecretRef, SecretSource};
pub use digest::Digest;
pub use entry::{Entry, Kind, Mode, Origin, Owner, Tree, TreeError};
pub use json_rows::{Rows, with_rows};
pub use path::{NodePath, PathError};
