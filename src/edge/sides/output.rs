//! Builds in an output folder as sides: the newest one, an older one, or a single bundle of its store.

use crate::bundle::{ConfigEntry, EntryType, read_config};
use crate::diff::facts::FactsError;
use crate::diff::{Facts, NodeKey, Secret, Side, SideEntry, SideError, SideInfo};
use crate::edge::files;
use crate::edge::output::{Output, OutputError};
use crate::store::{BuildRecord, ReviewManifest};
use crate::tree::{Digest, Kind, NodePath, Origin, Owner, Tree};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A build of one cluster.
#[derive(Debug)]
pub struct OutputSide {
    store: Store,
    cluster: String,
    info: SideInfo,
    /// Read when they are first asked for.
    facts: OnceLock<Result<Option<Facts>, SideError>>,
    keys: BTreeMap<String, NodeKey>,
    record: BuildRecord,
    newest: bool,
}

/// Bundles of a store, read when they are asked for.
#[derive(Debug)]
struct Store {
    output: Output,
    trees: Mutex<BTreeMap<Digest, Arc<Tree>>>,
}

impl OutputSide {
    /// A build with its record. Facts are there for the newest build, and for older ones made from the same inputs.
    pub fn new(output: Output, cluster: &str, record: BuildRecord, newest: bool, info: SideInfo) -> Self {
        let key = |(name, node): (&String, &crate::store::NodeRecord)| {
            (name.clone(), NodeKey { bundle: Some(node.bundle), plan: Some(node.plan) })
        };
        let keys = record.nodes.iter().map(key).collect();
        let facts = OnceLock::new();
        Self { store: Store::new(output), cluster: cluster.to_owned(), info, facts, keys, record, newest }
    }

    /// Whether its nodes have overlays.
    pub fn has_overlays(&self) -> bool {
        self.record.nodes.values().any(|node| node.overlay.is_some())
    }

    fn digest(&self, node: &str) -> Result<&Digest, SideError> {
        let missing = || SideError::new(format!("{} has no node {node}", self.info.label), "look with `kubi show`");
        Ok(&self.record.nodes.get(node).ok_or_else(missing)?.bundle)
    }

    /// The file in the review tree, if it is there and has the right bytes: no bundle need be decompressed for it.
    fn review(&self, node: &str, entry: &SideEntry) -> Option<Vec<u8>> {
        let path = NodePath::new(entry.path.clone()).ok()?;
        let file = self.store.output.node_path(&self.cluster, node).join("tree").join(path.relative());
        let bytes = files::read_optional(&file).ok()??;
        (Some(Digest::of(&bytes)) == entry.digest).then_some(bytes)
    }
}

/// `None` where the build did not keep them, or they are gone from the store.
fn read_facts(output: &Output, record: &BuildRecord, label: &str) -> Result<Option<Facts>, SideError> {
    let Some(expected) = record.facts() else { return Ok(None) };
    let path = output.blob_path(expected);
    let Some(bytes) = files::read_optional(&path).map_err(|error| machine(error.to_string()))? else {
        return Ok(None);
    };
    let unusable = |why: &dyn std::fmt::Display, help: &str| {
        Err(SideError::new(format!("what {label} was made from cannot be read: {} {why}", path.display()), help))
    };
    if Digest::of(&bytes) != *expected {
        return unusable(&"is damaged: its bytes have another digest", DAMAGED_FACTS);
    }
    match Facts::parse(&bytes) {
        Ok(facts) => Ok(Some(facts)),
        Err(error @ FactsError::Format(_)) => unusable(&error, FOREIGN_FACTS),
        Err(error) => unusable(&error, DAMAGED_FACTS),
    }
}

const DAMAGED_FACTS: &str = "without it most risks could not be looked for: remove the file and build again, or compare git \
                             revisions, such as main~1..main";
