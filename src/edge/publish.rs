//! A build's output on its way: collected beside the old one, then moved into place all at once.
//!
//! Holds the lock from beginning to end. Dropped without [`Publication::commit`], it leaves no trace.

use super::commit::{self, Journal, LOCK, STAGING};
use super::files::{self, FileError};
use super::lock_file::LockFile;
use super::new_files::{Draft, NewFiles};
use super::output::{Output, OutputError, Present};
use super::review_tree;
use crate::bundle::{Bundle, Identity};
use crate::store::{BuildRecord, FACTS, Index, IndexEntry, NodeRecord, OCI_LAYOUT, ReviewManifest};
use crate::tree::{Digest, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// One build of one cluster. Nodes, images and files may be added from many threads.
#[derive(Debug)]
pub struct Publication {
    output: Output,
    cluster: String,
    new_files: NewFiles,
    previous: Option<BuildRecord>,
    number: u64,
    present: Present,
    files: Mutex<BTreeMap<String, Digest>>,
    committed: bool,
    _lock: LockFile,
}

/// What a build was made of, besides the files added to its publication.
#[derive(Clone, Debug)]
pub struct Build {
    /// kubi's version.
    pub kubi: String,
    pub inputs: Digest,
    /// Every node; one that was not given to [`Publication::node`] keeps what it has.
    pub nodes: BTreeMap<String, NodeRecord>,
    /// Shared images, by file name.
    pub images: BTreeMap<String, Digest>,
    /// What the libvirt files of all nodes share.
    pub deploy: Option<Digest>,
}

/// An image that is being written; gone when dropped without [`NewImage::keep`].
#[derive(Debug)]
pub struct NewImage<'a> {
    draft: Draft<'a>,
    cluster: &'a str,
}

impl Publication {
    /// Waits for other builders (calling `waiting` once), finishes or discards what killed ones left, and makes room for
    /// a build's files.
    pub fn begin(root: &Path, cluster: &str, waiting: &mut dyn FnMut()) -> Result<Self, OutputError> {
        // These names are kubi's own; hidden ones would collide with them.
        if cluster == "store" || cluster.starts_with('.') || cluster.contains('/') || cluster.is_empty() {
            return Err(OutputError::Name(cluster.to_owned()));
        }
        fs::create_dir_all(root).map_err(files::failed("create", root))?;
        let lock = LockFile::acquire(&root.join(LOCK), waiting)?;
        commit::recover_locked(root, &lock)?;
        check_folders(root, cluster)?;
        let output = Output::open(root)?;
        // A damaged record counts as none: everything is then built again.
        let (previous, present) =
            rayon::join(|| output.record(cluster).unwrap_or_default(), || Present::list(root, cluster));
        let newest = output.builds(cluster)?.last().copied().unwrap_or(0);
        Ok(Self {
            number: 1 + previous.as_ref().map_or(newest, |record| record.number.max(newest)),
            present: present?,
            new_files: NewFiles::begin(&root.join(STAGING))?,
            output,
            cluster: cluster.to_owned(),
            previous,
            files: Mutex::default(),
            committed: false,
            _lock: lock,
        })
    }

    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The newest finished build of this cluster.
    pub fn previous(&self) -> Option<&BuildRecord> {
        self.previous.as_ref()
    }

    /// The record of a node that was built from the same plan and is all there: it need not be added again.
    pub fn unchanged(&self, node: &str, plan: &Digest) -> Option<&NodeRecord> {
        let record = self.previous.as_ref()?.nodes.get(node)?;
        (record.plan == *plan && self.present.has_node(node, record)).then_some(record)
    }

    /// Adds a node's bundle and review tree. Returns the digest of the review tree's `manifest.json`.
    pub fn node(&self, tree: &Tree, identity: &Identity, bundle: &Bundle) -> Result<Digest, OutputError> {
        for (digest, bytes) in [
            (&bundle.layer_digest, &bundle.layer),
            (&bundle.config_digest, &bundle.config),
            (&bundle.digest, &bundle.manifest),
        ] {
            self.blob(digest, bytes)?;
        }
        let manifest = ReviewManifest::new(tree, identity, bundle);
        let bytes = manifest.to_bytes().map_err(|source| self.json_error("manifest.json", source))?;
        let place = self.place(&format!("nodes/{}", identity.node))?;
        match self.review_patch(&identity.node, &manifest) {
            Some(changed) => {
                review_tree::add_some(&self.new_files, &format!("{place}/tree"), tree, &changed)?;
                self.new_files.add(format!("{place}/manifest.json"), &bytes, 0o644)?;
            }
            None => {
                let folder = self.new_files.add_folder(place, 0o755)?;
                review_tree::write(&folder.join("tree"), tree, self.new_files.umask())?;
                files::create(&folder.join("manifest.json"), &bytes, 0o644, self.new_files.umask())?;
            }
        }
        Ok(Digest::of(&bytes))
    }

