//! Tree entries: kind, mode, owner, and where each came from.

use super::{Contents, NodePath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Permission bits, at most `0o7777`; shown and stored as four octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u16);

impl Mode {
    /// `None` where bits beyond the twelve permission bits are set.
    pub const fn new(bits: u16) -> Option<Self> {
        if bits <= 0o7777 { Some(Self(bits)) } else { None }
    }
    pub const fn bits(self) -> u16 {
        self.0
    }
    pub const FILE: Mode = Mode(0o644);
    pub const EXECUTABLE: Mode = Mode(0o755);
    pub const DIRECTORY: Mode = Mode(0o755);
    pub const SECRET: Mode = Mode(0o600);
    /// What Linux reports for a symbolic link.
    pub const SYMLINK: Mode = Mode(0o777);
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl TryFrom<String> for Mode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
        let bits = u16::from_str_radix(&text, 8).ok().filter(|_| digits);
        bits.and_then(Mode::new).ok_or_else(|| format!("{text:?} is no mode: write four octal digits such as \"0640\""))
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> String {
        mode.to_string()
    }
}

/// Numeric owner: names differ between images, numbers are what the file system stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Owner {
    pub const ROOT: Owner = Owner { uid: 0, gid: 0 };
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File(Contents),
    /// The link's target, as written; it may point outside the tree.
    Symlink(String),
}

/// Where an entry came from. Kept beside bundles, never inside their digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// `slot/choice`.
    pub recipe: String,
    /// A file of the recipe, or a key of its `recipe.yaml`: `files/etc/hosts.tera`, `recipe.yaml#certificates.etcd-server`.
    pub source: String,
    /// The spec keys that the source reads, sorted: `spec.networks.pods.cidr`.
    pub spec: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    pub mode: Mode,
    pub owner: Owner,
    pub origin: Origin,
}

/// All of a node's files, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<NodePath, Entry>,
}

/// Two recipes that want the same path, or a file where a directory is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("{path} is written twice: by {first} and by {second}")]
    Duplicate { path: NodePath, first: String, second: String },
    #[error("{path} (from {origin}) lies below {parent}, which is no directory")]
    ParentIsNoDirectory { path: NodePath, parent: NodePath, origin: String },
}

impl Tree {
    /// Adds an entry. The same directory with the same mode and owner may be declared more than once.
    pub fn insert(&mut self, path: NodePath, entry: Entry) -> Result<(), TreeError> {
        if let Some(old) = self.entries.get(&path) {
            let same_directory = old.kind == Kind::Directory
                && entry.kind == Kind::Directory
                && old.mode == entry.mode
                && old.owner == entry.owner;
            if same_directory {
                return Ok(());
            }
            let name = |o: &Origin| format!("{} ({})", o.recipe, o.source);
            return Err(TreeError::Duplicate { path, first: name(&old.origin), second: name(&entry.origin) });
        }
        self.entries.insert(path, entry);
        Ok(())
    }

    /// Checks that every parent which the tree itself holds is a directory.
    pub fn check_parents(&self) -> Result<(), TreeError> {
        for (path, entry) in &self.entries {
            let mut parent = path.parent();
            while let Some(up) = parent {
                if self.entries.get(&up).is_some_and(|e| e.kind != Kind::Directory) {
                    return Err(TreeError::ParentIsNoDirectory {
                        path: path.clone(),
                        parent: up,
                        origin: entry.origin.recipe.clone(),
                    });
                }
                parent = up.parent();
            }
        }
        Ok(())
    }

    /// Entries in path order.
    pub fn iter(&self) -> impl Iterator<Item = (&NodePath, &Entry)> {
        self.entries.iter()
    }

    pub fn get(&self, path: &NodePath) -> Option<&Entry> {
        self.entries.get(path)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, recipe: &str) -> Entry {
        Entry {
            kind,
            mode: Mode::FILE,
            owner: Owner::ROOT,
            origin: Origin { recipe: recipe.into(), source: "files/x".into(), spec: vec![] },
        }
    }

    #[test]
    fn two_writers_of_one_path_are_both_named() {
        let mut tree = Tree::default();
        let path = NodePath::new("/etc/x").unwrap();
        tree.insert(path.clone(), entry(Kind::File(Contents::public("1")), "a/b")).unwrap();
        let error = tree.insert(path, entry(Kind::File(Contents::public("1")), "c/d")).unwrap_err().to_string();
        assert!(error.contains("a/b") && error.contains("c/d"), "{error}");
    }

    #[test]
    fn a_file_is_no_parent() {
        let mut tree = Tree::default();
        tree.insert(NodePath::new("/etc").unwrap(), entry(Kind::Symlink("usr".into()), "a/b")).unwrap();
        tree.insert(NodePath::new("/etc/x/y").unwrap(), entry(Kind::Directory, "a/b")).unwrap();
        assert!(tree.check_parents().is_err());
    }
}
