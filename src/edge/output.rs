//! Reading `out/`: finishing what a killed build left, records, blobs.

use super::commit;
use super::files::{self, FileError};
use super::names::Names;
use crate::bundle::{BundleError, ImageManifest, MAX_MANIFEST, read_manifest, unbundle};
use crate::store::{BuildRecord, RecordError};
use crate::tree::{Digest, Tree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A folder that kubi builds into.
#[derive(Clone, Debug)]
pub struct Output {
    root: PathBuf,
}

/// What is wrong with an output folder, or could not be done to it.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path} is {source}")]
    Record { path: String, source: RecordError },
    #[error("{path} is damaged: {source}")]
    Json { path: String, source: serde_json::Error },
    #[error("bundle {digest}: {source}")]
    Bundle { digest: Box<Digest>, source: BundleError },
    #[error("{0:?} cannot be the name of a folder under the output folder")]
    Name(String),
    #[error(
        "{path} is on another file system than {root}: kubi moves finished files into place, which needs one file system"
    )]
    OtherFileSystem { path: String, root: String },
    #[error("the build is complete, but could not be moved into place: {0}; the next kubi command will finish it")]
    Unfinished(Box<OutputError>),
    #[error("no cluster {cluster:?} has been built in {root}")]
    NoCluster { cluster: String, root: String },
}

impl OutputError {
    fn bundle(digest: &Digest, source: BundleError) -> Self {
        Self::Bundle { digest: Box::new(*digest), source }
    }
}

impl Output {
    /// Opens `root`, which need not exist. A build that was killed while its files were moved into place is finished
    /// first, unless its builder is still at it.
    pub fn open(root: &Path) -> Result<Self, OutputError> {
        commit::recover(root)?;
        Ok(Self { root: root.to_owned() })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn cluster_path(&self, cluster: &str) -> PathBuf {
        self.root.join(cluster)
    }

    pub fn node_path(&self, cluster: &str, node: &str) -> PathBuf {
        self.root.join(cluster).join("nodes").join(node)
    }

    /// Opens an image of a cluster for reading.
    pub fn open_image(&self, cluster: &str, file: &str) -> std::io::Result<std::fs::File> {
        std::fs::File::open(self.image_path(cluster, file))
    }

    pub fn image_path(&self, cluster: &str, file: &str) -> PathBuf {
        self.root.join(cluster).join("images").join(file)
    }

    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("store/blobs/sha256").join(digest.hex())
    }

    /// Every cluster that has been built here.
    pub fn clusters(&self) -> Result<BTreeSet<String>, OutputError> {
        let names = files::names(&self.root)?;
        let built = |name: &String| name != "store" && self.root.join(name).join("build.json").is_file();
        Ok(names.into_iter().filter(built).collect())
    }

    /// The newest build of a cluster.
    pub fn record(&self, cluster: &str) -> Result<Option<BuildRecord>, OutputError> {
        self.read_record(&self.root.join(cluster).join("build.json"))
    }

    /// As [`Output::record`], where there must be one.
    pub fn built(&self, cluster: &str) -> Result<BuildRecord, OutputError> {
        self.record(cluster)?.ok_or_else(|| OutputError::NoCluster {
            cluster: cluster.to_owned(),
            root: self.root.display().to_string(),
        })
    }

