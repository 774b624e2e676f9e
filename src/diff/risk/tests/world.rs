//! Two sides that are alike until a case changes something.

use crate::diff::compare::{KeySource, Options};
use crate::diff::facts::{BaseFacts, ClassFacts, ComponentFacts, Facts, MachineFacts, NodeFacts};
use crate::diff::model::{
    Change, ChangeKind, Diff, Effect, EntryChange, EntryFacts, FieldChange, Group, NodeDiff, SideInfo, State, Summary,
    Why,
};
use crate::diff::risk::{Known, judge, nodes};
use crate::spec::units::Bytes;
use crate::spec::{Boot, From, Role};
use crate::tree::{Digest, Mode, Origin};
use serde_json::json;
use std::collections::BTreeMap;

/// Both sides, and what else is known.
pub struct World {
    pub before: Facts,
    pub after: Facts,
    pub diff: Diff,
    pub now: i64,
    pub keys: KeySource,
    /// Whether the sides' facts are kept.
    pub known: (bool, bool),
    pub also: Known,
}

pub const EPOCH: i64 = 1_793_491_200; // 2026-11-01

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
    pub fn new() -> Self {
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
            added: vec![],
            removed: vec![],
            nodes: vec![],
            replacement: vec![],
            deployment: vec![],
        };
        Self {
            before: facts(),
            after: facts(),
            diff,
            now: EPOCH + 86_400,
            keys: KeySource::Own,
            known: (true, true),
            also: Known::default(),
        }
    }

    /// A file that changed on c1.
    pub fn file(&mut self, path: &str, format: &str, tags: &[&str], field: FieldChange) {
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
            still_named: vec![],
        };
        self.diff.groups.push(Group { nodes: nodes(vec!["c1".into()]), changes: vec![change] });
    }

    pub fn unit(&mut self, field: FieldChange) {
        self.file("/etc/systemd/system/kube-apiserver.service", "unit", &[], field);
    }

    pub fn node(&mut self, name: &str, state: State, effect: Effect) {
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
    pub fn entry(&mut self, before: Option<(&str, u16, &str)>, after: (&str, u16, &str)) {
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

    pub fn network(&mut self, name: &str, before: serde_json::Value, after: serde_json::Value) {
        self.before.spec["networks"] = json!({name: before});
        self.after.spec["networks"] = json!({name: after});
    }

    pub fn moved(&mut self, path: &str) {
        self.diff.spec.push(FieldChange::changed(path, "old", "new"));
    }

    pub fn component(&mut self, version: &str) {
        for class in &mut self.after.classes {
            for component in class.components.values_mut() {
                component.version = version.to_owned();
            }
        }
    }

    /// A component of its own version, on all nodes.
    pub fn versions(&mut self, name: &str, before: &str, after: &str) {
        for (facts, version) in [(&mut self.before, before), (&mut self.after, after)] {
            let component = ComponentFacts { from: From::Artifact, version: version.to_owned() };
            facts.classes[0].components.insert(name.to_owned(), component);
        }
    }

    pub fn found(&self) -> BTreeMap<String, String> {
        let options = Options { now: Some(self.now), keys: self.keys, ..Options::default() };
        let risks = judge(
            &self.diff,
            self.known.0.then_some(&self.before),
            self.known.1.then_some(&self.after),
            &self.also,
            &options,
        );
        risks.into_iter().map(|risk| (risk.id, risk.finding)).collect()
    }
}

pub fn rotated(path: &str) -> FieldChange {
    FieldChange::of(ChangeKind::Rotated, path, "sha256:1", "sha256:2")
}

pub fn reordered(path: &str) -> FieldChange {
    FieldChange::of(ChangeKind::Reordered, path, "a, b", "b, a")
}

pub type Case = (&'static str, fn(&mut World));

pub const ENCRYPTION: &str = "/etc/kubernetes/encryption.yaml";
