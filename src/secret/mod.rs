//! One root secret per cluster, everything derived from it, and the sealed files it is kept in.
//!
//! In: the root's 32 bytes, names and generations. Out: derived secrets, public commitments, sealed text. Nothing here
//! prints a secret: types that hold one have no `Debug` that shows it, and errors name files and secrets only.

mod commitment;
mod root;
mod stream;

pub use commitment::{commit_key_pair, commit_symmetric};
pub use root::{ROOT_LENGTH, RootLength, RootSecret};
pub use stream::KeyStream;
