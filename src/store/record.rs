//! A build's record: what it was made from, and the name of everything it made.

use crate::tree::{Digest, Rows, with_rows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the newest build says what it was made from, in the cluster's folder.
pub const FACTS: &str = "deploy/facts.json";

const FORMAT: u32 = 2;

/// `out/<cluster>/build.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildRecord {
    format: u32,
    /// The version of kubi that built it: another one may give other bytes for the same inputs.
    pub kubi: String,
    /// Counts this cluster's builds in this `out/`, from 1.
    pub number: u64,
    /// The digest of everything that the build depends on. Equal inputs: nothing to do.
    pub inputs: Digest,
    pub nodes: BTreeMap<String, NodeRecord>,
    /// Images that nodes share, by file name in `images/`: the base, artifact disks.
    #[serde(default)]
    pub images: BTreeMap<String, Digest>,
    /// Files under `deploy/` and `operator/`, by path relative to the cluster's folder.
    #[serde(default)]
    pub files: BTreeMap<String, Digest>,
    /// The digest of what the libvirt files of all nodes share. Equal, and an equal node: an equal domain.
    #[serde(default)]
    pub deploy: Option<Digest>,
}

/// What stands on a record's first line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    format: &'a u32,
    kubi: &'a str,
    number: &'a u64,
    inputs: &'a Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    deploy: &'a Option<Digest>,
    images: &'a BTreeMap<String, Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeRecord {
    /// The digest of the node's plan and inputs. Equal plans: neither rendered nor written again.
    pub plan: Digest,
    pub bundle: Digest,
    /// The digest of the review tree's `manifest.json`.
    pub review: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<ImageRecord>,
}

impl NodeRecord {
    /// Without the plan: another one may give the same files.
    fn made(&self) -> (&Digest, &Digest, Option<&ImageRecord>) {
        (&self.bundle, &self.review, self.overlay.as_ref())
    }
}

/// A file in `images/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageRecord {
    pub file: String,
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("not a build record: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a build record of format {0}, which this version of kubi does not know")]
    Format(u32),
    #[error("a build record that names the file {0:?}")]
    Name(String),
}

impl BuildRecord {
    pub fn new(kubi: &str, number: u64, inputs: Digest, nodes: BTreeMap<String, NodeRecord>) -> Self {
        let (images, files) = (BTreeMap::new(), BTreeMap::new());
        Self { format: FORMAT, kubi: kubi.to_owned(), number, inputs, nodes, images, files, deploy: None }
    }

    /// Whether the record is of a build from `inputs` by this version of kubi; only its first line is looked at.
    pub fn is_of(bytes: &[u8], kubi: &str, inputs: &Digest) -> bool {
        #[derive(Deserialize)]
        struct MadeFrom {
            kubi: String,
            inputs: String,
        }
        let head = bytes.split(|byte| *byte == b'\n').next().and_then(|line| line.strip_suffix(b","));
        let head = head.map(|head| [head, b"}"].concat()).unwrap_or_default();
        serde_json::from_slice(&head).is_ok_and(|of: MadeFrom| of.kubi == kubi && of.inputs == inputs.as_str())
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(bytes)?;
        if record.format != FORMAT {
            return Err(RecordError::Format(record.format));
        }
        // Names become paths, some of them of files to remove.
        let bad = record.names().find(|name| matches!(*name, "" | "." | "..") || name.contains(['/', '\0']));
        if let Some(name) = bad {
            return Err(RecordError::Name(name.to_owned()));
        }
        Ok(record)
    }

    /// Whether both builds made the same files.
    pub fn same_output(&self, other: &Self) -> bool {
        let mut pairs = self.nodes.iter().zip(&other.nodes);
        (&self.kubi, &self.images, &self.files) == (&other.kubi, &other.images, &other.files)
            && self.nodes.len() == other.nodes.len()
            && pairs.all(|((name, node), (other_name, other))| name == other_name && node.made() == other.made())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let images = self.image_files().map(|(file, _)| file);
        let parts = self.files.keys().flat_map(|file| file.split('/'));
        self.nodes.keys().map(String::as_str).chain(images).chain(parts)
    }

    /// One line for each node and file, so that records can be compared; keys in a fixed order.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let Self { format, kubi, number, inputs, deploy, images, nodes, files } = self;
        let head = serde_json::to_vec(&Head { format, kubi, number, inputs, deploy, images })?;
        let head = head.strip_suffix(b"}").unwrap_or(&head);
        let head = [head, b",\n\"nodes\":{\n"].concat();
        let (nodes, files) = rayon::join(|| Rows::of_object(nodes), || Rows::of_object(files));
        Ok(with_rows(&head, &[(&nodes?, "},\n\"files\":{\n"), (&files?, "}}\n")]))
    }

    /// The digest of what the build was made from. Those of older builds are in the store.
    pub fn facts(&self) -> Option<&Digest> {
        self.files.get(FACTS)
    }

    /// Every file in `images/` that the build needs, with its digest.
    pub fn image_files(&self) -> impl Iterator<Item = (&str, &Digest)> {
        let overlays = self.nodes.values().filter_map(|node| node.overlay.as_ref());
        let shared = self.images.iter().map(|(file, digest)| (file.as_str(), digest));
        shared.chain(overlays.map(|image| (image.file.as_str(), &image.digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> BuildRecord {
        let overlay = Some(ImageRecord { file: "w-1.qcow2".into(), digest: Digest::of(b"o"), size: 1 });
        let node = NodeRecord { plan: Digest::of(b"p"), bundle: Digest::of(b"b"), review: Digest::of(b"r"), overlay };
        let mut record = BuildRecord::new("0.1.0", 3, Digest::of(b"i"), [("w-1".to_owned(), node)].into());
        record.images.insert("base.qcow2".into(), Digest::of(b"base"));
        record.files.insert("deploy/deploy.json".into(), Digest::of(b"d"));
        record
    }

    #[test]
    fn records_survive_a_round_trip() {
        assert_eq!(BuildRecord::parse(&record().to_bytes().unwrap()).unwrap(), record());
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let text = String::from_utf8(record().to_bytes().unwrap()).unwrap();
        for (good, bad) in
            [("\"w-1\"", "\"../w\""), ("w-1.qcow2", ".."), ("base.qcow2", "a/b"), ("deploy/deploy", "deploy/../d")]
        {
            let changed = text.replacen(good, bad, 1);
            assert_ne!(changed, text);
            let result = BuildRecord::parse(changed.as_bytes());
            assert!(matches!(result, Err(RecordError::Name(_))), "{bad}");
        }
    }
}
