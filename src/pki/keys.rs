//! All of a cluster's secrets by name. The only type that hands out private bytes.

use super::error::PkiError;
use super::key_pair::KeyPair;
use crate::secret::{KeyStream, RootSecret, commit_symmetric};
use crate::spec;
use crate::tree::{Encoding, FillError, SecretRef, SecretSource};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zeroize::Zeroizing;

/// ECDSA key pairs kept in memory, about 600 bytes each. Beyond that they are derived again when asked for.
const REMEMBERED: usize = 32_768;

type Slot = Arc<OnceLock<Arc<KeyPair>>>;

/// A cluster's secrets, derived on demand and remembered. Shared between threads by reference.
pub struct Keys {
    root: RootSecret,
    cluster: String,
    generations: BTreeMap<String, u32>,
    remembered: Mutex<BTreeMap<(String, u32), Slot>>,
}

impl Keys {
    pub fn new(root: RootSecret, cluster: &str, pki: &spec::Pki) -> Self {
        Self { root, cluster: cluster.to_owned(), generations: pki.generations.clone(), remembered: Mutex::default() }
    }

    /// The generation of the secret declared as `name`: `ca/etcd`, `service-account`, `encryption-key1`, or
    /// `etcd-server/NODE`, where one node's own entry wins over `etcd-server`. 1 when the spec sets none.
    pub fn generation_of(&self, name: &str) -> u32 {
        let mut name = name;
        loop {
            if let Some(generation) = self.generations.get(name) {
                return *generation;
            }
            match name.rsplit_once('/') {
                Some((declared, _)) => name = declared,
                None => return 1,
            }
        }
    }

    /// A derived symmetric secret of 32 bytes; fill it with [`Encoding::Base64`].
    pub fn symmetric(&self, name: &str, generation: u32) -> SecretRef {
        let full = format!("symmetric/{name}");
        let secret = self.symmetric_bytes(name, generation);
        let commitment = commit_symmetric(&self.root, &self.cluster, &full, generation, secret.as_slice());
        SecretRef { name: full, generation, commitment: commitment.to_string() }
    }

    /// A reference to the private key `name`, for a node. Never to an authority's, unless it is an intermediate one.
    pub fn private_key(&self, name: &str, generation: u32) -> Result<SecretRef, PkiError> {
        if let Some(authority) = name.strip_prefix("ca/") {
            return Err(PkiError::AuthorityKey { name: authority.to_owned() });
        }
        let commitment = self.key_pair(name, generation).commitment().to_string();
        Ok(SecretRef { name: format!("key/{name}"), generation, commitment })
    }

    /// The public key of `name` as SubjectPublicKeyInfo PEM.
    pub fn public_key_pem(&self, name: &str, generation: u32) -> Result<String, PkiError> {
        Ok(self.key_pair(name, generation).public_key_pem())
    }

    /// The key pair `name`, derived once per process.
    pub(super) fn key_pair(&self, name: &str, generation: u32) -> Arc<KeyPair> {
        let slot = {
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (name.to_owned(), generation);
            match remembered.get(&key) {
                Some(slot) => slot.clone(),
                None => {
                    let slot = Slot::default();
                    if remembered.len() < REMEMBERED {
                        remembered.insert(key, slot.clone());
                    }
                    slot
                }
            }
        };
        // Outside the lock: others derive other keys meanwhile, and wait here for this one.
        slot.get_or_init(|| Arc::new(self.derive(name, generation))).clone()
    }

    fn derive(&self, name: &str, generation: u32) -> KeyPair {
        let seed = self.root.derive(&self.cluster, "key/ecdsa-p256", name, generation);
        KeyPair::derive_p256(KeyStream::new(seed))
    }

    fn symmetric_bytes(&self, name: &str, generation: u32) -> Zeroizing<[u8; 32]> {
        self.root.derive(&self.cluster, "symmetric", name, generation)
    }
}

impl SecretSource for Keys {
    fn secret(&self, secret: &SecretRef, encoding: Encoding) -> Result<Zeroizing<Vec<u8>>, FillError> {
        let fail = |reason: &str| FillError { name: secret.name.clone(), reason: reason.to_owned() };
        let (kind, name) =
            secret.name.split_once('/').ok_or_else(|| fail("it is neither key/NAME nor symmetric/NAME"))?;
        let (expected, bytes) = match (kind, encoding) {
            ("key", Encoding::Pem | Encoding::PemBase64) => {
                let expected = self.private_key(name, secret.generation).map_err(|error| fail(&error.to_string()))?;
                let pem = self.key_pair(name, secret.generation).private_key_pem();
                (expected, if encoding == Encoding::Pem { pem } else { base64(&pem) })
            }
            ("key", _) => return Err(fail("a private key is written as PEM or as base64 of its PEM")),
            ("symmetric", Encoding::Base64) => {
                let bytes = self.symmetric_bytes(name, secret.generation);
                (self.symmetric(name, secret.generation), base64(bytes.as_slice()))
            }
            ("symmetric", _) => return Err(fail("a symmetric secret is written as base64")),
            _ => return Err(fail("it is neither key/NAME nor symmetric/NAME")),
        };
        if expected.commitment != secret.commitment {
            return Err(fail("its commitment is another one: this was built from another root secret or spec"));
        }
        Ok(bytes)
    }
}

fn base64(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    STANDARD.encode_string(bytes, &mut text);
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.cluster)
    }
}
