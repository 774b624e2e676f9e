//! What must be recognised.

use super::world::{Case, ENCRYPTION, EPOCH, reordered, rotated};
use crate::diff::compare::KeySource;
use crate::diff::facts::{ComponentFacts, NodeFacts};
use crate::diff::model::{Effect, FieldChange, State};
use crate::diff::risk::{Authority, Weak};
use crate::spec::{From, Role};
use crate::tree::Digest;
use serde_json::json;

pub const RISKY: &[Case] = &[
    ("authority-key-changed", |w| w.file("/ca.crt", "x509", &["authority"], rotated("publicKey"))),
    ("authority-key-changed", |w| {
        w.file("/ca.crt", "x509", &["authority"], FieldChange::removed("certificate CN=CA", "publicKey sha256:1"));
    }),
    ("authority-key-changed", |w| {
        let path = "clusters[x].cluster.certificate-authority-data publicKey";
        w.file("/kubeconfig", "kubeconfig", &[], rotated(path));
    }),
    ("service-account-key-changed", |w| w.file("/pki/service-account.pub", "x509", &["key"], rotated("publicKey"))),
    ("token-issuer-changed", |w| {
        w.unit(FieldChange::changed("[Service] ExecStart --service-account-issuer", "https://a", "https://b"));
    }),
    ("san-removed", |w| {
        w.file("/server.crt", "x509", &["serving"], FieldChange::removed("subjectAltName", "DNS:api.example"));
    }),
    ("san-removed", |w| {
        w.file("/server.crt", "x509", &["serving"], FieldChange::changed("subjectAltName", "DNS:a", "DNS:b"));
    }),
    ("service-network-changed", |w| w.moved("spec.networks.services.cidr")),
    ("service-network-changed", |w| {
        w.unit(FieldChange::changed("[Service] ExecStart --service-cluster-ip-range", "10.32.0.0/24", "10.33.0.0/24"));
    }),
    ("pod-network-changed", |w| w.moved("spec.networks.pods.cidr")),
    ("pod-network-changed", |w| w.unit(FieldChange::changed("[Service] ExecStart --cluster-cidr", "a", "b"))),
    ("encryption-provider-removed", |w| {
        w.file(ENCRYPTION, "manifest", &[], FieldChange::removed("resources[0].providers[aescbc]", "{}"));
    }),
    ("encryption-provider-removed", |w| {
        let path = "resources[0].providers[secretbox].secretbox.keys[key1]";
        w.file(ENCRYPTION, "manifest", &[], FieldChange::removed(path, "{}"));
    }),
    ("encryption-resources-changed", |w| {
        w.file(ENCRYPTION, "manifest", &[], FieldChange::changed("resources[0].resources", "secrets", "configmaps"));
    }),
    ("encryption-resources-changed", |w| {
        w.file(ENCRYPTION, "manifest", &[], FieldChange::removed("resources[0].resources", "secrets"));
    }),
    ("encryption-resources-changed", |w| {
        w.file(ENCRYPTION, "manifest", &[], FieldChange::removed("resources[1]", "{}"))
    }),
    ("not-judged", |w| {
        w.known.0 = false;
        w.unit(FieldChange::changed("[Unit] Description", "a", "b"));
    }),
    ("not-judged", |w| {
        w.known.1 = false;
        w.unit(FieldChange::changed("[Unit] Description", "a", "b"));
    }),
    ("encryption-provider-reordered", |w| {
        w.file(ENCRYPTION, "manifest", &[], reordered("resources[0].providers"));
    }),
    ("encryption-provider-reordered", |w| {
        w.file(ENCRYPTION, "manifest", &[], reordered("resources[0].providers[secretbox].secretbox.keys"));
    }),
    ("etcd-member-added", |w| drop(w.before.nodes.remove(2))),
    ("etcd-member-removed", |w| drop(w.after.nodes.remove(2))),
    ("etcd-member-moved", |w| w.after.nodes[0].spec.addresses.cluster = [10, 1, 0, 77].into()),
    ("last-of-role-removed", |w| w.after.nodes.retain(|node| !node.roles.contains(&Role::Worker))),
    ("last-of-role-removed", |w| w.after.nodes.retain(|node| !node.roles.contains(&Role::Controller))),
    ("kubernetes-minor-skipped", |w| w.after.kubernetes = "1.37.0".into()),
    ("kubernetes-downgrade", |w| w.after.kubernetes = "1.34.9".into()),
    ("kubernetes-patch-downgrade", |w| w.after.kubernetes = "1.35.1".into()),
    ("kubernetes-patch-downgrade", |w| w.versions("kubelet", "1.35.2", "1.35.1")),
    ("etcd-version-edge", |w| w.component("3.4.30")),
    ("etcd-version-edge", |w| w.component("3.7.0")),
    ("etcd-version-edge", |w| {
        w.before.classes[0].components =
            [("etcd".to_owned(), ComponentFacts { from: From::Package, version: "3.5.16".into() })].into();
        w.component("3.6.14");
    }),
    ("runtime-changed", |w| w.after.classes[0].recipes[1] = "runtime/crio".into()),
    ("runtime-changed", |w| {
        // Both runtimes are there on both sides; one worker goes from one to the other.
        for facts in [&mut w.before, &mut w.after] {
            let mut other = facts.classes[0].clone();
            other.recipes[1] = "runtime/kata".into();
            facts.classes.push(other);
            facts.nodes.push(NodeFacts { class: 1, ..facts.nodes[3].clone() });
            facts.nodes[4].spec.name = "w2".into();
        }
        w.after.nodes[3].class = 1;
    }),
    ("runtime-changed", |w| w.versions("containerd", "1.7.24", "2.2.1")),
    ("kubernetes-minor-skipped", |w| w.versions("kube-apiserver", "1.35.2", "1.37.0")),
    ("kubernetes-downgrade", |w| w.versions("kubelet", "1.35.2", "1.34.2")),
    ("cni-changed", |w| w.after.classes[0].recipes[0] = "cni/calico".into()),
    ("network-outage", |w| {
        w.network("cluster", json!({"mode": "bridge", "bridge": "a"}), json!({"mode": "bridge", "bridge": "b"}))
    }),
    ("network-outage", |w| w.network("cluster", json!({"mode": "isolated"}), json!({"mode": "isolated", "mtu": 9000}))),
    ("network-outage", |w| w.network("management", json!({"mode": "nat"}), json!({"mode": "routed"}))),
    ("data-at-risk", |w| w.node("c1", State::Changed, Effect::DataAtRisk { reason: "shrinks".into() })),
    ("hardening-weakened", |w| {
        w.unit(FieldChange::removed("[Service] NoNewPrivileges", "true"));
        w.diff.groups[0].changes[0].weakened = vec!["[Service] NoNewPrivileges: true is removed".into()];
    }),
    ("file-opened", |w| w.entry(Some(("file", 0o600, "0:0")), ("file", 0o640, "0:0"))),
    ("file-opened", |w| w.entry(Some(("file", 0o755, "0:0")), ("file", 0o4755, "0:0"))),
    ("file-opened", |w| w.entry(Some(("file", 0o600, "0:0")), ("file", 0o600, "781:781"))),
    ("file-opened", |w| w.entry(None, ("file", 0o4755, "0:0"))),
    ("file-opened", |w| w.entry(None, ("file", 0o666, "0:0"))),
    ("file-opened", |w| w.entry(None, ("directory", 0o777, "0:0"))),
    ("api-address-changed", |w| w.moved("spec.networks.api.vip")),
    ("cluster-dns-changed", |w| w.moved("spec.networks.dns.domain")),
    ("certificate-expires-soon", |w| w.now = EPOCH + 340 * 86_400),
    ("certificate-expires-soon", |w| w.now = EPOCH + 400 * 86_400),
    ("sealed-root-changed", |w| {
        w.keys = KeySource::StandIns;
        w.after.sealed_root = Some(Digest::of(b"other"));
    }),
    ("sealed-root-changed", |w| {
        w.keys = KeySource::OneStandIn;
        w.after.sealed_root = Some(Digest::of(b"other"));
    }),
    ("authority-key-changed", |w| {
        w.keys = KeySource::StandIns;
        w.after.spec["pki"]["import"] = json!({"cluster": "pki/ca.age"});
    }),
    ("authority-key-changed", |w| {
        w.keys = KeySource::OneStandIn;
        for (facts, bytes) in [(&mut w.before, b"one"), (&mut w.after, b"two")] {
            facts.spec["pki"]["import"] = json!({"cluster": "pki/ca.age"});
            facts.sealed = [("pki/ca.age".to_owned(), Digest::of(bytes))].into();
        }
    }),
    ("all-controllers-replaced", |w| {
        ["c1", "c2", "c3"].into_iter().for_each(|name| w.node(name, State::Changed, Effect::NewOverlay));
    }),
    ("hardening-weak", |w| {
        let text = "--anonymous-auth: true is added".into();
        w.also.weak.push(Weak { nodes: vec!["w9".into()], path: "/etc/x.service".into(), text });
    }),
    ("file-still-named", |w| {
        w.file("/etc/x.crt", "x509", &[], FieldChange::removed("subject", "CN=x"));
        w.diff.groups[0].changes[0].still_named = vec!["/etc/x.service".into()];
    }),
    ("authority-expires-soon", |w| {
        w.after.spec["pki"]["import"] = json!({"cluster": "pki/ca.age"});
        let (path, subject) = ("/ca.crt".to_owned(), "CN=CA".to_owned());
        w.also.authorities.push(Authority { path, subject, not_after: EPOCH + 80 * 86_400 });
    }),
    ("single-controller", |w| w.after.nodes.retain(|node| !["c2", "c3"].contains(&node.name()))),
    ("single-etcd-member", |w| w.after.nodes.retain(|node| !["c2", "c3"].contains(&node.name()))),
    ("etcd-members-even", |w| w.after.nodes.retain(|node| node.name() != "c3")),
    ("etcd-on-one-hypervisor", |w| {
        for (facts, third) in [(&mut w.before, "c"), (&mut w.after, "b")] {
            facts.spec["hypervisors"] =
                json!(["a", "b", "c"].map(|name| json!({"name": name, "uri": "qemu:///system"})));
            for (node, place) in facts.nodes.iter_mut().zip(["a", "b", third]) {
                node.spec.hypervisor = Some(place.into());
            }
        }
    }),
];
