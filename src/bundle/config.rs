//! The config: an OCI image configuration whose `kubi` key lists every entry of the tree.
//!
//! The structs' fields stand in the order of their keys, so that serialising gives canonical JSON (RFC 8785).

use super::{BundleError, Identity, MAX_CONFIG};
use crate::spec::model::Architecture;
use crate::tree::{Digest, Encoding, Hole, Kind, Mode, SecretRef, Tree};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageConfig<'a> {
    architecture: Architecture,
    config: RunConfig<'a>,
    #[serde(borrow)]
    kubi: TreeConfig<'a>,
    os: Cow<'a, str>,
    rootfs: RootFileSystem,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunConfig<'a> {
    #[serde(borrow, rename = "Labels")]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeConfig<'a> {
    #[serde(borrow)]
    cluster: Cow<'a, str>,
    entries: Vec<ConfigEntry<'a>>,
    node: Cow<'a, str>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootFileSystem {
    diff_ids: Vec<Digest>,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryType {
    Directory,
    File,
    Symlink,
}

/// One entry of the tree, as the config lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigEntry<'a> {
    /// Of a file's public bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub gid: u32,
    pub mode: Mode,
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ConfigSecret<'a>>,
    /// Of a file's public bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub target: Option<Cow<'a, str>>,
    #[serde(rename = "type")]
    pub kind: EntryType,
    pub uid: u32,
}

/// A hole in a file's public bytes, and the secret that belongs there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigSecret<'a> {
    #[serde(borrow)]
    pub commitment: Cow<'a, str>,
    pub encoding: Encoding,
    pub generation: u32,
    pub length: usize,
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    pub offset: usize,
}

impl<'a> From<&'a Hole> for ConfigSecret<'a> {
    fn from(hole: &'a Hole) -> Self {
        Self {
            commitment: Cow::Borrowed(&hole.secret.commitment),
            encoding: hole.encoding,
            generation: hole.secret.generation,
            length: hole.length,
            name: Cow::Borrowed(&hole.secret.name),
            offset: hole.offset,
        }
    }
}

impl ConfigSecret<'_> {
    pub fn to_hole(&self) -> Hole {
        let secret = SecretRef {
            name: self.name.to_string(),
            generation: self.generation,
            commitment: self.commitment.to_string(),
        };
        Hole { offset: self.offset, length: self.length, secret, encoding: self.encoding }
    }
}

/// Lists a tree's entries in path order. `digests` are those of its files, in the same order.
pub fn list_entries<'a>(tree: &'a Tree, digests: &[Digest]) -> Vec<ConfigEntry<'a>> {
    let mut digests = digests.iter();
    tree.iter()
        .map(|(path, entry)| {
            let (kind, contents, target) = match &entry.kind {
                Kind::Directory => (EntryType::Directory, None, None),
                Kind::File(contents) => (EntryType::File, Some(contents), None),
                Kind::Symlink(target) => (EntryType::Symlink, None, Some(Cow::Borrowed(target.as_str()))),
            };
            ConfigEntry {
                digest: contents.and_then(|_| digests.next().cloned()),
                gid: entry.owner.gid,
                mode: entry.mode,
                path: Cow::Borrowed(path.as_str()),
                secrets: contents.map(|c| c.holes().iter().map(ConfigSecret::from).collect()).unwrap_or_default(),
                size: contents.map(|c| c.bytes().len() as u64),
                target,
                kind,
                uid: entry.owner.uid,
            }
        })
        .collect()
}

/// The config's canonical bytes. `layer` is the digest of the uncompressed layer.
pub fn write_config(entries: Vec<ConfigEntry<'_>>, identity: &Identity, layer: Digest) -> Result<Vec<u8>, BundleError> {
    let (cluster, node) = (Cow::Borrowed(identity.cluster.as_str()), Cow::Borrowed(identity.node.as_str()));
    let labels = [("kubi.cluster", cluster.clone()), ("kubi.node", node.clone())];
    let config = ImageConfig {
        architecture: identity.architecture,
        config: RunConfig { labels: labels.map(|(key, value)| (Cow::Borrowed(key), value)).into() },
        kubi: TreeConfig { cluster, entries, node },
        os: Cow::Borrowed("linux"),
        rootfs: RootFileSystem { diff_ids: vec![layer], kind: "layers".into() },
    };
    let bytes = serde_json::to_vec(&config).map_err(|source| BundleError::Json { what: "the config", source })?;
    super::write::limit("the config", bytes.len() as u64, MAX_CONFIG as u64)?;
    Ok(bytes)
}

/// Reads a config: whose tree it is and what it lists. The entries are not checked against any layer.
pub fn read_config(bytes: &[u8]) -> Result<(Identity, Vec<ConfigEntry<'_>>), BundleError> {
    super::write::limit("the config", bytes.len() as u64, MAX_CONFIG as u64)?;
    let config: ImageConfig<'_> =
        serde_json::from_slice(bytes).map_err(|source| BundleError::Json { what: "the config", source })?;
    let identity = Identity {
        cluster: config.kubi.cluster.into_owned(),
        node: config.kubi.node.into_owned(),
        architecture: config.architecture,
    };
    Ok((identity, config.kubi.entries))
}
