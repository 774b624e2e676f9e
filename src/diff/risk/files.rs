//! Risks that show in files: certificates, keys, encryption, hardening.

use super::evidence::{Evidence, Finding, from_to};
use crate::diff::model::{Change, ChangeKind, FieldChange};

/// Serving certificates that lose a name, save those of nodes that go away.
pub fn san_removed(evidence: &Evidence<'_>) -> Vec<Finding> {
    let gone = names_of_removed_nodes(evidence);
    evidence.find(|change, field| {
        let serving = change.tags.iter().any(|tag| tag == "serving");
        let san = field.path.trim_start_matches("certificate ").contains("subjectAltName");
        let name = field.before.as_deref().filter(|_| field.kind != ChangeKind::Added && serving && san)?;
        if field.kind == ChangeKind::Reordered || gone.iter().any(|value| name.ends_with(&format!(":{value}"))) {
            return None;
        }
        Some(format!("{name} is no longer in the serving certificate"))
    })
}

fn names_of_removed_nodes(evidence: &Evidence<'_>) -> Vec<String> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    let gone = before.nodes.iter().filter(|node| after.node(node.name()).is_none());
    gone.flat_map(|node| {
        let addresses = &node.spec.addresses;
        [addresses.cluster.to_string(), addresses.management.to_string(), node.name().to_owned()]
    })
    .collect()
}

/// The first issuer signs; an old one may stay as an additional value.
pub fn token_issuer(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|_, field| {
        let lost = matches!(field.kind, ChangeKind::Changed | ChangeKind::Removed);
        (lost && field.path.ends_with(" --service-account-issuer")).then(|| from_to(field))
    })
}

fn is_encryption(change: &Change) -> bool {
    change.path.contains("encryption") && matches!(change.format.as_str(), "manifest" | "yaml")
}

/// A provider or a key that API servers can no longer read with.
pub fn encryption_removed(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|change, field| {
        let removed = field.kind == ChangeKind::Removed && field.path.contains("providers");
        (is_encryption(change) && removed).then(|| format!("{} is removed", last_name(&field.path)))
    })
}

pub fn encryption_reordered(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|change, field| {
        let order = field.kind == ChangeKind::Reordered && field.path.contains("providers");
        (is_encryption(change) && order).then(|| format!("the order changes {}", from_to(field)))
    })
}

/// Resources, or whole entries of them, that are not encrypted any more, or by other providers than before.
pub fn encryption_resources(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|change, field| {
        let lost = matches!(field.kind, ChangeKind::Removed | ChangeKind::Changed);
        let entry = field.path.strip_prefix("resources")?;
        let resources =
            entry.is_empty() || entry.ends_with(']') && !entry.contains('.') || entry.contains("].resources");
        (is_encryption(change) && lost && resources).then(|| format!("{}: {}", field.path, from_to(field)))
    })
}

/// `resources[0].providers[secretbox]` is about `provider secretbox`.
fn last_name(path: &str) -> String {
    let name = path.rsplit('[').next().and_then(|rest| rest.split(']').next()).unwrap_or(path);
    format!("{} {name}", if path.contains("keys[") { "key" } else { "provider" })
}

/// A setting that protects, and when it stops to.
struct Protection {
    /// The end of a field's path.
    field: &'static str,
    weak: Weak,
}

enum Weak {
    /// Gone, or set to one of these.
    Values(&'static [&'static str]),
    /// Gone, or another one than before.
    NotThis(&'static str),
    /// Gone.
    Removed,
}