const FOREIGN_FACTS: &str = "compare with the version of kubi that built it, or compare git revisions, such as main~1..main, \
                             which need no build";

impl Side for OutputSide {
    fn info(&self) -> SideInfo {
        self.info.clone()
    }

    fn facts(&self) -> Result<Option<&Facts>, SideError> {
        let read = || read_facts(&self.store.output, &self.record, &self.info.label);
        self.facts.get_or_init(read).as_ref().map(Option::as_ref).map_err(SideError::clone)
    }

    fn nodes(&self) -> &BTreeMap<String, NodeKey> {
        &self.keys
    }

    fn entries(&self, node: &str) -> Result<Vec<SideEntry>, SideError> {
        self.store.entries(self.digest(node)?)
    }

    /// Origins are beside the review tree, which is the newest build's; those of older bundles are not kept.
    fn origins(&self, node: &str) -> Result<BTreeMap<String, Origin>, SideError> {
        let path = self.store.output.node_path(&self.cluster, node).join("manifest.json");
        let Ok(Some(bytes)) = files::read_optional(&path) else { return Ok(BTreeMap::new()) };
        let Ok(manifest) = ReviewManifest::parse(&bytes) else { return Ok(BTreeMap::new()) };
        if manifest.bundle != *self.digest(node)? {
            return Ok(BTreeMap::new());
        }
        let entries = manifest.entries.into_iter();
        Ok(entries.map(|entry| (entry.path.into_owned(), entry.origin.into_owned())).collect())
    }

    fn contents(&self, node: &str, entry: &SideEntry) -> Result<Vec<u8>, SideError> {
        match self.review(node, entry) {
            Some(bytes) => Ok(bytes),
            None => self.store.contents(self.digest(node)?, entry),
        }
    }

    fn bundle(&self, node: &str) -> Result<Option<Digest>, SideError> {
        Ok(Some(*self.digest(node)?))
    }

    /// Those of older builds have been replaced by the newest build's.
    fn libvirt_files(&self) -> BTreeMap<String, Digest> {
        let named = self.record.files.iter().filter_map(|(file, digest)| Some((file.strip_prefix("deploy/")?, digest)));
        named.filter(|(file, _)| self.newest && file.ends_with(".xml")).map(|(f, d)| (f.to_owned(), *d)).collect()
    }

    fn libvirt_file(&self, path: &str) -> Result<Vec<u8>, SideError> {
        let file = self.store.output.cluster_path(&self.cluster).join("deploy").join(path);
        let bytes = files::read(&file).map_err(|error| machine(error.to_string()))?;
        if self.record.files.get(&format!("deploy/{path}")) == Some(&Digest::of(&bytes)) {
            return Ok(bytes);
        }
        let message = format!("{} is not what was built", file.display());
        Err(SideError::new(message, "`kubi build` writes it again"))
    }
}

/// One bundle, as the only node of its side.
#[derive(Debug)]
pub struct BundleSide {
    store: Store,
    info: SideInfo,
    keys: BTreeMap<String, NodeKey>,
    digest: Digest,
    /// Whose tree it is.
    pub cluster: String,
    pub node: String,
}

impl BundleSide {
    pub fn new(output: Output, digest: Digest, info: SideInfo) -> Result<Self, SideError> {
        let store = Store::new(output);
        let config = store.config(&digest)?;
        let (identity, _) = read_config(&config).map_err(|error| damaged(&digest, &error))?;
        let key = NodeKey { bundle: Some(digest), plan: None };
        let keys = [(identity.node.clone(), key)].into();
        Ok(Self { store, info, keys, digest, cluster: identity.cluster, node: identity.node })
    }

    /// Compares it as if it were of the node `name`.
    pub fn named(mut self, name: &str) -> Self {
        self.keys = self.keys.into_values().map(|key| (name.to_owned(), key)).collect();
        self
    }
}

impl Side for BundleSide {
    fn info(&self) -> SideInfo {
        self.info.clone()
    }

