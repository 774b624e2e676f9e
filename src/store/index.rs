//! `index.json` of the store: the bundle of every node of every cluster.

use crate::bundle::{ARTIFACT_TYPE, MANIFEST_MEDIA_TYPE};
use crate::tree::{Digest, Rows, with_rows};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

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

    /// The text of an index in which `bundles` (by node) take the place of those of `cluster`, line by line. `None` where
    /// the text lists anything but bundles of kubi, and has to be read as a whole.
    pub fn replace_in<E>(
        text: &str,
        cluster: &str,
        bundles: &BTreeMap<&str, Digest>,
        size: impl Fn(&Digest) -> Result<u64, E>,
    ) -> Option<Result<Vec<u8>, E>> {
        let lines = text.strip_prefix(&*head())?.strip_suffix(END)?.lines();
        let lines: Vec<Line<'_>> = lines.map(Line::parse).collect::<Option<_>>()?;
        if !lines.is_sorted_by(|a, b| (a.cluster, a.node) < (b.cluster, b.node)) {
            return None;
        }
        let [from, to] = [
            lines.partition_point(|line| line.cluster < cluster),
            lines.partition_point(|line| line.cluster <= cluster),
        ];
        let known: BTreeMap<&str, &Line<'_>> = lines[from..to].iter().map(|line| (line.node, line)).collect();
        let row = |(node, bundle): (&&str, &Digest)| match known.get(node) {
            Some(line) if line.digest == bundle.as_str() => line.taken_over(),
            _ => Ok(Line::of(cluster, node, bundle, size(bundle)?).into_bytes().into()),
        };
        let others = |range: Range<usize>| lines[range].iter().map(Line::taken_over);
        let rows = others(0..from).chain(bundles.iter().map(row)).chain(others(to..lines.len()));
        let rows: Result<Rows<'_>, E> = rows.collect();
        Some(rows.map(|rows| with_rows(head().as_bytes(), &[(&rows, END)])))
    }

    pub fn entries(&self) -> &[IndexEntry] {
        &self.manifests
    }

    /// One line for each manifest, so that versions of it can be compared.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        Ok(with_rows(head().as_bytes(), &[(&Rows::of_list(&self.manifests)?, END)]))
    }
}

const END: &str = "]}\n";

fn head() -> String {
    format!("{{\"schemaVersion\":2,\"mediaType\":\"{MEDIA_TYPE}\",\"manifests\":[\n")
}

/// A line of the index that kubi has written for a bundle of its own.
struct Line<'a> {
    text: &'a str,
    cluster: &'a str,
    node: &'a str,
    digest: &'a str,
}

impl<'a> Line<'a> {
    /// As [`IndexEntry::bundle`] becomes.
    fn of(cluster: &str, node: &str, digest: &Digest, size: u64) -> String {
        let kind = format!("\"mediaType\":\"{MANIFEST_MEDIA_TYPE}\",\"artifactType\":\"{ARTIFACT_TYPE}\"");
        let names = format!("\"{CLUSTER}\":\"{cluster}\",\"{NODE}\":\"{node}\",\"{REFERENCE}\":\"{cluster}/{node}\"");
        format!("{{{kind},\"digest\":\"{digest}\",\"size\":{size},\"annotations\":{{{names}}}}}")
    }

    fn taken_over<E>(&self) -> Result<Cow<'a, [u8]>, E> {
        Ok(self.text.as_bytes().into())
    }

    fn parse(line: &'a str) -> Option<Self> {
        let text = line.strip_suffix(',').unwrap_or(line);
        let between = |from: &str, to: char| -> Option<&'a str> {
            let (_, rest) = text.split_once(from)?;
            rest.split_once(to).map(|(value, _)| value)
        };
        let digest = between("\"digest\":\"", '"')?;
        let size = between("\"size\":", ',')?.parse().ok()?;
        let cluster = between("\"kubi.cluster\":\"", '"')?;
        let node = between("\"kubi.node\":\"", '"')?;
        // Whatever else it says would be lost.
        let same = Self::of(cluster, node, &digest.parse().ok()?, size) == text;
        same.then_some(Self { text, cluster, node, digest })
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

    #[test]
    fn a_text_is_changed_as_its_value_is() {
        let size = |digest: &Digest| Ok::<_, ()>(u64::from(digest.hex().as_bytes()[0]));
        let bundles = |cluster: &str, nodes: &[(&str, &str)]| -> Vec<IndexEntry> {
            let digest = |of: &str| Digest::of(of.as_bytes());
            nodes
                .iter()
                .map(|(node, of)| IndexEntry::bundle(cluster, node, digest(of), size(&digest(of)).unwrap()))
                .collect()
        };
        let mut index = Index::default();
        index.replace("b", bundles("b", &[("w-1", "1"), ("w-2", "2"), ("w-10", "3")]));
        for (cluster, nodes) in [
            ("b", vec![("w-1", "1"), ("w-2", "other"), ("w-3", "new")]),
            ("a", vec![("x", "1")]),
            ("c", vec![("x", "1"), ("y", "2")]),
            ("b", vec![]),
            ("a", vec![("x", "2")]),
        ] {
            let text = String::from_utf8(index.to_bytes().unwrap()).unwrap();
            index.replace(cluster, bundles(cluster, &nodes));
            let nodes = nodes.iter().map(|(node, of)| (*node, Digest::of(of.as_bytes()))).collect();
            let changed = Index::replace_in(&text, cluster, &nodes, size).unwrap().unwrap();
            assert_eq!(String::from_utf8(changed), String::from_utf8(index.to_bytes().unwrap()), "{cluster} {nodes:?}");
        }
        let text = String::from_utf8(index.to_bytes().unwrap()).unwrap();
        let (begin, end) = text.split_at(text.len() - 3);
        let foreign = "{\"mediaType\":\"x\",\"digest\":\"sha256:00\",\"size\":1}";
        for other in [
            "",
            "{}",
            begin,
            &format!("{begin},\n{foreign}\n{end}"),
            &text.replace("kubi.node", "kubi.other"),
            &text.replace("\"size\":5", "\"size\": 5"),
            &text.replace("}}\n", "},\"more\":1}\n"),
        ] {
            assert!(Index::replace_in(other, "a", &BTreeMap::new(), size).is_none(), "{other}");
        }
    }
}
