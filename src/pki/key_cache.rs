//! Keeping RSA keys between runs: what a cache entry is, and how a wrong one is told.

use super::key_pair::KeyPair;
use crate::secret::{RootSecret, hmac_sha256};
use zeroize::Zeroizing;

/// Keeps bytes by name, sealed. What it returns is checked, so it may lose entries or hold wrong ones.
pub trait KeyCache: Send + Sync {
    fn get(&self, name: &str) -> Option<Zeroizing<Vec<u8>>>;
    fn put(&self, name: &str, bytes: &[u8]);
    /// An entry was not what it should be; the key is derived again and put in its place.
    fn ignored(&self, name: &str, reason: &str);
}

/// One key's place in the cache.
pub struct Entry {
    /// `etcd-server/kubi-controller-01.1.rsa-4096`: the key's name, its generation, its kind.
    pub name: String,
    bits: usize,
    tag_key: Zeroizing<[u8; 32]>,
}

const TAG: usize = 32;

impl Entry {
    pub fn new(root: &RootSecret, cluster: &str, bits: usize, name: &str, generation: u32) -> Self {
        let tag_key = root.derive(cluster, &format!("key-cache/rsa-{bits}"), name, generation);
        Self { name: format!("{name}.{generation}.rsa-{bits}"), bits, tag_key }
    }

    /// HMAC-SHA256 over the PKCS#8 DER, keyed for this name, generation, size and root, and then the DER. Anybody can
    /// seal a file to public keys, but nobody without the root can make an entry that is taken.
    pub fn encode(&self, key: &KeyPair) -> Zeroizing<Vec<u8>> {
        let der = key.private_key_der();
        let mut bytes = Zeroizing::new(Vec::with_capacity(TAG + der.len()));
        bytes.extend_from_slice(&hmac_sha256(self.tag_key.as_slice(), &[&der]));
        bytes.extend_from_slice(&der);
        bytes
    }

    pub fn decode(&self, bytes: &[u8]) -> Result<KeyPair, &'static str> {
        let (tag, der) = bytes.split_at_checked(TAG).ok_or("it is too short")?;
        if hmac_sha256(self.tag_key.as_slice(), &[der]) != tag {
            return Err("it was not made with this root secret for this key");
        }
        let key = KeyPair::rsa_from_pkcs8(der).ok_or("it holds no RSA key")?;
        if key.rsa_bits() == Some(self.bits) { Ok(key) } else { Err("it holds a key of another size") }
    }
}
