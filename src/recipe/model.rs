//! `recipe.yaml` as typed values. Strings marked T are Tera templates.

use super::{Conditional, Param, Setting, Target};
use crate::spec::{Role, Value};
use crate::tree::{Mode, NodePath};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The contents of one `recipe.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    pub summary: String,
    /// Effective roles that get it; empty: every node.
    pub roles: Vec<Role>,
    /// `slot` or `slot/choice` that the same node must have.
    pub needs: Vec<String>,
    /// Context that is left out unless asked for: `nodes`.
    pub uses: Vec<Conditional>,
    pub params: BTreeMap<String, Param>,
    /// What must hold for parameters and spec together.
    pub checks: Vec<Check>,
    /// Facts for other recipes' templates; strings T.
    pub provides: BTreeMap<String, Value>,
    pub components: BTreeMap<String, ComponentDeclaration>,
    pub packages: Vec<Conditional>,
    pub images: Vec<ContainerImage>,
    /// System users, uid = gid.
    pub users: BTreeMap<String, u32>,
    pub directories: BTreeMap<NodePath, Attributes>,
    pub files: BTreeMap<NodePath, Attributes>,
    pub links: BTreeMap<NodePath, Target>,
    pub units: BTreeMap<String, Target>,
    pub sysctls: BTreeMap<String, Setting>,
    pub modules: Vec<Conditional>,
    pub authorities: BTreeMap<String, AuthorityDeclaration>,
    pub trust: Vec<Trust>,
    pub certificates: Vec<CertificateDeclaration>,
    pub key_pairs: Vec<KeyPair>,
    pub authority_keys: Vec<AuthorityKey>,
    pub kubeconfigs: Vec<KubeconfigDeclaration>,
    pub operator: Vec<KubeconfigDeclaration>,
    pub operator_certificates: Vec<OperatorCertificate>,
}

/// An error unless its expression holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    pub holds: String,
    /// The parameter, or the key below `spec` such as `networks.api.vip`, that the problem is shown at.
    pub at: String,
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Something with binaries: from the artifact disk or from a Debian package.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentDeclaration {
    /// Name in the catalog.
    pub artifact: Option<String>,
    pub package: Option<String>,
    pub extra_packages: Vec<String>,
    pub binaries: Vec<String>,
    /// Where the package puts its binaries; `/usr/bin` when unset.
    pub package_bin: Option<String>,
    /// A folder of the archive that is unpacked whole, for what is more than binaries.
    pub tree: Option<ComponentTree>,
    pub when: Option<String>,
}

/// `from` in the archive becomes `/opt/kubi/<to>`, with binaries in its `bin`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentTree {
    pub from: String,
    pub to: String,
}

/// A container image that a manifest names.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerImage {
    pub name: String,   // T
    pub tag: String,    // T
    pub digest: String, // T
    #[serde(default)]
    pub when: Option<String>,
}

/// Exceptions from the default mode and owner.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Attributes {
    pub mode: Option<Mode>,
    pub owner: Option<String>,
    pub when: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorityDeclaration {
    pub common_name: String, // T
    #[serde(default)]
    pub parent: Option<String>,
    #[serde(default)]
    pub when: Option<String>,
}

/// Installs certificates of authorities, concatenated.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trust {
    pub authorities: Vec<String>,
    pub path: NodePath,
    #[serde(default)]
    pub mode: Option<Mode>,
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub when: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// A key of its own on every node.
    #[default]
    Node,
    /// One key, the same on all nodes.
    Cluster,
}

impl Scope {
    /// A secret's name: one for the cluster, or one for each node.
    pub fn secret(self, name: &str, node: &str) -> String {
        match self {
            Self::Cluster => name.to_owned(),
            Self::Node => format!("{name}/{node}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Usage {
    Server,
    Client,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateDeclaration {
    pub name: String,
    #[serde(default)]
    pub scope: Scope,
    pub authority: String,
    pub common_name: String, // T
    #[serde(default)]
    pub organizations: Vec<String>, // T
    pub usages: Vec<Usage>,
    #[serde(default)]
    pub dns: Vec<String>, // T
    #[serde(default)]
    pub addresses: Vec<String>, // T
    pub certificate: NodePath,
    pub key: NodePath,
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub when: Option<String>,
}

/// A key pair without a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyPair {
    pub name: String,
    #[serde(default)]
    pub scope: Scope,
    #[serde(default)]
    pub private: Option<NodePath>,
    #[serde(default)]
    pub public: Option<NodePath>,
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub when: Option<String>,
}

/// Installs an intermediate authority: its certificate with those above it, and its key. Never a root's.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorityKey {
    pub authority: String,
    pub certificate: NodePath,
    pub key: NodePath,
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub when: Option<String>,
}

/// A kubeconfig with an embedded client certificate of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeconfigDeclaration {
    /// On the node; `None` for the operator's files.
    #[serde(default)]
    pub path: Option<NodePath>,
    /// Beside the images, for the operator.
    #[serde(default)]
    pub file: Option<String>,
    pub user: String, // T
    #[serde(default)]
    pub organizations: Vec<String>, // T
    pub certificate: String,
    #[serde(default)]
    pub scope: Scope,
    pub authority: String,
    pub server: String, // T
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub when: Option<String>,
}

/// A client certificate for the operator, beside the images: `FILE.crt`, `FILE.key`, and the authority's `FILE-ca.crt`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorCertificate {
    pub file: String,
    pub certificate: String,
    pub authority: String,
    pub common_name: String, // T
    #[serde(default)]
    pub when: Option<String>,
}

impl Manifest {
    /// Every T string that the manifest holds, so that all are compiled, and checked, at once.
    pub fn templates(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.provides.values().for_each(|value| strings(value, &mut out));
        self.images.iter().for_each(|i| out.extend([i.name.as_str(), &i.tag, &i.digest]));
        self.links.values().for_each(|l| out.push(l.target()));
        self.sysctls.values().for_each(|s| strings(s.value(), &mut out));
        self.authorities.values().for_each(|a| out.push(&a.common_name));
        for certificate in &self.certificates {
            out.push(&certificate.common_name);
            let lists = [&certificate.organizations, &certificate.dns, &certificate.addresses];
            out.extend(lists.into_iter().flatten().map(String::as_str));
        }
        self.operator_certificates.iter().for_each(|c| out.push(&c.common_name));
        for kubeconfig in self.kubeconfigs.iter().chain(&self.operator) {
            out.extend([kubeconfig.user.as_str(), &kubeconfig.server]);
            out.extend(kubeconfig.organizations.iter().map(String::as_str));
        }
        out
    }

    /// Every `when` expression.
    pub fn conditions(&self) -> Vec<&str> {
        let conditionals = self.uses.iter().chain(&self.packages).chain(&self.modules).map(Conditional::when);
        let targets = self.links.values().chain(self.units.values()).map(Target::when);
        let attributes = self.directories.values().chain(self.files.values()).map(|a| a.when.as_deref());
        let kubeconfigs = self.kubeconfigs.iter().chain(&self.operator).map(|k| k.when.as_deref());
        conditionals
            .chain(targets)
            .chain(attributes)
            .chain(kubeconfigs)
            .chain(self.sysctls.values().map(Setting::when))
            .chain(self.components.values().map(|c| c.when.as_deref()))
            .chain(self.images.iter().map(|i| i.when.as_deref()))
            .chain(self.authorities.values().map(|a| a.when.as_deref()))
            .chain(self.trust.iter().map(|t| t.when.as_deref()))
            .chain(self.certificates.iter().map(|c| c.when.as_deref()))
            .chain(self.key_pairs.iter().map(|k| k.when.as_deref()))
            .chain(self.authority_keys.iter().map(|k| k.when.as_deref()))
            .chain(self.operator_certificates.iter().map(|c| c.when.as_deref()))
            .chain(self.checks.iter().map(|check| Some(check.holds.as_str())))
            .flatten()
            .collect()
    }
}

fn strings<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(map) => map.values().for_each(|item| strings(item, out)),
        _ => {}
    }
}
