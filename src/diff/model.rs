//! The result: plain values, the same for every format. docs/diff-json.md is their documentation.

pub use super::whole_nodes::{OwnEntry, WholeNodes};
use crate::spec::Role;
use crate::tree::{Digest, Encoding, Mode, Origin};
use serde::{Deserialize, Serialize};

/// Version of the JSON format; a change that breaks readers raises it.
pub const FORMAT: u32 = 1;

/// Everything that differs between two sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    pub format: u32,
    pub cluster: String,
    pub before: SideInfo,
    pub after: SideInfo,
    pub summary: Summary,
    /// What the reader must know to judge the rest, such as keys that could not be compared.
    pub notes: Vec<String>,
    /// The most severe first.
    pub risks: Vec<Risk>,
    /// Spec keys that moved.
    pub spec: Vec<FieldChange>,
    /// Other inputs that moved: kubi's version, the base image, components, artifacts, recipes.
    pub inputs: Vec<FieldChange>,
    /// Changes of files, each shown once for all nodes that it holds for.
    pub groups: Vec<Group>,
    /// Changes of libvirt's domains and networks, where both sides were built with images; networks are of no node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libvirt: Vec<Group>,
    /// What is on nodes that are new, those that are alike once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<WholeNodes>,
    /// What was on nodes that go away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<WholeNodes>,
    /// Every node that is added, removed or changed, in the order of the deployment.
    pub nodes: Vec<NodeDiff>,
    /// The nodes that a deployment would replace or start, in its order.
    pub replacement: Vec<String>,
    /// What a deployment does, one step after the other.
    pub deployment: Vec<DeployStep>,
}

/// Nodes that a deployment touches at the same time, before it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployStep {
    pub action: DeployAction,
    pub nodes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeployAction {
    /// Makes the node's machine, or replaces it.
    Start,
    /// Takes its machine away.
    Remove,
}

/// What was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideInfo {
    /// In words: `build 3`, `main (1a2b3c4)`, `cluster.yaml`.
    pub label: String,
    pub kind: SideKind,
    pub nodes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SideKind {
    #[default]
    Build,
    Bundle,
    Revision,
    Spec,
}

/// Counts, for a first look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub nodes_added: usize,
    pub nodes_removed: usize,
    /// Nodes with another tree, or that get other disks or another machine.
    pub nodes_changed: usize,
    pub nodes_same: usize,
    /// Entries of changed nodes, each node counted.
    pub entries_added: usize,
    pub entries_removed: usize,
    pub entries_changed: usize,
    pub entries_renamed: usize,
    pub risks_high: usize,
    pub risks_medium: usize,
    pub risks_low: usize,
}

/// Nodes by name, and in short: `worker-0001..0050`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nodes {
    pub text: String,
    pub names: Vec<String>,
}

/// Changes that hold for exactly the same nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub nodes: Nodes,
    /// In path order.
    pub changes: Vec<Change>,
}

/// What happened to one path on the nodes of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub path: String,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// How the contents were read: `x509`, `unit`, `yaml`, `text`, `binary`, ...; empty where there are none.
    pub format: String,
    /// What the file is, where that matters: `authority`, `serving`, `client`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    pub fields: Vec<FieldChange>,
    /// Of text files; of the first node where nodes differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<Hunk>,
    /// Which hunks have lines that no field tells of, where there are fields: comments, layout, order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<usize>,
    /// Values in `<angle brackets>` stand for what differs from node to node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pattern: bool,
    /// What a pattern stands for, node by node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_node: Vec<NodeValues>,
    pub origin: Origin,
    pub why: Why,
    /// Protections that the file gives up, in words; they show as a risk.
    #[serde(skip)]
    pub weakened: Vec<String>,
    /// Files that still name one that went; they show as a risk.
    #[serde(skip)]
    pub still_named: Vec<String>,
}

/// A node's own version of a change that is shown as a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeValues {
    pub node: String,
    /// The fields that have other values in the pattern; those of keys are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The changed lines that read otherwise in the pattern.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Added,
    Removed,
    Changed,
    Renamed,
}

