//! PEM files: certificates field by field, public keys by fingerprint.

use super::super::model::{ChangeKind, FieldChange};
use super::certificate::{general_name, purposes};
use super::list;
use crate::spec::units::Date;
use crate::tree::Digest;
use x509_parser::pem::Pem;
use x509_parser::prelude::{ASN1Time, FromDer as _, ParsedExtension, X509Certificate, X509Extension};
use x509_parser::public_key::PublicKey;

/// A field of a certificate: its name, its values, and what it means that they are others.
type Field = (String, Vec<String>, ChangeKind);

/// What is in one PEM block.
#[derive(Clone, Debug, PartialEq)]
struct Block {
    /// What it is matched by: the subject, or the block's label.
    name: String,
    /// Of the DER bytes.
    digest: Digest,
    tags: Vec<&'static str>,
    fields: Vec<Field>,
}

/// What the certificates are for, and how they differ; `None` where one of the texts is no PEM.
pub fn compare(before: &str, after: &str) -> Option<(Vec<String>, Vec<FieldChange>)> {
    let (before, after) = (blocks(before)?, blocks(after)?);
    let mut tags: Vec<String> =
        before.iter().chain(&after).flat_map(|block| &block.tags).map(|t| (*t).to_owned()).collect();
    tags.sort();
    tags.dedup();
    let one = before.len() == 1 && after.len() == 1;
    let mut changes = Vec::new();
    let has = |list: &[Block], block: &Block| list.iter().any(|other| other.digest == block.digest);
    let gone: Vec<&Block> = before.iter().filter(|block| !has(&after, block)).collect();
    let mut new: Vec<&Block> = after.iter().filter(|block| !has(&before, block)).collect();
    for old in gone {
        let same = new.iter().position(|other| one || other.name == old.name);
        match same.map(|at| new.remove(at)) {
            Some(other) => {
                let prefix = if one { String::new() } else { format!("certificate {}: ", old.name) };
                changes.extend(fields(&prefix, old, other));
            }
            None => changes.push(FieldChange::removed(format!("certificate {}", old.name), old.summary())),
        }
    }
    changes.extend(new.iter().map(|block| FieldChange::added(format!("certificate {}", block.name), block.summary())));
    let order = |list: &[Block]| -> Vec<String> { list.iter().map(|block| block.name.clone()).collect() };
    if changes.is_empty() {
        changes.extend(list::compare("certificates", &order(&before), &order(&after)));
    }
    Some((tags, changes))
}

fn fields(prefix: &str, before: &Block, after: &Block) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let values = |block: &Block, name: &str| -> Vec<String> {
        block.fields.iter().find(|(other, ..)| other == name).map(|(_, values, _)| values.clone()).unwrap_or_default()
    };
    let mut names: Vec<(&String, ChangeKind)> = before.fields.iter().map(|(name, _, kind)| (name, *kind)).collect();
    names.extend(after.fields.iter().map(|(name, _, kind)| (name, *kind)));
    let mut seen = Vec::new();
    for (name, kind) in names {
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let mut found = list::compare(&format!("{prefix}{name}"), &values(before, name), &values(after, name));
        if kind != ChangeKind::Changed {
            found.iter_mut().for_each(|change| change.kind = kind);
        }
        changes.extend(found);
    }
    changes
}

impl Block {
    /// For a certificate that is new or gone as a whole. A leaf's key says nothing to a reader and is another one on every
    /// node.
    fn summary(&self) -> String {
        let is_leaf = self.tags.iter().any(|tag| matches!(*tag, "serving" | "client"));
        let wanted = |name: &str| matches!(name, "notAfter" | "subjectAltName") || (name == "publicKey" && !is_leaf);
        let shown = self.fields.iter().filter(|(name, ..)| wanted(name));
        shown.map(|(name, values, _)| format!("{name} {}", values.join(" "))).collect::<Vec<_>>().join(", ")
    }
}

fn blocks(text: &str) -> Option<Vec<Block>> {
    let mut found = Vec::new();
    for pem in Pem::iter_from_buffer(text.as_bytes()) {
        let pem = pem.ok()?;
        found.push(match pem.label.as_str() {
            "CERTIFICATE" => certificate(&pem.contents)?,
            label => other(label, &pem.contents),
        });
    }
    // A private key is a stub in a tree: text, which says more than this could.
    (!found.is_empty() || text.is_empty()).then_some(found)
}

