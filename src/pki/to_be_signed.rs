//! A certificate's contents and its signature, as DER (RFC 5280, 4.1).

use super::der::{self, oid};
use super::key_pair::KeyPair;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;

/// Everything a certificate says, except its serial number, which follows from the rest.
pub struct ToBeSigned<'a> {
    /// The issuer's subject as DER, byte for byte: Go compares the bytes when it builds chains.
    pub issuer: &'a [u8],
    /// The issuer's key identifier; none in a self-signed certificate.
    pub issuer_key_id: Option<&'a [u8]>,
    pub subject: &'a [u8],
    pub not_before: i64,
    pub not_after: i64,
    pub key: &'a KeyPair,
    pub role: Role,
    /// Sorted and without duplicates.
    pub dns: Vec<String>,
    /// Sorted and without duplicates.
    pub addresses: Vec<IpAddr>,
}

/// What the certified key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Authority { path_length: u8 },
    Leaf { server: bool, client: bool },
}

/// The first 160 bits of SHA-256 of the public key's bit string (RFC 7093, section 2, method 1).
pub fn key_id(public_bits: &[u8]) -> [u8; 20] {
    let mut id = [0; 20];
    id.copy_from_slice(&Sha256::digest(public_bits)[..20]);
    id
}

impl ToBeSigned<'_> {
    /// The whole certificate, signed by `signer`, as DER.
    pub fn sign(&self, signer: &KeyPair) -> Vec<u8> {
        let algorithm = signer.signature_algorithm();
        let rest = self.after_serial(&algorithm);
        let serial = der::unsigned(&serial(&rest));
        let contents = der::sequence(&[&der::explicit(0, &[&der::unsigned(&[2])]), &serial, &rest]);
        let signature = signer.sign(&contents);
        der::sequence(&[&contents, &algorithm, &der::bit_string(&signature)])
    }

    fn after_serial(&self, algorithm: &[u8]) -> Vec<u8> {
        [
            algorithm,
            self.issuer,
            &der::sequence(&[&der::time(self.not_before), &der::time(self.not_after)]),
            self.subject,
            &self.key.public_key_info(),
            &self.extensions(),
        ]
        .concat()
    }

    fn extensions(&self) -> Vec<u8> {
        let mut all = vec![
            critical(oid::BASIC_CONSTRAINTS, &self.basic_constraints()),
            critical(oid::KEY_USAGE, &der::named_bits(self.key_usage())),
        ];
        if let Role::Leaf { server, client } = self.role {
            all.push(extension(oid::EXTENDED_KEY_USAGE, &extended_key_usage(server, client)));
        }
        all.push(extension(oid::SUBJECT_KEY_IDENTIFIER, &der::octet_string(&key_id(self.key.public_bits()))));
        if let Some(id) = self.issuer_key_id {
            all.push(extension(oid::AUTHORITY_KEY_IDENTIFIER, &der::sequence(&[&der::implicit(0, id)])));
        }
        if !self.dns.is_empty() || !self.addresses.is_empty() {
            all.push(extension(oid::SUBJECT_ALT_NAME, &self.subject_alt_names()));
        }
        der::explicit(3, &[&der::sequence(&[&all.concat()])])
    }

    fn basic_constraints(&self) -> Vec<u8> {
        match self.role {
            Role::Authority { path_length } => der::sequence(&[der::TRUE, &der::unsigned(&[path_length])]),
            // FALSE is the default, and DER leaves defaults out.
            Role::Leaf { .. } => der::sequence(&[]),
        }
    }

    /// RSA keys may also encipher: without it, TLS 1.2 peers that exchange keys by RSA refuse them.
    fn key_usage(&self) -> &'static [u8] {
        const DIGITAL_SIGNATURE: u8 = 0;
        const KEY_ENCIPHERMENT: u8 = 2;
        const KEY_CERT_SIGN: u8 = 5;
        const CRL_SIGN: u8 = 6;
        match self.role {
            Role::Authority { .. } => &[KEY_CERT_SIGN, CRL_SIGN],
            Role::Leaf { .. } if self.key.rsa_bits().is_some() => &[DIGITAL_SIGNATURE, KEY_ENCIPHERMENT],
            Role::Leaf { .. } => &[DIGITAL_SIGNATURE],
        }
    }

    fn subject_alt_names(&self) -> Vec<u8> {
        let mut names: Vec<u8> = Vec::new();
        for name in &self.dns {
            names.extend(der::implicit(2, name.as_bytes()));
        }
        for address in &self.addresses {
            names.extend(match address {
                IpAddr::V4(address) => der::implicit(7, &address.octets()),
                IpAddr::V6(address) => der::implicit(7, &address.octets()),
            });
        }
        der::sequence(&[&names])
    }
}

/// The first 20 bytes of SHA-256 over everything after the serial number: signature algorithm, issuer, validity,
/// subject, public key and extensions, as they are signed. The top two bits are set to 01, so that the number is
/// positive and always 20 bytes long (RFC 5280, 4.1.2.2, allows no more).
fn serial(after_serial: &[u8]) -> [u8; 20] {
    let mut serial = [0; 20];
    serial.copy_from_slice(&Sha256::digest(after_serial)[..20]);
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

fn extended_key_usage(server: bool, client: bool) -> Vec<u8> {
    let usages = [(server, oid::SERVER_AUTH), (client, oid::CLIENT_AUTH)];
    let chosen: Vec<u8> =
        usages.iter().filter(|(on, _)| *on).flat_map(|(_, usage)| der::object_identifier(usage)).collect();
    der::sequence(&[&chosen])
}

fn extension(identifier: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::object_identifier(identifier), &der::octet_string(value)])
}

fn critical(identifier: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::object_identifier(identifier), der::TRUE, &der::octet_string(value)])
}
