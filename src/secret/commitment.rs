//! Commitments: public values that pin a secret without giving it away.
//!
//! They are in bundles, so that a rotated secret changes a bundle's digest, and they are checked when a secret is
//! written into an image.

use super::root::RootSecret;
use super::stream::hmac_sha256;
use crate::tree::Digest;

/// A key pair's commitment: SHA-256 of its public key as DER SubjectPublicKeyInfo, which is what
/// `openssl pkey -pubout -outform DER | sha256sum` prints.
pub fn commit_key_pair(subject_public_key_info: &[u8]) -> Digest {
    Digest::of(subject_public_key_info)
}

/// Any other secret's commitment: HMAC-SHA256 over its bytes, keyed with a key derived for this secret's name and
/// generation (purpose `commitment`). A plain hash could be guessed where a secret is short, such as a password.
pub fn commit_symmetric(root: &RootSecret, cluster: &str, name: &str, generation: u32, secret: &[u8]) -> Digest {
    let key = root.derive(cluster, "commitment", name, generation);
    Digest::from_sha256(&hmac_sha256(key.as_slice(), &[secret]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_cannot_be_confirmed_without_the_root() {
        let root = |byte| RootSecret::from_bytes(&[byte; 32]).unwrap();
        let commit = |root: &RootSecret, name: &str| commit_symmetric(root, "dev", name, 1, b"hunter2");
        assert_ne!(commit(&root(1), "sealed/password"), commit(&root(2), "sealed/password"));
        assert_ne!(commit(&root(1), "sealed/password"), commit(&root(1), "sealed/other"));
        assert_ne!(commit(&root(1), "sealed/password"), Digest::of(b"hunter2"));
    }
}