fn other(label: &str, der: &[u8]) -> Block {
    let digest = Digest::of(der);
    let fields = vec![("publicKey".to_owned(), vec![fingerprint(der)], ChangeKind::Rotated)];
    Block { name: label.to_owned(), digest, tags: vec!["key"], fields }
}

fn certificate(der: &[u8]) -> Option<Block> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let plain = |name: &str, value: String| (name.to_owned(), vec![value], ChangeKind::Changed);
    let follows = |name: &str, value: String| (name.to_owned(), vec![value], ChangeKind::Derived);
    let key = parsed.public_key();
    let mut fields = vec![
        plain("subject", parsed.subject().to_string()),
        plain("issuer", parsed.issuer().to_string()),
        plain("notBefore", time(&parsed.validity().not_before)),
        plain("notAfter", time(&parsed.validity().not_after)),
        plain("keyAlgorithm", algorithm(key.parsed().ok())),
        ("publicKey".to_owned(), vec![fingerprint(key.raw)], ChangeKind::Rotated),
        plain("signatureAlgorithm", signature_algorithm(&parsed.signature_algorithm.algorithm.to_id_string())),
    ];
    fields.extend(parsed.extensions().iter().map(extension));
    fields.push(follows("serialNumber", parsed.raw_serial_as_string()));
    fields.push(follows("signature", fingerprint(&parsed.signature_value.data)));
    let name = parsed.subject().to_string();
    Some(Block { name, digest: Digest::of(der), tags: purposes(&parsed), fields })
}

fn extension(extension: &X509Extension<'_>) -> Field {
    let whole = || vec![fingerprint(extension.value)];
    let (name, values, kind) = match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => {
            ("subjectAltName".to_owned(), names.general_names.iter().map(general_name).collect(), ChangeKind::Changed)
        }
        ParsedExtension::BasicConstraints(constraints) => {
            let limit = constraints.path_len_constraint.map(|limit| format!(", path length {limit}"));
            let text = format!("CA {}{}", constraints.ca, limit.unwrap_or_default());
            ("basicConstraints".to_owned(), vec![text], ChangeKind::Changed)
        }
        ParsedExtension::KeyUsage(usage) => {
            let words = usage.to_string().split(", ").map(str::to_owned).collect();
            ("keyUsage".to_owned(), words, ChangeKind::Changed)
        }
        ParsedExtension::ExtendedKeyUsage(usage) => {
            let known = [
                (usage.any, "any"),
                (usage.server_auth, "serverAuth"),
                (usage.client_auth, "clientAuth"),
                (usage.code_signing, "codeSigning"),
                (usage.email_protection, "emailProtection"),
                (usage.time_stamping, "timeStamping"),
                (usage.ocsp_signing, "OCSPSigning"),
            ];
            let mut words: Vec<String> =
                known.iter().filter(|(is, _)| *is).map(|(_, name)| (*name).to_owned()).collect();
            words.extend(usage.other.iter().map(|oid| oid.to_id_string()));
            ("extendedKeyUsage".to_owned(), words, ChangeKind::Changed)
        }
        ParsedExtension::SubjectKeyIdentifier(_) => ("subjectKeyIdentifier".to_owned(), whole(), ChangeKind::Derived),
        ParsedExtension::AuthorityKeyIdentifier(_) => ("issuerKey".to_owned(), whole(), ChangeKind::Rotated),
        _ => (format!("extension {}", extension.oid.to_id_string()), whole(), ChangeKind::Changed),
    };
    // What is critical must be understood by whoever checks the certificate.
    let name = if extension.critical { format!("{name} (critical)") } else { name };
    (name, values, kind)
}

fn algorithm(key: Option<PublicKey<'_>>) -> String {
    match key {
        Some(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Some(PublicKey::EC(key)) => format!("ECDSA {}", key.key_size()),
        _ => "another algorithm".to_owned(),
    }
}

/// The name of an algorithm that kubi or other authorities use (RFC 4055, RFC 5758), else its number.
fn signature_algorithm(oid: &str) -> String {
    let known = [
        ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
        ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
        ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
        ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
        ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
        ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ];
    known.iter().find(|(number, _)| *number == oid).map_or(oid, |(_, name)| name).to_owned()
}

/// `2026-11-01T00:00:00Z`.
fn time(time: &ASN1Time) -> String {
    let seconds = time.timestamp();
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", Date::from_unix_seconds(seconds))
}

/// The beginning of a SHA-256, enough to tell keys apart.
fn fingerprint(bytes: &[u8]) -> String {
    format!("sha256:{}", &Digest::of(bytes).hex()[..16])
}