    /// The files to write over those of the last build's review tree, when nothing else must be done to it. Where
    /// anything of the node has gone, as in a clone of review trees alone, its tree is written whole.
    fn review_patch(&self, node: &str, new: &ReviewManifest<'_>) -> Option<BTreeSet<String>> {
        let record = self.previous.as_ref()?.nodes.get(node).filter(|record| self.present.has_node(node, record))?;
        let bytes = fs::read(self.output.node_path(&self.cluster, node).join("manifest.json")).ok()?;
        let old = (Digest::of(&bytes) == record.review).then(|| ReviewManifest::parse(&bytes).ok())??;
        new.files_changed_since(&old)
    }

    /// Whether an image of this name is there already; names contain a digest, so it is the same one.
    pub fn has_image(&self, file: &str) -> bool {
        self.present.images.contains(file)
    }

    /// A new image to write into, readable by its owner alone. It gets its name when it is finished.
    pub fn new_image(&self) -> Result<NewImage<'_>, OutputError> {
        Ok(NewImage { draft: self.new_files.draft(0o600)?, cluster: &self.cluster })
    }

    /// Adds an image that exists elsewhere, without copying its bytes where the file system can share them.
    pub fn link_image(&self, from: &Path, file: &str) -> Result<(), OutputError> {
        if self.has_image(file) {
            return Ok(());
        }
        Ok(self.new_files.add_shared(self.place(&format!("images/{file}"))?, from, 0o600)?)
    }

    /// Adds `deploy/<name>`, unless it is there with the same bytes.
    pub fn deploy_file(&self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        self.file(format!("deploy/{name}"), bytes, 0o644)
    }

    /// Adds what the build was made from: beside `deploy.json`, and in the store for as long as the build's record.
    pub fn facts(&self, bytes: &[u8]) -> Result<(), OutputError> {
        let digest = Digest::of(bytes);
        self.blob(&digest, bytes)?;
        self.digested_file(FACTS.to_owned(), bytes, digest, 0o644)
    }

    /// Keeps `deploy/<name>` as the last build wrote it; `false` when that is not there.
    pub fn keep_deploy_file(&self, name: &str) -> bool {
        let relative = format!("deploy/{name}");
        let Some(digest) = self.previous.as_ref().and_then(|record| record.files.get(&relative)) else { return false };
        if !self.present.files.contains(&relative) {
            return false;
        }
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(relative, *digest);
        true
    }

    /// The bytes of `deploy/<name>` as the last build wrote them; `None` when they are not there or others.
    pub fn previous_deploy_file(&self, name: &str) -> Option<String> {
        let relative = format!("deploy/{name}");
        let digest = self.previous.as_ref()?.files.get(&relative)?;
        let bytes = fs::read(self.output.cluster_path(&self.cluster).join(relative)).ok()?;
        if Digest::of(&bytes) == *digest { String::from_utf8(bytes).ok() } else { None }
    }

    /// Adds `operator/<name>`: a file for people that may hold secrets.
    pub fn operator_file(&self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        self.file(format!("operator/{name}"), bytes, 0o600)
    }

    /// Moves everything into place. Nodes and files of the previous build that this one does not have are removed;
    /// images and bundles stay until `kubi gc`.
    pub fn commit(mut self, build: Build) -> Result<BuildRecord, OutputError> {
        let mut record = BuildRecord::new(&build.kubi, self.number, build.inputs, build.nodes);
        record.images = build.images;
        record.deploy = build.deploy;
        record.files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        // A build that gives what is there already is not another one to go back to.
        if let Some(previous) = self.previous.as_ref().filter(|previous| previous.same_output(&record)) {
            record.number = previous.number;
        }
        self.write_record(&record)?;
        let remove = self.obsolete(&record);
        // From the rename on, the next command finishes the build; before it, dropping `self` removes all traces.
        let journal = Journal::new(&self.cluster, self.new_files.places(), remove);
        let done_with = (std::mem::take(&mut self.present), self.previous.take());
        let (done, ()) = rayon::join(
            || commit::commit(self.output.root(), &self.cluster, &journal, self.new_files.umask()),
            || drop(done_with),
        );
        self.committed = matches!(done, Ok(()) | Err(OutputError::Unfinished(_)));
        done.map(|()| record)
    }

    fn write_record(&self, record: &BuildRecord) -> Result<(), OutputError> {
        let bytes = record.to_bytes().map_err(|source| self.json_error("build.json", source))?;
        // Two files, not two names of one: damage to one of them is then seen, and can be mended.
        for name in ["build.json".to_owned(), format!("builds/{}.json", record.number)] {
            self.new_files.add(self.place(&name)?, &bytes, 0o644)?;
        }
        Ok(())
    }

    /// Folders of nodes that are no more, and files that the previous build had. Whatever else lies beside kubi's
    /// files may be the user's.
    fn obsolete(&self, record: &BuildRecord) -> Vec<String> {
        let nodes = self.present.nodes.iter().filter(|node| !record.nodes.contains_key(*node));
        let had = self.previous.iter().flat_map(|previous| previous.files.keys());
        let files = had.filter(|file| !record.files.contains_key(*file) && self.present.files.contains(file));
        let gone = nodes.map(|node| format!("nodes/{node}")).chain(files.cloned());
        gone.map(|place| format!("{}/{place}", self.cluster)).collect()
    }

    /// Lists the bundles of all nodes in the store's index, for other tools.
    pub fn index(&self, nodes: &BTreeMap<&str, Digest>) -> Result<(), OutputError> {
        let path = self.output.root().join("store/index.json");
        // Every entry of a cluster can be found again from its record, so a damaged index is replaced.
        let text = files::read_optional(&path)?.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let size = |bundle: &Digest| self.blob_size(bundle);
        let bytes = match Index::replace_in(&text, &self.cluster, nodes, size) {
            Some(bytes) => bytes?,
            None => self.whole_index(&text, nodes)?,
        };
        self.new_files.add("store/index.json".to_owned(), &bytes, 0o644)?;
        let layout = "store/oci-layout";
        let known = files::read_optional(&self.output.root().join(layout))?;
        if known.as_deref() != Some(OCI_LAYOUT.as_bytes()) {
            self.new_files.add(layout.to_owned(), OCI_LAYOUT.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    fn whole_index(&self, text: &str, nodes: &BTreeMap<&str, Digest>) -> Result<Vec<u8>, OutputError> {
        let mut index = Index::parse(text.as_bytes()).unwrap_or_default();
        let sizes: BTreeMap<_, _> = index.entries().iter().map(|entry| (entry.digest, entry.size)).collect();
        let entry = |(name, bundle): (&&str, &Digest)| {
            let size = sizes.get(bundle).map_or_else(|| self.blob_size(bundle), |size| Ok(*size))?;
            Ok(IndexEntry::bundle(&self.cluster, name, *bundle, size))
        };
        let entries = nodes.iter().map(entry).collect::<Result<Vec<_>, FileError>>()?;
        index.replace(&self.cluster, entries);
        index.to_bytes().map_err(|source| self.json_error("index.json", source))
    }

    fn blob_size(&self, digest: &Digest) -> Result<u64, FileError> {
        let path = self.new_files.find(&blob_place(digest)).unwrap_or_else(|| self.output.blob_path(digest));
        Ok(fs::metadata(&path).map_err(files::failed("read", &path))?.len())
    }

    fn blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), FileError> {
        if self.present.blobs.contains(digest.hex()) {
            return Ok(());
        }
        self.new_files.add_blob(blob_place(digest), bytes, 0o644)
    }

    fn file(&self, relative: String, bytes: &[u8], mode: u32) -> Result<(), OutputError> {
        self.digested_file(relative, bytes, Digest::of(bytes), mode)
    }

    fn digested_file(&self, relative: String, bytes: &[u8], digest: Digest, mode: u32) -> Result<(), OutputError> {
        let known = self.previous.as_ref().and_then(|record| record.files.get(&relative));
        if known != Some(&digest) || !self.present.files.contains(&relative) {
            self.new_files.add(self.place(&relative)?, bytes, mode)?;
        }
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(relative, digest);
        Ok(())
    }

    /// Where a file of the cluster belongs, relative to the output folder.
    fn place(&self, relative: &str) -> Result<String, OutputError> {
        let fits = files::below(Path::new(""), relative).is_some();
        fits.then(|| format!("{}/{relative}", self.cluster)).ok_or_else(|| OutputError::Name(relative.to_owned()))
    }

    fn json_error(&self, path: &str, source: serde_json::Error) -> OutputError {
        OutputError::Json { path: path.to_owned(), source }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if !self.committed {
            // What cannot be removed now is removed by the next command.
            drop(files::remove(&self.output.root().join(STAGING)));
        }
    }
}

impl NewImage<'_> {
    pub fn file(&mut self) -> &mut File {
        &mut self.draft.file
    }

    /// Where it is written, for tools that need a path.
    pub fn path(&self) -> PathBuf {
        self.draft.path()
    }

    /// Gives the finished image its name in `images/`.
    pub fn keep(self, file: &str) -> Result<(), OutputError> {
        if file.contains('/') || files::below(Path::new(""), file).is_none() {
            return Err(OutputError::Name(file.to_owned()));
        }
        self.draft.keep(format!("{}/images/{file}", self.cluster));
        Ok(())
    }
}

fn blob_place(digest: &Digest) -> String {
    format!("store/blobs/sha256/{}", digest.hex())
}

/// Refuses folders that finished files could not be moved into, before any work is done.
fn check_folders(root: &Path, cluster: &str) -> Result<(), OutputError> {
    let device = files::device(root)?;
    for (relative, _) in commit::folders(cluster) {
        let path = root.join(relative);
        let Some(other) = files::device(&path)? else { continue };
        if Some(other) != device {
            let (path, root) = (path.display().to_string(), root.display().to_string());
            return Err(OutputError::OtherFileSystem { path, root });
        }
        let writable = rustix::fs::access(&path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
        writable.map_err(|error| files::failed("write to", &path)(error.into()))?;
    }
    Ok(())
}
