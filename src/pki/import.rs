//! A certificate authority of one's own: a PEM certificate and its private key, as they come out of a sealed file.

use super::error::PkiError;
use super::key_pair::KeyPair;
use super::pem;
use super::to_be_signed::key_id;
use crate::spec;
use p256::ecdsa::SigningKey;
use p256::pkcs8::DecodePrivateKey as _;
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

/// An authority that kubi did not make. It signs as the made ones do.
#[derive(Clone, Debug)]
pub struct ImportedAuthority {
    pub(super) key: Arc<KeyPair>,
    /// The subject as DER, exactly as in the certificate.
    pub(super) subject: Vec<u8>,
    pub(super) key_id: Vec<u8>,
    pub(super) pem: String,
    /// Intermediate authorities that it may have below it; without limit when unset.
    pub(super) path_length: Option<u32>,
    not_before: i64,
    not_after: i64,
}

impl ImportedAuthority {
    /// Reads exactly one certificate and one private key (PKCS#8, SEC1 or PKCS#1; P-256 or RSA of 2048 to 8192 bits),
    /// in any order. `authority` names it in errors.
    pub fn parse(authority: &str, text: &[u8]) -> Result<Self, PkiError> {
        let fail = |problem: &str| PkiError::Import { authority: authority.to_owned(), problem: problem.to_owned() };
        let blocks = pem::decode(text).ok_or_else(|| fail("is no PEM text, or is cut off"))?;
        let (mut certificates, mut keys) = (Vec::new(), Vec::new());
        for (label, der) in &blocks {
            match label.as_str() {
                "CERTIFICATE" => certificates.push(der),
                "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => keys.push((label.as_str(), der)),
                "ENCRYPTED PRIVATE KEY" => {
                    return Err(fail(
                        "has a private key with a passphrase; take it off with `openssl pkey -in FILE`, since the \
                         sealed file protects it",
                    ));
                }
                // What `openssl ecparam -genkey` writes before the key, which says the same.
                "EC PARAMETERS" => {}
                _ => return Err(fail("holds something other than a certificate and a private key")),
            }
        }
        let ([certificate], [(label, key)]) = (certificates.as_slice(), keys.as_slice()) else {
            return Err(fail("must hold exactly one certificate, the one that signs, and its private key"));
        };
        let key = private_key(label, key)
            .ok_or_else(|| fail("has a private key that is neither P-256 nor RSA of 2048 to 8192 bits"))?;
        Self::new(certificate, key).map_err(fail)
    }

    fn new(der: &[u8], key: KeyPair) -> Result<Self, &'static str> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| "has a certificate that cannot be read")?;
        if !rest.is_empty() {
            return Err("has a certificate with something behind it");
        }
        if certificate.public_key().subject_public_key.data.as_ref() != key.public_bits() {
            return Err("has a private key that is not the certificate's");
        }
        let constraints = certificate.basic_constraints().ok().flatten().map(|extension| extension.value);
        let Some(constraints) = constraints.filter(|constraints| constraints.ca) else {
            return Err("has a certificate that is no authority's (basic constraints lack CA:TRUE)");
        };
        if certificate.key_usage().ok().flatten().is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err("has a certificate whose key usage lacks certificate signing");
        }
        limits(&certificate)?;
        let identifier = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
            _ => None,
        });
        Ok(Self {
            subject: certificate.subject().as_raw().to_vec(),
            key_id: identifier.unwrap_or_else(|| key_id(key.public_bits()).to_vec()),
            pem: pem::encode("CERTIFICATE", der),
            path_length: constraints.path_len_constraint,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            key: Arc::new(key),
        })
    }

    /// Why it cannot sign what the spec asks for: its validity must cover that of every certificate below it.
    pub fn problems(&self, pki: &spec::Pki) -> Vec<String> {
        let begin = pki.epoch.unix_seconds();
        let mut problems = Vec::new();
        if self.not_before > begin {
            problems.push(format!("becomes valid after pki.epoch, {}; write a later epoch", pki.epoch));
        }
        // Lifetimes end at 100 years, so this is a small number.
        if self.not_after < begin + pki.lifetimes.certificate.seconds as i64 {
            problems.push(format!(
                "expires before certificates that live for {} from {}; write a shorter pki.lifetimes.certificate or \
                 renew the authority",
                pki.lifetimes.certificate, pki.epoch
            ));
        }
        problems
    }
}

/// What clients of Kubernetes would hold against certificates below this one: Go's verifier refuses what it does not know
/// and heeds name constraints and extended key usages of authorities, so that a cluster would be built, and be dead.
fn limits(certificate: &X509Certificate<'_>) -> Result<(), &'static str> {
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::NameConstraints(_) => {
                return Err("has a certificate with name constraints, which the names of Kubernetes' services and \
                            addresses would break; use an authority without them");
            }
            ParsedExtension::ExtendedKeyUsage(usage) if !(usage.any || (usage.server_auth && usage.client_auth)) => {
                return Err("has a certificate whose extended key usages lack server or client authentication");
            }
            ParsedExtension::UnsupportedExtension { .. } if extension.critical => {
                return Err("has a certificate with a critical extension that clients do not know");
            }
            _ => {}
        }
    }
    Ok(())
}

fn private_key(label: &str, der: &[u8]) -> Option<KeyPair> {
    let rsa = |key: RsaPrivateKey| {
        let key = KeyPair::from_rsa(key);
        key.rsa_bits().is_some_and(|bits| (2048..=8192).contains(&bits)).then_some(key)
    };
    match label {
        "RSA PRIVATE KEY" => rsa(RsaPrivateKey::from_pkcs1_der(der).ok()?),
        "EC PRIVATE KEY" => {
            let key = p256::SecretKey::from_sec1_der(der).ok()?;
            Some(KeyPair::from_p256(SigningKey::from(key)))
        }
        _ => match SigningKey::from_pkcs8_der(der) {
            Ok(key) => Some(KeyPair::from_p256(key)),
            Err(_) => KeyPair::rsa_from_pkcs8(der)
                .filter(|key| key.rsa_bits().is_some_and(|bits| (2048..=8192).contains(&bits))),
        },
    }
}
