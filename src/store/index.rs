//! `index.json` of the store: the bundle of every node of every cluster.

use crate::bundle::{ARTIFACT_TYPE, MANIFEST_MEDIA_TYPE};
use crate::tree::{Digest, rows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole `oci-layout` file.
pub const OCI_LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}\n";
const MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// What `skopeo` matches the text after the layout's path with.
const REFERENCE: &str = "org.opencontainers.image.ref.name";
const CLUSTER: &str = "kubi.cluster";
const NODE: &str = "kubi.node";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    manifests: Vec<IndexEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexEntry {
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Default for Index {
    fn default() -> Self {
        Self { schema_version: 2, media_type: MEDIA_TYPE.to_owned(), manifests: Vec::new() }
    }
}

impl IndexEntry {
    /// A node's bundle, found by tools as `CLUSTER/NODE`.
    pub fn bundle(cluster: &str, node: &str, digest: Digest, size: u64) -> Self {
        let annotations =
            [(CLUSTER, cluster.to_owned()), (NODE, node.to_owned()), (REFERENCE, format!("{cluster}/{node}"))];
        Self {
            media_type: MANIFEST_MEDIA_TYPE.to_owned(),
            artifact_type: Some(ARTIFACT_TYPE.to_owned()),
            digest,
            size,
            annotations: annotations.map(|(key, value)| (key.to_owned(), value)).into(),
        }
    }

    pub fn cluster(&self) -> Option<&str> {
        self.annotations.get(CLUSTER).map(String::as_str)
    }

    pub fn node(&self) -> Option<&str> {
        self.annotations.get(NODE).map(String::as_str)
    }
}

impl Index {
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Puts `bundles` in the place of all entries of `cluster`; what other tools have added is left alone.
    pub fn replace(&mut self, cluster: &str, bundles: impl IntoIterator<Item = IndexEntry>) {
        self.manifests.retain(|entry| entry.cluster() != Some(cluster));
        self.manifests.extend(bundles);
        let key = |e: &IndexEntry| (e.cluster().map(str::to_owned), e.node().map(str::to_owned), e.digest);
        self.manifests.sort_by_cached_key(key);
    }

    pub fn entries(&self) -> &[IndexEntry] {
        &self.manifests
    }

    /// One line for each manifest, so that versions of it can be compared.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut out = format!("{{\"schemaVersion\":2,\"mediaType\":\"{MEDIA_TYPE}\",\"manifests\":[").into_bytes();
        out.push(b'\n');
        out.extend(rows(&self.manifests)?);
        out.extend_from_slice(b"]}\n");
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cluster: &str, node: &str, bytes: &[u8]) -> IndexEntry {
        IndexEntry::bundle(cluster, node, Digest::of(bytes), 1)
    }

    #[test]
    fn clusters_share_an_index() {
        let mut foreign = entry("x", "y", b"foreign");
        foreign.annotations = BTreeMap::new();
        let mut index = Index { manifests: vec![foreign.clone()], ..Index::default() };
        index.replace("prod", [entry("prod", "a", b"1")]);
        index.replace("dev", [entry("dev", "b", b"2"), entry("dev", "a", b"3")]);
        index.replace("prod", [entry("prod", "a", b"4")]);
        let expected = [foreign, entry("dev", "a", b"3"), entry("dev", "b", b"2"), entry("prod", "a", b"4")];
        assert_eq!(index.entries(), expected);
        assert_eq!(Index::parse(&index.to_bytes().unwrap()).unwrap(), index);
    }
}
