//! Keys and certificates as functions of the root secret and the spec.
//!
//! In: a root secret, `spec.pki`, and what recipes declare (authorities, certificates, key pairs). Out: certificates,
//! public keys, and references to secrets with their commitments; private bytes leave only through
//! [`crate::tree::SecretSource`], when an image is written. The same input gives the same bytes: signatures are
//! deterministic, serial numbers are hashes, validity starts at `pki.epoch`. Nothing here reads a clock or a file.

mod certificate;
mod der;
mod error;
mod fill;
mod generations;
mod import;
mod key_cache;
mod key_pair;
mod keys;
mod modular;
mod pem;
mod rsa_key;
mod subject;
mod to_be_signed;

pub use certificate::{Authority, Issued, Pki, Request};
pub use error::PkiError;
pub use generations::{generation_of, unknown_generations};
pub use import::ImportedAuthority;
pub use key_cache::KeyCache;
pub use key_pair::KeyPair;
pub use keys::Keys;
