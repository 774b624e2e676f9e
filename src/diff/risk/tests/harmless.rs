//! What looks like a risk, and is none.

use super::world::{Case, ENCRYPTION, EPOCH, rotated};
use crate::diff::facts::NodeFacts;
use crate::diff::model::{Effect, FieldChange, State};
use crate::diff::risk::Authority;
use crate::spec::Role;
use crate::tree::Digest;
use serde_json::json;

pub const HARMLESS: &[Case] = &[
    ("network-outage", |w| {
        w.network("management", json!({"nameservers": ["1.1.1.1"]}), json!({"nameservers": ["9.9.9.9"]}))
    }),
    // The host's bridge has its own.
    ("network-outage", |w| {
        let network = |mtu: u32| json!({"mode": "bridge", "bridge": "a", "mtu": mtu});
        w.network("cluster", network(1500), network(9000));
    }),
    ("not-judged", |w| w.known = (false, false)),
    ("encryption-resources-changed", |w| {
        w.file(ENCRYPTION, "manifest", &[], FieldChange::added("resources[0].resources", "configmaps"));
    }),
    // Another root shows by itself where keys are known; the same one sealed again is no risk.
    ("sealed-root-changed", |w| w.after.sealed_root = Some(Digest::of(b"other"))),
    ("authority-key-changed", |w| {
        // Staged: the old one stays trusted.
        w.file("/ca.crt", "x509", &["authority"], FieldChange::added("certificate CN=CA", "publicKey sha256:2"));
    }),
    ("authority-key-changed", |w| w.file("/server.crt", "x509", &["serving"], rotated("publicKey"))),
    ("service-account-key-changed", |w| {
        w.file("/pki/service-account.pub", "x509", &["key"], FieldChange::added("certificate PUBLIC KEY", ""));
    }),
    ("token-issuer-changed", |w| {
        w.unit(FieldChange::added("[Service] ExecStart --service-account-issuer", "https://b"))
    }),
    ("san-removed", |w| w.file("/client.crt", "x509", &["client"], FieldChange::removed("subjectAltName", "DNS:x"))),
    ("san-removed", |w| {
        w.after.nodes.remove(2);
        w.file("/server.crt", "x509", &["serving"], FieldChange::removed("subjectAltName", "IP:10.1.0.3"));
    }),
    ("encryption-provider-removed", |w| {
        w.file(ENCRYPTION, "manifest", &[], FieldChange::added("resources[0].providers[aescbc]", "{}"));
    }),
    ("kubernetes-minor-skipped", |w| w.after.kubernetes = "1.36.0".into()),
    ("runtime-changed", |w| w.versions("containerd", "2.2.0", "2.3.1")),
    // Another worker comes with another runtime; nobody's changes.
    ("runtime-changed", |w| {
        let mut other = w.after.classes[0].clone();
        other.recipes[1] = "runtime/kata".into();
        w.after.classes.push(other);
        w.after.nodes.push(NodeFacts { class: 1, ..w.after.nodes[3].clone() });
        w.after.nodes[4].spec.name = "w2".into();
    }),
    ("etcd-version-edge", |w| w.component("3.6.14")),
    ("hardening-weakened", |w| w.unit(FieldChange::added("[Service] NoNewPrivileges", "true"))),
    ("file-opened", |w| w.entry(Some(("file", 0o644, "0:0")), ("file", 0o600, "0:0"))),
    ("file-opened", |w| w.entry(Some(("file", 0o644, "0:0")), ("symlink", 0o777, "0:0"))),
    ("file-opened", |w| w.entry(Some(("file", 0o644, "0:0")), ("file", 0o644, "781:781"))),
    ("file-opened", |w| w.entry(None, ("directory", 0o1777, "0:0"))),
    ("file-opened", |w| w.entry(None, ("file", 0o755, "0:0"))),
    ("all-controllers-replaced", |w| w.node("c1", State::Changed, Effect::NewOverlay)),
    // One that kubi makes is judged by the spec's dates.
    ("authority-expires-soon", |w| {
        let (path, subject) = ("/ca.crt".to_owned(), "CN=CA".to_owned());
        w.also.authorities.push(Authority { path, subject, not_after: EPOCH });
    }),
    ("authority-expires-soon", |w| {
        w.after.spec["pki"]["import"] = json!({"cluster": "pki/ca.age"});
        let (path, subject) = ("/ca.crt".to_owned(), "CN=CA".to_owned());
        w.also.authorities.push(Authority { path, subject, not_after: EPOCH + 3650 * 86_400 });
    }),
    // It was so before.
    ("single-controller", |w| {
        for facts in [&mut w.before, &mut w.after] {
            facts.nodes.retain(|node| node.name() != "c2" && node.name() != "c3");
        }
    }),
    // Two that are gone leave an odd number.
    ("etcd-members-even", |w| w.after.nodes.retain(|node| !node.roles.contains(&Role::Etcd) || node.name() == "c1")),
];
