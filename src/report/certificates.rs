//! Certificates of a build, those that are alike on many nodes as one.

use crate::diff::ranges;
use crate::diff::semantic::certificate::{alternative_names, purposes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::collections::BTreeMap;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Certificates at one path with the same issuer and validity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateGroup {
    pub path: String,
    /// The nodes, as ranges of names.
    pub nodes: String,
    pub count: usize,
    /// Of the first node, as is what follows.
    pub subject: String,
    pub issuer: String,
    pub sans: Vec<String>,
    pub usages: Vec<&'static str>,
    /// Seconds since 1970, UTC.
    pub not_before: i64,
    pub not_after: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    not_after: i64,
    not_before: i64,
    path: String,
    issuer: String,
}

/// Gathers certificates node by node.
#[derive(Debug, Default)]
pub struct Certificates {
    groups: BTreeMap<Key, (CertificateGroup, Vec<String>)>,
}

impl Certificates {
    /// Adds the certificates in a PEM file or a kubeconfig; any other file has none.
    pub fn add_file(&mut self, node: &str, path: &str, bytes: &[u8]) {
        if path.ends_with(".crt") {
            self.add(node, path, bytes);
        } else if path.ends_with("kubeconfig") {
            for line in String::from_utf8_lossy(bytes).lines() {
                let Some((_, encoded)) = line.split_once("client-certificate-data:") else { continue };
                let pem = STANDARD.decode(encoded.trim().trim_matches('"'));
                self.add(node, path, &pem.unwrap_or_default());
            }
        }
    }

    /// Adds the certificates in a PEM text; anything else in it is left out.
    fn add(&mut self, node: &str, path: &str, text: &[u8]) {
        for pem in Pem::iter_from_buffer(text).flatten() {
            let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { continue };
            let validity = certificate.validity();
            let key = Key {
                not_after: validity.not_after.timestamp(),
                not_before: validity.not_before.timestamp(),
                path: path.to_owned(),
                issuer: certificate.issuer().to_string(),
            };
            let (group, nodes) = self.groups.entry(key.clone()).or_insert_with(|| (group(key, &certificate), vec![]));
            group.count += 1;
            nodes.push(node.to_owned());
        }
    }

    /// Those that expire first come first.
    pub fn finish(self) -> Vec<CertificateGroup> {
        let named = |(mut group, nodes): (CertificateGroup, Vec<String>)| {
            group.nodes = ranges(&nodes);
            group
        };
        self.groups.into_values().map(named).collect()
    }
}

fn group(key: Key, certificate: &X509Certificate<'_>) -> CertificateGroup {
    CertificateGroup {
        path: key.path,
        nodes: String::new(),
        count: 0,
        subject: certificate.subject().to_string(),
        issuer: key.issuer,
        sans: alternative_names(certificate),
        usages: purposes(certificate),
        not_before: key.not_before,
        not_after: key.not_after,
    }
}
