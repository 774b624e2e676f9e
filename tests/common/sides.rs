//! Trees in memory as sides of a comparison.

use kubi::diff::{Facts, NodeKey, Side, SideEntry, SideError, SideInfo};
use kubi::tree::{Digest, Kind, NodePath, Origin, Tree};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Trees by node, and how often something in them was opened.
#[derive(Debug, Default)]
pub struct TreeSide {
    pub trees: BTreeMap<String, Tree>,
    keys: BTreeMap<String, NodeKey>,
    pub opened: AtomicUsize,
    pub listed: AtomicUsize,
}

impl TreeSide {
    pub fn new(trees: BTreeMap<String, Tree>) -> Self {
        let key = |(name, tree): (&String, &Tree)| {
            let all: Vec<_> = tree
                .iter()
                .map(|(path, entry)| format!("{path} {:?}", (&entry.kind, entry.mode, entry.owner)))
                .collect();
            let bundle = Some(Digest::of(all.join("\n").as_bytes()));
            (name.clone(), NodeKey { bundle, plan: None })
        };
        let keys = trees.iter().map(key).collect();
        Self { trees, keys, ..Self::default() }
    }
}

impl Side for TreeSide {
    fn info(&self) -> SideInfo {
        SideInfo { label: "memory".into(), ..SideInfo::default() }
    }
    fn facts(&self) -> Result<Option<&Facts>, SideError> {
        Ok(None)
    }
    fn nodes(&self) -> &BTreeMap<String, NodeKey> {
        &self.keys
    }
    fn entries(&self, node: &str) -> Result<Vec<SideEntry>, SideError> {
        self.listed.fetch_add(1, Ordering::Relaxed);
        let entry = |(path, entry): (&NodePath, &kubi::tree::Entry)| {
            let digest = match &entry.kind {
                Kind::File(contents) => Some(Digest::of(contents.bytes())),
                _ => None,
            };
            SideEntry::of(path, entry, digest)
        };
        Ok(self.trees[node].iter().map(entry).collect())
    }
    fn origins(&self, _: &str) -> Result<BTreeMap<String, Origin>, SideError> {
        Ok(BTreeMap::new())
    }
    fn contents(&self, node: &str, entry: &SideEntry) -> Result<Vec<u8>, SideError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        match &self.trees[node].get(&NodePath::new(entry.path.clone()).unwrap()).unwrap().kind {
            Kind::File(contents) => Ok(contents.bytes().to_vec()),
            _ => panic!("{} is no file", entry.path),
        }
    }
    fn bundle(&self, node: &str) -> Result<Option<Digest>, SideError> {
        Ok(self.keys[node].bundle)
    }
}
