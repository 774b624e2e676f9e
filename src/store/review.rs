//! `nodes/<node>/manifest.json`: every entry of a tree and where it came from, one line each, so that `git diff` shows
//! a line for a change.

use crate::bundle::{Bundle, Identity};
use crate::spec::model::Architecture;
use crate::tree::{Digest, Encoding, Kind, Mode, Origin, Tree};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewManifest<'a> {
    pub cluster: Cow<'a, str>,
    pub node: Cow<'a, str>,
    pub architecture: Architecture,
    pub bundle: Digest,
    pub entries: Vec<ReviewEntry<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewEntry<'a> {
    pub path: Cow<'a, str>,
    /// `directory`, `file` or `symlink`.
    #[serde(rename = "type")]
    pub kind: Cow<'a, str>,
    pub mode: Mode,
    /// `UID:GID`.
    pub owner: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ReviewSecret<'a>>,
    pub origin: Cow<'a, Origin>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewSecret<'a> {
    pub name: Cow<'a, str>,
    pub generation: u32,
    pub commitment: Cow<'a, str>,
    pub encoding: Encoding,
}

impl<'a> ReviewManifest<'a> {
    /// Lists `tree`, whose bundle is `bundle`.
    pub fn new(tree: &'a Tree, identity: &'a Identity, bundle: &Bundle) -> Self {
        Self::from_parts(tree, identity, &bundle.digest, &bundle.file_digests)
    }

    /// As [`ReviewManifest::new`], from the digests of the bundle and of the tree's files in path order.
    pub fn from_parts(tree: &'a Tree, identity: &'a Identity, bundle: &Digest, files: &[Digest]) -> Self {
        let mut digests = files.iter();
        let entries = tree.iter().map(|(path, entry)| {
            let (kind, contents, target) = match &entry.kind {
                Kind::Directory => ("directory", None, None),
                Kind::File(contents) => ("file", Some(contents), None),
                Kind::Symlink(target) => ("symlink", None, Some(Cow::Borrowed(target.as_str()))),
            };
            let secret = |hole: &'a crate::tree::Hole| ReviewSecret {
                name: Cow::Borrowed(&hole.secret.name),
                generation: hole.secret.generation,
                commitment: Cow::Borrowed(&hole.secret.commitment),
                encoding: hole.encoding,
            };
            ReviewEntry {
                path: Cow::Borrowed(path.as_str()),
                kind: Cow::Borrowed(kind),
                mode: entry.mode,
                owner: Cow::Owned(format!("{}:{}", entry.owner.uid, entry.owner.gid)),
                size: contents.map(|contents| contents.bytes().len() as u64),
                digest: contents.and_then(|_| digests.next().cloned()),
                target,
                secrets: contents.map(|c| c.holes().iter().map(secret).collect()).unwrap_or_default(),
                origin: Cow::Borrowed(&entry.origin),
            }
        });
        Self {
            cluster: Cow::Borrowed(&identity.cluster),
            node: Cow::Borrowed(&identity.node),
            architecture: identity.architecture,
            bundle: *bundle,
            entries: entries.collect(),
        }
    }

    /// The files and links that have other bytes, modes or targets than in `old`; `None` when an entry is new, gone or
    /// of another kind.
    pub fn files_changed_since(&self, old: &ReviewManifest<'_>) -> Option<BTreeSet<String>> {
        let alike = |new: &ReviewEntry<'_>, old: &ReviewEntry<'_>| new.path == old.path && new.kind == old.kind;
        let pairs = || self.entries.iter().zip(&old.entries);
        if self.entries.len() != old.entries.len() || !pairs().all(|(new, old)| alike(new, old)) {
            return None;
        }
        let same = |new: &ReviewEntry<'_>, old: &ReviewEntry<'_>| {
            (new.mode, &new.digest, &new.target) == (old.mode, &old.digest, &old.target)
        };
        let changed = pairs().filter(|(new, old)| new.kind != "directory" && !same(new, old));
        Some(changed.map(|(new, _)| new.path.to_string()).collect())
    }

    pub fn parse(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut out = Vec::with_capacity(512 + 320 * self.entries.len());
        let architecture = serde_json::to_string(&self.architecture)?;
        let head = [
            ("cluster", serde_json::to_string(&self.cluster)?),
            ("node", serde_json::to_string(&self.node)?),
            ("architecture", architecture),
            ("bundle", serde_json::to_string(&self.bundle)?),
        ];
        out.extend_from_slice(b"{\n");
        for (key, value) in head {
            out.extend_from_slice(format!("  \"{key}\": {value},\n").as_bytes());
        }
        out.extend_from_slice(b"  \"entries\": [");
        for (number, entry) in self.entries.iter().enumerate() {
            out.extend_from_slice(if number == 0 { b"\n    " } else { b",\n    " });
            serde_json::to_writer(&mut out, entry)?;
        }
        out.extend_from_slice(b"\n  ]\n}\n");
        Ok(out)
    }
}