    fn facts(&self) -> Result<Option<&Facts>, SideError> {
        Ok(None)
    }

    fn nodes(&self) -> &BTreeMap<String, NodeKey> {
        &self.keys
    }

    fn entries(&self, _node: &str) -> Result<Vec<SideEntry>, SideError> {
        self.store.entries(&self.digest)
    }

    fn origins(&self, _node: &str) -> Result<BTreeMap<String, Origin>, SideError> {
        Ok(BTreeMap::new())
    }

    fn contents(&self, _node: &str, entry: &SideEntry) -> Result<Vec<u8>, SideError> {
        self.store.contents(&self.digest, entry)
    }

    fn bundle(&self, _node: &str) -> Result<Option<Digest>, SideError> {
        Ok(Some(self.digest))
    }
}

impl Store {
    fn new(output: Output) -> Self {
        Self { output, trees: Mutex::default() }
    }

    fn config(&self, digest: &Digest) -> Result<Vec<u8>, SideError> {
        self.output.config(digest).map_err(|error| unreadable(digest, error))
    }

    fn entries(&self, digest: &Digest) -> Result<Vec<SideEntry>, SideError> {
        let config = self.config(digest)?;
        let (_, entries) = read_config(&config).map_err(|error| damaged(digest, &error))?;
        Ok(entries.into_iter().map(side_entry).collect())
    }

    fn contents(&self, digest: &Digest, entry: &SideEntry) -> Result<Vec<u8>, SideError> {
        let known = self.trees.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        let tree = match known {
            Some(tree) => tree,
            None => {
                let tree = Arc::new(self.output.tree(digest).map_err(|error| unreadable(digest, error))?);
                self.trees.lock().unwrap_or_else(PoisonError::into_inner).insert(*digest, Arc::clone(&tree));
                tree
            }
        };
        let path = NodePath::new(entry.path.clone()).map_err(|error| damaged(digest, &error))?;
        match tree.get(&path).map(|entry| &entry.kind) {
            Some(Kind::File(contents)) => Ok(contents.bytes().to_vec()),
            _ => Err(damaged(digest, &format!("it lists {path}, but has no such file"))),
        }
    }
}

fn side_entry(entry: ConfigEntry<'_>) -> SideEntry {
    let secret = |secret: &crate::bundle::ConfigSecret<'_>| Secret {
        name: secret.name.to_string(),
        generation: secret.generation,
        commitment: secret.commitment.to_string(),
        encoding: secret.encoding,
        offset: secret.offset,
        length: secret.length,
    };
    SideEntry {
        kind: match entry.kind {
            EntryType::Directory => "directory",
            EntryType::File => "file",
            EntryType::Symlink => "symlink",
        },
        mode: entry.mode,
        owner: Owner { uid: entry.uid, gid: entry.gid },
        size: entry.size,
        secrets: entry.secrets.iter().map(secret).collect(),
        digest: entry.digest,
        target: entry.target.map(|target| target.into_owned()),
        path: entry.path.into_owned(),
    }
}

fn unreadable(digest: &Digest, error: OutputError) -> SideError {
    match &error {
        OutputError::File(file) if file.source.kind() == std::io::ErrorKind::NotFound => SideError::new(
            format!("bundle {digest} is not whole: {error}"),
            "`kubi gc` may have removed it, or it was never copied here: build that side again, or bring its store",
        ),
        OutputError::File(_) => machine(error.to_string()),
        _ => damaged(digest, &error),
    }
}

fn damaged(digest: &Digest, error: &dyn std::fmt::Display) -> SideError {
    let help = "`kubi verify` lists all damage; remove the damaged files and build again. A bundle of another format \
                version is read by the kubi that wrote it";
    SideError::new(format!("bundle {digest} cannot be read: {error}"), help)
}

fn machine(message: String) -> SideError {
    SideError { message, help: None, machine: true }
}
