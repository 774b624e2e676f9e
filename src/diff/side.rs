//! One side of a comparison: nodes by name, their entries, and contents on request.

use super::facts::Facts;
use super::model::{EntryFacts, SecretFacts, SideInfo};
use crate::tree::{Contents, Digest, Encoding, Entry, Kind, Mode, NodePath, Origin, Owner};
use std::collections::BTreeMap;

/// What two nodes are told apart by before anything is read. Nodes that share either name are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeKey {
    /// The bundle's digest, where a build has made it.
    pub bundle: Option<Digest>,
    /// The fingerprint of everything that the node is made from.
    pub plan: Option<Digest>,
}

impl NodeKey {
    pub fn same_as(&self, other: &Self) -> bool {
        let equal = |a: &Option<Digest>, b: &Option<Digest>| a.is_some() && a == b;
        equal(&self.bundle, &other.bundle) || equal(&self.plan, &other.plan)
    }
}

/// A secret's place in a file's public bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret {
    pub name: String,
    pub generation: u32,
    pub commitment: String,
    pub encoding: Encoding,
    pub offset: usize,
    pub length: usize,
}

/// One entry of a node's tree, without its contents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SideEntry {
    pub path: String,
    /// `directory`, `file` or `symlink`.
    pub kind: &'static str,
    pub mode: Mode,
    pub owner: Owner,
    pub size: Option<u64>,
    /// Of the public bytes, in which stubs stand for secrets.
    pub digest: Option<Digest>,
    pub target: Option<String>,
    pub secrets: Vec<Secret>,
}

/// A build, a revision or a spec. Asked from many threads.
pub trait Side: Sync {
    fn info(&self) -> SideInfo;
    /// What the side was made from; single bundles do not tell. Damaged facts are an error: without them nobody would look
    /// for most risks.
    fn facts(&self) -> Result<Option<&Facts>, SideError>;
    fn nodes(&self) -> &BTreeMap<String, NodeKey>;
    /// In path order.
    fn entries(&self, node: &str) -> Result<Vec<SideEntry>, SideError>;
    /// Where the entries come from, by path; empty where that is not known.
    fn origins(&self, node: &str) -> Result<BTreeMap<String, Origin>, SideError>;
    /// A file's public bytes.
    fn contents(&self, node: &str, entry: &SideEntry) -> Result<Vec<u8>, SideError>;
    /// The node's bundle; computed where it was not built.
    fn bundle(&self, node: &str) -> Result<Option<Digest>, SideError>;
    /// The XML that libvirt gets, by path below `deploy/`; none where it was not written.
    fn libvirt_files(&self) -> BTreeMap<String, Digest> {
        BTreeMap::new()
    }
    /// One of [`Side::libvirt_files`].
    fn libvirt_file(&self, path: &str) -> Result<Vec<u8>, SideError> {
        Err(SideError::new(format!("there is no {path}"), "`kubi build` writes it"))
    }
}

/// A side that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SideError {
    pub message: String,
    pub help: Option<String>,
    /// A file or tool failed, rather than that something is wrong with what was read.
    pub machine: bool,
}

impl SideError {
    pub fn new(message: impl std::fmt::Display, help: impl Into<String>) -> Self {
        Self { message: message.to_string(), help: Some(help.into()), machine: false }
    }
}

impl SideEntry {
    /// An entry of a tree in memory; `digest` is that of its file's bytes.
    pub fn of(path: &NodePath, entry: &Entry, digest: Option<Digest>) -> Self {
        let (kind, contents, target) = match &entry.kind {
            Kind::Directory => ("directory", None, None),
            Kind::File(contents) => ("file", Some(contents), None),
            Kind::Symlink(target) => ("symlink", None, Some(target.clone())),
        };
        Self {
            path: path.to_string(),
            kind,
            mode: entry.mode,
            owner: entry.owner,
            size: contents.map(|contents| contents.bytes().len() as u64),
            digest,
            target,
            secrets: contents.map(secrets).unwrap_or_default(),
        }
    }

    pub fn facts(&self) -> EntryFacts {
        let secret = |secret: &Secret| SecretFacts {
            name: secret.name.clone(),
            generation: secret.generation,
            commitment: secret.commitment.clone(),
            encoding: secret.encoding,
        };
        EntryFacts {
            kind: self.kind.to_owned(),
            mode: self.mode,
            owner: format!("{}:{}", self.owner.uid, self.owner.gid),
            size: self.size,
            digest: self.digest,
            target: self.target.clone(),
            secrets: self.secrets.iter().map(secret).collect(),
        }
    }

    /// The bytes with each stub cut down to the secret's name, so that a rotated secret changes no line of text.
    pub fn without_commitments(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for secret in &self.secrets {
            let end = secret.offset.saturating_add(secret.length);
            let (Some(before), Some(stub)) = (bytes.get(at..secret.offset), bytes.get(secret.offset..end)) else {
                break;
            };
            out.extend_from_slice(before);
            out.extend_from_slice(format!("<secret {}>", secret.name).as_bytes());
            out.extend_from_slice(if stub.ends_with(b"\n") { b"\n" } else { b"" });
            at = end;
        }
        out.extend_from_slice(&bytes[at..]);
        out
    }
}

fn secrets(contents: &Contents) -> Vec<Secret> {
    let secret = |hole: &crate::tree::Hole| Secret {
        name: hole.secret.name.clone(),
        generation: hole.secret.generation,
        commitment: hole.secret.commitment.clone(),
        encoding: hole.encoding,
        offset: hole.offset,
        length: hole.length,
    };
    contents.holes().iter().map(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::SecretRef;

    #[test]
    fn a_rotated_secret_leaves_the_text_alone() {
        let text = |generation| {
            let mut contents = Contents::public("key: ");
            let secret = SecretRef { name: "key/a".into(), generation, commitment: format!("sha256:{generation}") };
            contents.push_secret(secret, Encoding::Base64);
            contents.push(b"\nend\n");
            let entry = Entry {
                kind: Kind::File(contents.clone()),
                mode: Mode::SECRET,
                owner: Owner::ROOT,
                origin: Origin::default(),
            };
            let entry = SideEntry::of(&NodePath::new("/a").unwrap(), &entry, None);
            entry.without_commitments(contents.bytes())
        };
        assert_eq!(text(1), b"key: <secret key/a>\nend\n");
        assert_eq!(text(1), text(20));
    }
}
