//! `spec.pki` and `spec.encryption`: certificates, and what etcd holds encrypted.

use crate::spec::units::{Date, Lifetime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pki {
    /// Start of every certificate's validity: a date, UTC midnight.
    pub epoch: Date,
    #[serde(default)]
    pub lifetimes: Lifetimes,
    #[serde(default)]
    pub algorithm: Algorithm,
    #[serde(default)]
    pub subject: Subject,
    /// Additional names or addresses by certificate: `kube-apiserver: [api.example.com, 10.0.0.9]`.
    #[serde(default)]
    pub sans: BTreeMap<String, Vec<String>>,
    /// Generation by secret name; 1 when unset, one higher to rotate: `ca/etcd: 2`, `service-account: 2`.
    #[serde(default)]
    pub generations: BTreeMap<String, u32>,
    /// Certificate authorities of your own: a PEM pair sealed in this file, by authority name.
    #[serde(default)]
    pub import: BTreeMap<String, String>,
    /// Adds an intermediate CA that the controller manager signs CertificateSigningRequests with.
    #[serde(default)]
    pub cluster_signing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Lifetimes {
    pub authority: Lifetime,   // 10y
    pub certificate: Lifetime, // 1y
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    #[default]
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    #[serde(rename = "rsa-8192")]
    Rsa8192,
}

/// Subject fields of every certificate that Kubernetes gives no meaning to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// Two letters (ISO 3166).
    pub country: Option<String>,
    pub state: Option<String>,
    pub locality: Option<String>,
    /// Of the authorities only: in client certificates O is a Kubernetes group.
    pub organization: Option<String>,
    pub organizational_unit: Option<String>,
}

/// Encryption of API objects in etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Encryption {
    /// The first provider writes, the others still read.
    pub providers: Vec<EncryptionProvider>, // [secretbox]
    /// Key names, newest first; each is derived.
    pub keys: Vec<String>, // [key1]
    pub resources: Vec<String>, // [secrets]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EncryptionProvider {
    Secretbox,
    Aesgcm,
    Aescbc,
    Identity,
}
