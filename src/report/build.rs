//! What a build holds, in as few words as a page for a thousand nodes needs: each distinct file once.

use super::certificates::{CertificateGroup, Certificates};
use crate::diff::risk::{Authority, Weak};
use crate::diff::semantic::certificate::authorities;
use crate::diff::{Risk, weak};
use crate::spec::Role;
use crate::store::{ReviewEntry, ReviewManifest};
use crate::tree::{Digest, Kind, NodePath, Origin, Tree};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Texts of files that a page carries, in bytes: those that most nodes share come first.
const TEXT: usize = 3 << 20;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildReport {
    /// What of it should not be passed over, the most severe first.
    pub risks: Vec<Risk>,
    pub nodes: Vec<NodeFiles>,
    /// Distinct files; nodes name them by their place.
    pub files: Vec<FileFacts>,
    /// Where files come from, each once.
    pub origins: Vec<Origin>,
    /// Public texts by digest, with stubs for secrets, as many as fit.
    pub contents: BTreeMap<Digest, String>,
    pub certificates: Vec<CertificateGroup>,
    /// Authorities that nodes trust.
    #[serde(skip)]
    pub authorities: Vec<Authority>,
    /// Files that lack a protection.
    #[serde(skip)]
    pub weak: Vec<Weak>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFiles {
    pub name: String,
    pub roles: Vec<Role>,
    pub bundle: Digest,
    pub files: Vec<usize>,
}

/// As in the review manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileFacts {
    pub path: String,
    pub kind: String,
    pub mode: String,
    pub owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its place in the list of origins.
    pub origin: usize,
}

/// Takes one node after the other.
#[derive(Debug, Default)]
pub struct Collector {
    nodes: Vec<NodeFiles>,
    files: BTreeMap<FileFacts, usize>,
    origins: BTreeMap<Origin, usize>,
    /// How many nodes have a text, and the text.
    texts: BTreeMap<Digest, (usize, String)>,
    certificates: Certificates,
    authorities: BTreeSet<Authority>,
    /// By file, what it lacks; a file is judged once.
    judged: BTreeMap<(String, Digest), Vec<String>>,
    /// Nodes by file and finding.
    weak: BTreeMap<(String, String), Vec<String>>,
}

impl Collector {
    pub fn add(&mut self, roles: &[Role], manifest: &ReviewManifest<'_>, tree: &Tree) {
        let mut files = Vec::with_capacity(manifest.entries.len());
        for entry in &manifest.entries {
            let next = self.files.len();
            let origin = self.origin(&entry.origin);
            files.push(*self.files.entry(facts(entry, origin)).or_insert(next));
            if let (Some(digest), Some(bytes)) = (&entry.digest, contents(tree, &entry.path)) {
                self.text(digest, bytes);
                self.certificates.add_file(&manifest.node, &entry.path, bytes);
                self.judge(&manifest.node, &entry.path, digest, bytes);
            }
        }
        let (name, bundle) = (manifest.node.to_string(), manifest.bundle);
        self.nodes.push(NodeFiles { name, roles: roles.to_vec(), bundle, files });
    }

    fn judge(&mut self, node: &str, path: &str, digest: &Digest, bytes: &[u8]) {
        let place = (path.to_owned(), *digest);
        let found = match self.judged.get(&place) {
            Some(found) => found.clone(),
            None => {
                if path.ends_with(".crt") {
                    self.authorities.extend(authorities(path, bytes));
                }
                self.judged.entry(place).or_insert(weak(path, bytes)).clone()
            }
        };
        for text in found {
            self.weak.entry((path.to_owned(), text)).or_default().push(node.to_owned());
        }
    }

    fn origin(&mut self, origin: &Origin) -> usize {
        let next = self.origins.len();
        match self.origins.get(origin) {
            Some(place) => *place,
            None => *self.origins.entry(origin.clone()).or_insert(next),
        }
    }

    fn text(&mut self, digest: &Digest, bytes: &[u8]) {
        match self.texts.get_mut(digest) {
            Some((nodes, _)) => *nodes += 1,
            None => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    self.texts.insert(*digest, (1, text.to_owned()));
                }
            }
        }
    }

    pub fn finish(self) -> BuildReport {
        let mut texts: Vec<(Digest, (usize, String))> = self.texts.into_iter().collect();
        texts.sort_by_key(|(_, (nodes, _))| std::cmp::Reverse(*nodes));
        let mut left = TEXT;
        let mut contents = BTreeMap::new();
        for (digest, (_, text)) in texts {
            if let Some(rest) = left.checked_sub(text.len()) {
                left = rest;
                contents.insert(digest, text);
            }
        }
        let weak = self.weak.into_iter().map(|((path, text), nodes)| Weak { nodes, path, text });
        BuildReport {
            risks: Vec::new(),
            authorities: self.authorities.into_iter().collect(),
            weak: weak.collect(),
            nodes: self.nodes,
            files: in_place(self.files),
            origins: in_place(self.origins),
            contents,
            certificates: self.certificates.finish(),
        }
    }
}

/// The keys in the order of their places.
fn in_place<T>(places: BTreeMap<T, usize>) -> Vec<T> {
    let mut items: Vec<(T, usize)> = places.into_iter().collect();
    items.sort_by_key(|(_, place)| *place);
    items.into_iter().map(|(item, _)| item).collect()
}

fn facts(entry: &ReviewEntry<'_>, origin: usize) -> FileFacts {
    FileFacts {
        path: entry.path.to_string(),
        kind: entry.kind.to_string(),
        mode: entry.mode.to_string(),
        owner: entry.owner.to_string(),
        size: entry.size,
        digest: entry.digest,
        target: entry.target.as_ref().map(ToString::to_string),
        origin,
    }
}

fn contents<'t>(tree: &'t Tree, path: &str) -> Option<&'t [u8]> {
    match &tree.get(&NodePath::new(path).ok()?)?.kind {
        Kind::File(contents) => Some(contents.bytes()),
        _ => None,
    }
}