    /// The numbers of the builds whose records are kept.
    pub fn builds(&self, cluster: &str) -> Result<BTreeSet<u64>, OutputError> {
        let names = files::names(&self.root.join(cluster).join("builds"))?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    pub fn build_path(&self, cluster: &str, number: u64) -> PathBuf {
        self.root.join(cluster).join("builds").join(format!("{number}.json"))
    }

    /// An older build of a cluster.
    pub fn build(&self, cluster: &str, number: u64) -> Result<Option<BuildRecord>, OutputError> {
        self.read_record(&self.build_path(cluster, number))
    }

    /// Records of the builds that kubi-deploy has deployed, and may go back to.
    pub fn deployed(&self, cluster: &str) -> Result<Vec<BuildRecord>, OutputError> {
        let folder = self.root.join(cluster).join("deployed");
        let numbers: BTreeSet<u64> = files::names(&folder)?.iter().filter_map(|name| name.parse().ok()).collect();
        // One without a record was interrupted while it was noted.
        let records =
            numbers.iter().map(|number| self.read_record(&folder.join(number.to_string()).join("build.json")));
        records.filter_map(Result::transpose).collect()
    }

    fn read_record(&self, path: &Path) -> Result<Option<BuildRecord>, OutputError> {
        let Some(bytes) = files::read_optional(path)? else { return Ok(None) };
        let record = BuildRecord::parse(&bytes);
        record.map(Some).map_err(|source| OutputError::Record { path: path.display().to_string(), source })
    }

    /// A bundle's manifest; its bytes have the digest they are named by.
    pub fn manifest(&self, digest: &Digest) -> Result<ImageManifest, OutputError> {
        Ok(self.manifest_bytes(digest)?.1)
    }

    fn manifest_bytes(&self, digest: &Digest) -> Result<(Vec<u8>, ImageManifest), OutputError> {
        let fail = |source| OutputError::bundle(digest, source);
        let bytes = self.blob(digest)?;
        let actual = Digest::of(&bytes);
        if bytes.len() <= MAX_MANIFEST && actual != *digest {
            let what = self.blob_path(digest).display().to_string();
            return Err(fail(BundleError::digest(what, *digest, actual)));
        }
        let manifest = read_manifest(&bytes).map_err(fail)?;
        Ok((bytes, manifest))
    }

    /// Reads and checks a whole bundle.
    pub fn tree(&self, digest: &Digest) -> Result<Tree, OutputError> {
        let (bytes, manifest) = self.manifest_bytes(digest)?;
        let config = self.blob(&manifest.config.digest)?;
        // A manifest that was read has exactly one layer.
        let layer = manifest.layers.first().map(|layer| self.blob(&layer.digest)).transpose()?.unwrap_or_default();
        unbundle(&bytes, &config, &layer).map_err(|source| OutputError::bundle(digest, source))
    }

    /// A bundle's config; its bytes have the digest that the manifest says.
    pub fn config(&self, digest: &Digest) -> Result<Vec<u8>, OutputError> {
        let expected = self.manifest(digest)?.config.digest;
        let bytes = self.blob(&expected)?;
        let actual = Digest::of(&bytes);
        if actual != expected {
            let what = self.blob_path(&expected).display().to_string();
            return Err(OutputError::bundle(digest, BundleError::digest(what, expected, actual)));
        }
        Ok(bytes)
    }

    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, OutputError> {
        Ok(files::read(&self.blob_path(digest))?)
    }

    /// The newest build of `cluster`, if it was made from `inputs` by this version of kubi and all that it made is still
    /// there. Looks at names only; `kubi verify` looks at bytes.
    pub fn current(&self, cluster: &str, kubi: &str, inputs: &Digest) -> Result<Option<BuildRecord>, OutputError> {
        let bytes = files::read_optional(&self.root.join(cluster).join("build.json"))?.unwrap_or_default();
        if !BuildRecord::is_of(&bytes, kubi, inputs) {
            return Ok(None);
        }
        let (record, present) = rayon::join(|| BuildRecord::parse(&bytes), || Present::list(&self.root, cluster));
        // A damaged record is mended by building.
        let Ok(record) = record else { return Ok(None) };
        Ok(present?.has_all(&record).then_some(record))
    }
}

/// The names that are in an output folder.
#[derive(Debug, Default)]
pub struct Present {
    pub blobs: Names,
    pub nodes: Names,
    pub images: Names,
    /// Below `deploy/` and `operator/`.
    pub files: Names,
}

impl Present {
    /// A few directories are read, instead of asking for every name: a thousand nodes have thousands.
    pub fn list(root: &Path, cluster: &str) -> Result<Self, FileError> {
        let cluster = root.join(cluster);
        let files = || files::files_below_all(&cluster, &["deploy", "operator"]);
        let of_nodes = || ["nodes", "images"].map(|folder| files::names(&cluster.join(folder)));
        let blobs = || files::names(&root.join("store/blobs/sha256"));
        let (blobs, (files, [nodes, images])) = rayon::join(blobs, || rayon::join(files, of_nodes));
        Ok(Self { blobs: blobs?, files: files?, nodes: nodes?, images: images? })
    }

    /// Whether a node's bundle, review tree and overlay are there.
    pub fn has_node(&self, node: &str, record: &crate::store::NodeRecord) -> bool {
        let overlay = record.overlay.as_ref().is_none_or(|overlay| self.images.contains(&overlay.file));
        overlay && self.nodes.contains(node) && self.blobs.contains(record.bundle.hex())
    }

    fn has_all(&self, record: &BuildRecord) -> bool {
        record.nodes.iter().all(|(name, node)| self.has_node(name, node))
            && record.images.keys().all(|file| self.images.contains(file))
            && record.files.keys().all(|file| self.files.contains(file))
    }
}
