//! A case for every row of the table, and what must not be taken for a risk.

use super::{TABLE, judge};
use crate::diff::compare::{KeySource, Options};
use crate::diff::facts::{BaseFacts, ClassFacts, ComponentFacts, Facts, MachineFacts, NodeFacts};
use crate::diff::model::{
    Change, ChangeKind, Diff, Effect, EntryChange, EntryFacts, FieldChange, Group, NodeDiff, SideInfo, State, Summary,
    Why,
};
use crate::spec::units::Bytes;
use crate::spec::{Boot, From, Role};
use crate::tree::{Digest, Mode, Origin};
use serde_json::json;
use std::collections::BTreeMap;

/// Two sides that are alike until a case changes something.
struct World {
    before: Facts,
    after: Facts,
    diff: Diff,
    now: i64,
    keys: KeySource,
    /// Whether the sides' facts are kept.
    known: (bool, bool),
}

const EPOCH: i64 = 1_793_491_200; // 2026-11-01

fn facts() -> Facts {
    let component = |version: &str| ComponentFacts { from: From::Artifact, version: version.to_owned() };
    let class = ClassFacts {
        recipes: vec!["cni/bridge".into(), "runtime/containerd".into()],
        components: [("etcd".to_owned(), component("3.5.26"))].into(),
        artifacts: vec![],
        machine: MachineFacts { cpus: 2, memory: Bytes(1 << 30), root: None, data: None, boot: Boot::Firmware },
    };
    let node = |name: &str, roles: &[Role], address: &str| NodeFacts {
        roles: roles.to_vec(),
        class: 0,
        pod_cidr: "10.0.0.0/24".into(),
        spec: serde_json::from_value(json!({
            "name": name, "roles": ["worker"], "addresses": {"cluster": address, "management": "10.2.0.1"},
        }))
        .unwrap(),
    };
    let controller = [Role::Controller, Role::Etcd];
    Facts {
        format: Facts::current_format(),
        kubernetes: "1.35.2".into(),
        spec: json!({"pki": {"epoch": "2026-11-01", "lifetimes": {"certificate": "1y", "authority": "10y"}}}),
        base: Some(BaseFacts { name: "debian-13".into(), digest: Digest::of(b"base") }),
        classes: vec![class],
        nodes: vec![
            node("c1", &controller, "10.1.0.1"),
            node("c2", &controller, "10.1.0.2"),
            node("c3", &controller, "10.1.0.3"),
            node("w1", &[Role::Worker], "10.1.0.9"),
        ],
        ..Facts::default()
    }
}

impl World {
    fn new() -> Self {
        let diff = Diff {
            format: 1,
            cluster: "lab".into(),
            before: SideInfo::default(),
            after: SideInfo::default(),
            summary: Summary::default(),
            notes: vec![],
            risks: vec![],
            spec: vec![],
            inputs: vec![],
            groups: vec![],
            libvirt: vec![],
            nodes: vec![],
            replacement: vec![],
            deployment: vec![],
        };
        Self { before: facts(), after: facts(), diff, now: EPOCH + 86_400, keys: KeySource::Own, known: (true, true) }
    }

    /// A file that changed on c1.
    fn file(&mut self, path: &str, format: &str, tags: &[&str], field: FieldChange) {
        let change = Change {
            path: path.to_owned(),
            state: State::Changed,
            renamed_from: None,
            format: format.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            fields: vec![field],
            hunks: vec![],
            untold: vec![],
            pattern: false,
            per_node: vec![],
            origin: Origin::default(),
            why: Why::default(),
            weakened: vec![],
        };
        self.diff.groups.push(Group { nodes: super::nodes(vec!["c1".into()]), changes: vec![change] });
    }

    fn unit(&mut self, field: FieldChange) {
        self.file("/etc/systemd/system/kube-apiserver.service", "unit", &[], field);
    }

    fn node(&mut self, name: &str, state: State, effect: Effect) {
        let node = NodeDiff {
            name: name.to_owned(),
            state,
            roles: vec![],
            before: None,
            after: None,
            effects: vec![effect],
            entries: vec![],
        };
        self.diff.nodes.push(node);
    }