const PROTECTIONS: [Protection; 32] = [
    protection("--anonymous-auth", Weak::Values(&["true"])),
    protection("authentication.anonymous.enabled", Weak::Values(&["true"])),
    protection("anonymous.enabled", Weak::Values(&["true"])),
    protection("authentication.webhook.enabled", Weak::NotThis("true")),
    protection("authorization.mode", Weak::NotThis("Webhook")),
    protection("--authorization-mode", Weak::Values(&["AlwaysAllow"])),
    protection("--authorization-config", Weak::Removed),
    protection("--authentication-config", Weak::Removed),
    protection("readOnlyPort", Weak::NotThis("0")),
    protection("protectKernelDefaults", Weak::NotThis("true")),
    protection("--encryption-provider-config", Weak::Removed),
    protection("--audit-policy-file", Weak::Removed),
    protection("--audit-log-path", Weak::Removed),
    protection("--client-cert-auth", Weak::NotThis("true")),
    protection("--peer-client-cert-auth", Weak::NotThis("true")),
    protection("--trusted-ca-file", Weak::Removed),
    protection("--peer-trusted-ca-file", Weak::Removed),
    protection("--client-ca-file", Weak::Removed),
    protection("--tls-min-version", Weak::Values(&["VersionTLS10", "VersionTLS11"])),
    protection("tlsMinVersion", Weak::Values(&["VersionTLS10", "VersionTLS11"])),
    protection("--profiling", Weak::Values(&["true"])),
    protection("--kubelet-certificate-authority", Weak::Removed),
    protection("--service-account-lookup", Weak::Values(&["false"])),
    protection("NoNewPrivileges", Weak::Values(&["false", "no"])),
    protection("ProtectSystem", Weak::Values(&["false", "no"])),
    protection("ProtectHome", Weak::Values(&["false", "no"])),
    protection("PrivateTmp", Weak::Values(&["false", "no"])),
    protection("ProtectKernelTunables", Weak::Values(&["false", "no"])),
    protection("ProtectKernelModules", Weak::Values(&["false", "no"])),
    protection("RestrictSUIDSGID", Weak::Values(&["false", "no"])),
    protection("[Service] User", Weak::Values(&["root", "0"])),
    protection("kernel.kptr_restrict", Weak::Values(&["0"])),
];

const fn protection(field: &'static str, weak: Weak) -> Protection {
    Protection { field, weak }
}

/// Admission plugins, which come as list items.
const ADMISSION: [&str; 2] = ["--enable-admission-plugins", "--authorization-mode"];
const WANTED: [&str; 4] = ["NodeRestriction", "PodSecurity", "Node", "RBAC"];

pub fn hardening(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|_, field| {
        let item = ADMISSION.iter().any(|flag| field.path.ends_with(flag)) && field.kind == ChangeKind::Removed;
        let lost = item && field.before.as_deref().is_some_and(|value| WANTED.contains(&value));
        let weakened = PROTECTIONS.iter().any(|protection| protection.is_weakened(field));
        (lost || weakened).then(|| format!("{}: {}", field.path, from_to(field)))
    })
}

impl Protection {
    fn is_weakened(&self, field: &FieldChange) -> bool {
        let rest = field.path.strip_suffix(self.field);
        if rest.is_none_or(|rest| rest.ends_with(|c: char| c.is_alphanumeric() || c == '-')) {
            return false;
        }
        let (before, after) = (field.before.as_deref(), field.after.as_deref());
        match (&self.weak, after) {
            (Weak::Values(weak), None) => before.is_some_and(|value| !weak.contains(&value)),
            (Weak::Values(weak), Some(value)) => weak.contains(&value),
            (Weak::NotThis(good), _) => before == Some(*good),
            (Weak::Removed, value) => value.is_none(),
        }
    }
}

/// Modes that let more people in, and secrets that get another owner.
pub fn file_opened(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|change, field| {
        // A link's mode says nothing.
        if change.fields.iter().any(|field| field.path == "type") {
            return None;
        }
        let bits = |text: &Option<String>| u32::from_str_radix(text.as_deref()?, 8).ok();
        let (before, after) = (bits(&field.before)?, bits(&field.after)?);
        let opened = field.path == "mode" && after & !before & 0o6077 != 0;
        opened.then(|| format!("mode {}", from_to(field)))
    })
}