/// One thing that differs, in the words of the format.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// `[Service] ExecStart --max-pods`, `subjectAltName`, `spec.replicas`, `mode`, `secret key/etcd-server`.
    pub path: String,
    pub kind: ChangeKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
    /// The same values in another order.
    Reordered,
    /// Another key or secret. Where values are given they are public: a fingerprint, a generation.
    Rotated,
    /// Follows from other changes: serial numbers, signatures.
    Derived,
}

impl FieldChange {
    pub fn added(path: impl Into<String>, after: impl Into<String>) -> Self {
        Self { path: path.into(), kind: ChangeKind::Added, before: None, after: Some(after.into()) }
    }

    pub fn removed(path: impl Into<String>, before: impl Into<String>) -> Self {
        Self { path: path.into(), kind: ChangeKind::Removed, before: Some(before.into()), after: None }
    }

    pub fn changed(path: impl Into<String>, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self::of(ChangeKind::Changed, path, before, after)
    }

    pub fn of(kind: ChangeKind, path: impl Into<String>, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { path: path.into(), kind, before: Some(before.into()), after: Some(after.into()) }
    }

    /// `None` where both are equal; added or removed where one is missing.
    pub fn between(path: &str, before: Option<String>, after: Option<String>) -> Option<Self> {
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => Some(Self::added(path, after)),
            (Some(before), None) => Some(Self::removed(path, before)),
            (Some(before), Some(after)) => (before != after).then(|| Self::changed(path, before, after)),
        }
    }
}

/// A run of changed lines with some unchanged ones around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    /// First line, from 1; 0 where there are none.
    pub before_line: usize,
    pub after_line: usize,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// `same`, `removed` or `added`.
    pub kind: LineKind,
    /// Without its line end.
    pub text: String,
    /// Byte ranges of `text` that are new or gone in a line that is otherwise alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emphasis: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LineKind {
    Same,
    Removed,
    Added,
}

/// Which inputs moved that the entry's origin names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// Paths of [`Diff::spec`].
    pub spec: Vec<String>,
    /// Paths of [`Diff::inputs`].
    pub inputs: Vec<String>,
}

/// What a deployment must do for one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeDiff {
    pub name: String,
    pub state: State,
    pub roles: Vec<Role>,
    pub before: Option<Digest>,
    pub after: Option<Digest>,
    pub effects: Vec<Effect>,
    /// Every entry that differs; of an added node all that it has, of a removed one all that it had.
    pub entries: Vec<EntryChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Effect {
    /// The node is new.
    Create,
    /// The node's domain goes away; its data disk stays until somebody deletes it.
    Remove,
    /// Another tree or base image: the root disk is replaced.
    NewOverlay,
    /// Another set of artifacts, or another version of one.
    NewArtifactDisk,
    /// Other processors, memory, disks, hypervisor or networks: the machine is stopped and defined anew.
    NewMachine,
    /// What the data disk holds may be lost or left behind.
    DataAtRisk { reason: String },
}

/// One entry of one node, as both sides have it. [`super::apply`] turns one side into the other with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryChange {
    pub path: String,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    pub before: Option<EntryFacts>,
    pub after: Option<EntryFacts>,
}

/// An entry without its contents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryFacts {
    /// `directory`, `file` or `symlink`.
    #[serde(rename = "type")]
    pub kind: String,
    pub mode: Mode,
    /// `UID:GID`.
    pub owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretFacts {
    pub name: String,
    pub generation: u32,
    pub commitment: String,
    pub encoding: Encoding,
}

/// Something that a reviewer should not pass over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Risk {
    pub severity: Severity,
    /// Of the table in `risk`; does not change from release to release.
    pub id: String,
    /// Empty where the whole cluster is meant.
    pub nodes: Nodes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Other files in which the same was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_paths: Vec<String>,
    /// What was found.
    pub finding: String,
    /// Why that is a risk.
    pub reason: String,
    /// What to do about it.
    pub action: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    High,
    Medium,
    Low,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl Diff {
    /// Whether both sides give the same nodes from the same inputs.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
            && self.groups.is_empty()
            && self.libvirt.is_empty()
            && self.spec.is_empty()
            && self.inputs.is_empty()
    }
}