    /// An entry of c1 as type, mode and owner.
    fn entry(&mut self, before: Option<(&str, u16, &str)>, after: (&str, u16, &str)) {
        let facts = |(kind, mode, owner): (&str, u16, &str)| EntryFacts {
            kind: kind.to_owned(),
            mode: Mode::new(mode).unwrap(),
            owner: owner.to_owned(),
            size: None,
            digest: None,
            target: None,
            secrets: vec![],
        };
        let (before, after) = (before.map(facts), Some(facts(after)));
        let entry = EntryChange { path: "/etc/x".into(), state: State::Changed, renamed_from: None, before, after };
        self.node("c1", State::Changed, Effect::NewOverlay);
        self.diff.nodes[0].entries.push(entry);
    }

    fn network(&mut self, name: &str, before: serde_json::Value, after: serde_json::Value) {
        self.before.spec["networks"] = json!({name: before});
        self.after.spec["networks"] = json!({name: after});
    }

    fn moved(&mut self, path: &str) {
        self.diff.spec.push(FieldChange::changed(path, "old", "new"));
    }

    fn component(&mut self, version: &str) {
        for class in &mut self.after.classes {
            for component in class.components.values_mut() {
                component.version = version.to_owned();
            }
        }
    }

    /// A component of its own version, on all nodes.
    fn versions(&mut self, name: &str, before: &str, after: &str) {
        for (facts, version) in [(&mut self.before, before), (&mut self.after, after)] {
            let component = ComponentFacts { from: From::Artifact, version: version.to_owned() };
            facts.classes[0].components.insert(name.to_owned(), component);
        }
    }

    fn found(&self) -> BTreeMap<String, String> {
        let options = Options { now: Some(self.now), keys: self.keys, ..Options::default() };
        let risks =
            judge(&self.diff, self.known.0.then_some(&self.before), self.known.1.then_some(&self.after), &options);
        risks.into_iter().map(|risk| (risk.id, risk.finding)).collect()
    }
}

fn rotated(path: &str) -> FieldChange {
    FieldChange::of(ChangeKind::Rotated, path, "sha256:1", "sha256:2")
}

fn reordered(path: &str) -> FieldChange {
    FieldChange::of(ChangeKind::Reordered, path, "a, b", "b, a")
}

type Case = (&'static str, fn(&mut World));

const ENCRYPTION: &str = "/etc/kubernetes/encryption.yaml";

/// What must be recognised.
const RISKY: &[Case] = &[
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
    ("kubernetes-downgrade", |w| w.after.kubernetes = "1.35.1".into()),
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
];

/// What looks like a risk, and is none.
const HARMLESS: &[Case] = &[
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
];

#[test]
fn every_row_has_a_case_and_every_case_is_found() {
    for row in &TABLE {
        assert!(RISKY.iter().any(|(id, _)| *id == row.id), "{} has no case", row.id);
        assert!(!row.reason.is_empty() && !row.action.is_empty());
    }
    for (number, (id, change)) in RISKY.iter().enumerate() {
        assert!(TABLE.iter().any(|row| row.id == *id), "{id} is no row");
        let mut world = World::new();
        assert!(!world.found().contains_key(*id), "{id} is found where nothing changed");
        change(&mut world);
        assert!(world.found().contains_key(*id), "case {number}: {id} is not found: {:?}", world.found());
    }
}

#[test]
fn harmless_changes_are_no_risks() {
    for (number, (id, change)) in HARMLESS.iter().enumerate() {
        let mut world = World::new();
        change(&mut world);
        assert!(!world.found().contains_key(*id), "case {number}: {id}: {:?}", world.found());
    }
}

#[test]
fn quorum_is_told_before_and_after() {
    let mut world = World::new();
    world.after.nodes.remove(2);
    let expected = "3 members (quorum 2, 1 may fail) before, 2 members (quorum 2, 0 may fail) after";
    assert_eq!(world.found()["etcd-member-removed"], expected);
}

#[test]
fn the_documented_table_is_this_one() {
    let page = include_str!("../../../docs/diff-json.md");
    let documented = page.lines().filter(|line| line.starts_with("| `") && line.contains("` | high |")).count()
        + page.lines().filter(|line| line.contains("` | medium |") || line.contains("` | low |")).count();
    assert_eq!(documented, TABLE.len());
    for row in &TABLE {
        let line = format!("| `{}` | {} | {} |", row.id, row.severity.name(), row.reason);
        assert!(page.lines().any(|other| other == line), "docs/diff-json.md lacks {line}");
    }
}
