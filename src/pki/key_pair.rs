//! One private key with its public half: deriving, signing, writing.

use super::der::{self, oid};
use super::{pem, rsa_key};
use crate::secret::{KeyStream, commit_key_pair};
use crate::tree::Digest;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, RsaPrivateKey};
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
    Rsa(Box<RsaPrivateKey>),
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

    /// Makes the curve's tables, which the first key of a process would wait half a millisecond for.
    pub fn prepare_p256() {
        drop(SigningKey::from_slice(&[1; 32]));
    }

    /// An RSA key of `bits` bits, one prime from each stream; `rsa_key.rs` says how. Takes seconds.
    pub fn derive_rsa(bits: usize, first: KeyStream, second: KeyStream) -> Self {
        Self::from_rsa(rsa_key::derive(bits, first, second))
    }

    pub(super) fn from_p256(key: SigningKey) -> Self {
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self::new(Private::P256(Box::new(key)), public)
    }

    pub(super) fn from_rsa(key: RsaPrivateKey) -> Self {
        let number = |number: &BigUint| der::unsigned(&number.to_bytes_be());
        let public = der::sequence(&[&number(key.n()), &number(key.e())]);
        Self::new(Private::Rsa(Box::new(key)), public)
    }

    pub(super) fn rsa_from_pkcs8(der: &[u8]) -> Option<Self> {
        RsaPrivateKey::from_pkcs8_der(der).ok().map(Self::from_rsa)
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
        pem::encode_secret("PRIVATE KEY", &self.private_key_der())
    }

    pub(super) fn private_key_der(&self) -> Zeroizing<Vec<u8>> {
        match &self.private {
            Private::P256(key) => {
                let scalar = Zeroizing::new(key.to_bytes());
                // Written here rather than by p256, which would multiply the public point anew.
                let key = Zeroizing::new(der::sequence(&[
                    &der::unsigned(&[1]),
                    &Zeroizing::new(der::octet_string(&scalar)),
                    &der::explicit(1, &[&der::bit_string(&self.public)]),
                ]));
                Zeroizing::new(der::sequence(&[
                    &der::unsigned(&[0]),
                    &key_algorithm(&self.private),
                    &Zeroizing::new(der::octet_string(&key)),
                ]))
            }
            Private::Rsa(key) => match key.to_pkcs8_der() {
                Ok(document) => document.to_bytes(),
                Err(_) => unreachable!("a validated key of two primes always has this form"),
            },
        }
    }

    /// DER AlgorithmIdentifier of [`Self::sign`].
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match &self.private {
            Private::P256(_) => der::sequence(&[&der::object_identifier(oid::ECDSA_WITH_SHA256)]),
            Private::Rsa(_) => der::sequence(&[&der::object_identifier(oid::SHA256_WITH_RSA), der::NULL]),
        }
    }

    /// Signs with SHA-256; the same message always gives the same signature (RFC 6979, PKCS#1 v1.5).
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.private {
            Private::P256(key) => {
                let signature: DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Private::Rsa(key) => match key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)) {
                Ok(signature) => signature,
                Err(_) => unreachable!("the key was validated, and a SHA-256 fits into 2048 bits and more"),
            },
        }
    }

    /// The modulus' length, of RSA keys.
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        match &self.private {
            Private::P256(_) => None,
            Private::Rsa(key) => Some(key.n().bits()),
        }
    }
}

fn key_algorithm(private: &Private) -> Vec<u8> {
    match private {
        Private::P256(_) => {
            der::sequence(&[&der::object_identifier(oid::EC_PUBLIC_KEY), &der::object_identifier(oid::PRIME256V1)])
        }
        Private::Rsa(_) => der::sequence(&[&der::object_identifier(oid::RSA_ENCRYPTION), der::NULL]),
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
