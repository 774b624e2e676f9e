//! One root secret per cluster, everything derived from it, and the sealed files it is kept in.
//!
//! In: the root's 32 bytes, names and generations. Out: derived secrets, public commitments, sealed text. Nothing here
//! prints a secret: types that hold one have no `Debug` that shows it, and errors name files and secrets only.

mod commitment;
mod error;
mod identity;
mod recipient;
mod root;
mod seal;
mod stream;

pub use commitment::{commit_key_pair, commit_symmetric};
pub use error::SealError;
pub use identity::Identities;
pub use recipient::Recipient;
pub use root::{ROOT_LENGTH, RootLength, RootSecret};
pub use seal::{FILE_LIMIT, ROOT_LIMIT, seal, seal_root, unseal, unseal_root};
pub use stream::KeyStream;
pub(crate) use stream::hmac_sha256;
