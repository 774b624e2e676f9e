//! One private key with its public half: deriving, signing, writing.

use super::der::{self, oid};
use super::pem;
use crate::secret::{KeyStream, commit_key_pair};
use crate::tree::Digest;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use std::fmt;
use zeroize::Zeroizing;

/// A private key whose public values are computed once.
pub struct KeyPair {
    private: Private,
    /// The public key's bit string, without tag and padding count.
    public: Vec<u8>,
    commitment: Digest,
}

enum Private {
    P256(Box<SigningKey>),
}

impl KeyPair {
    /// An ECDSA P-256 key: the first 32-byte block of the stream that, as a big-endian number, is at least 1 and
    /// below the curve's order. Of 2^32 blocks about one is passed over.
    pub fn derive_p256(mut stream: KeyStream) -> Self {
        loop {
            if let Ok(key) = SigningKey::from_slice(stream.block().as_slice()) {
                return Self::from_p256(key);
            }
        }
    }

    pub(super) fn from_p256(key: SigningKey) -> Self {
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self::new(Private::P256(Box::new(key)), public)
    }

    fn new(private: Private, public: Vec<u8>) -> Self {
        let commitment = commit_key_pair(&public_key_info(&private, &public));
        Self { private, public, commitment }
    }

    /// DER SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
    pub fn public_key_info(&self) -> Vec<u8> {
        public_key_info(&self.private, &self.public)
    }

    /// The public key's bit string contents, which key identifiers are hashes of.
    pub(super) fn public_bits(&self) -> &[u8] {
        &self.public
    }

    pub fn public_key_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.public_key_info())
    }

    pub fn commitment(&self) -> &Digest {
        &self.commitment
    }

    /// The private key as PKCS#8 PEM (RFC 5958), in OpenSSL's form.
    pub fn private_key_pem(&self) -> Zeroizing<Vec<u8>> {
        match &self.private {
            Private::P256(key) => {
                let scalar = Zeroizing::new(key.to_bytes());
                let key = Zeroizing::new(der::sequence(&[
                    &der::unsigned(&[1]),
                    &Zeroizing::new(der::octet_string(&scalar)),
                    &der::explicit(1, &[&der::bit_string(&self.public)]),
                ]));
                let info = Zeroizing::new(der::sequence(&[
                    &der::unsigned(&[0]),
                    &key_algorithm(&self.private),
                    &Zeroizing::new(der::octet_string(&key)),
                ]));
                pem::encode_secret("PRIVATE KEY", &info)
            }
        }
    }

    /// DER AlgorithmIdentifier of [`Self::sign`].
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match &self.private {
            Private::P256(_) => der::sequence(&[&der::object_identifier(oid::ECDSA_WITH_SHA256)]),
        }
    }

    /// Signs with SHA-256; the same message always gives the same signature (RFC 6979).
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.private {
            Private::P256(key) => {
                let signature: DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
        }
    }

    /// Whether key usage may name key encipherment, which RSA key exchange in TLS 1.2 asks for.
    pub(super) fn can_encipher(&self) -> bool {
        match &self.private {
            Private::P256(_) => false,
        }
    }
}

fn key_algorithm(private: &Private) -> Vec<u8> {
    match private {
        Private::P256(_) => {
            der::sequence(&[&der::object_identifier(oid::EC_PUBLIC_KEY), &der::object_identifier(oid::PRIME256V1)])
        }
    }
}

fn public_key_info(private: &Private, public: &[u8]) -> Vec<u8> {
    der::sequence(&[&key_algorithm(private), &der::bit_string(public)])
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.commitment)
    }
}
