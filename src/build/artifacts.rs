//! One artifact disk for each set of artifacts that some nodes need.

use super::nodes::Context;
use super::{BuildError, Images, Prepared};
use crate::artifact::{Catalog, LockedArtifact, Needed};
use crate::edge::cache_write::digest_file;
use crate::edge::stage::{StageError, stage};
use crate::image::write_artifact_disk;
use crate::libvirt::{DiskFormat, ImageFile};
use crate::plan::Class;
use crate::tree::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// The disks of a build, by the set of artifacts on them.
#[derive(Debug, Default)]
pub struct Disks {
    by_set: BTreeMap<Vec<Needed>, ImageFile>,
    /// What could not be had, in words for the summary.
    pub missing: Vec<String>,
}

impl Disks {
    pub fn images(&self) -> BTreeMap<String, Digest> {
        self.by_set.values().map(|image| (image.file.clone(), image.digest)).collect()
    }

    /// The disk of a class of nodes; `None` when they need none, or none could be written.
    pub fn of(&self, class: &Class) -> Option<&ImageFile> {
        self.by_set.get(&class.artifacts())
    }
}

/// Writes the disks whose artifacts are all in the cache. A disk is written once, then kept in the cache.
pub fn write(context: &Context<'_>) -> Result<Disks, BuildError> {
    let mut disks = Disks::default();
    if !context.images.writes_overlays() {
        return Ok(disks);
    }
    let sets: BTreeSet<Vec<Needed>> = context.plan.classes().map(Class::artifacts).collect();
    let mut missing: Vec<LockedArtifact> = Vec::new();
    for set in sets.into_iter().filter(|set| !set.is_empty()) {
        match disk(context, &set) {
            Ok(image) => drop(disks.by_set.insert(set, image)),
            Err(BuildError::Stage(StageError::Missing(artifacts))) => missing.extend(artifacts),
            Err(error) => return Err(error),
        }
    }
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let message = format!("the cache lacks {}", names.join(", "));
        let help = "run `kubi fetch`, or `kubi vendor add FILE` for files of your own".to_owned();
        if context.request.images == Images::Always {
            return Err(BuildError::Missing { message, help });
        }
        disks.missing.push(format!("no artifact disk: {message}: {help}"));
    }
    Ok(disks)
}

fn disk(context: &Context<'_>, set: &[Needed]) -> Result<ImageFile, BuildError> {
    let cache = context.request.cache;
    let Prepared { lock, catalog, .. } = context.prepared;
    // Planning has found each of them in the lock.
    let locked: Vec<LockedArtifact> =
        set.iter().filter_map(|n| lock.artifact(&n.name, &n.version, n.platform)).cloned().collect();
    let key = key(&locked, catalog);
    let digest = match cache.made(&key).map_err(BuildError::Write)? {
        Some(digest) => digest,
        None => {
            let staged = stage(&locked, catalog, cache)?;
            let mut scratch = context.publication.new_image()?;
            write_artifact_disk(staged.disk_entries(), 0, &*scratch.file())?;
            let digest = digest_file(&scratch.path()).map_err(BuildError::Write)?;
            cache.keep_made(&key, &scratch.path(), &digest).map_err(BuildError::Write)?;
            digest
        }
    };
    let path = cache.path(&digest);
    let (_, size) = cache.open(&digest).map_err(|source| BuildError::Read { path: path.clone(), source })?;
    let file = format!("artifacts-{}.squashfs", digest.hex());
    context.publication.link_image(&path, &file)?;
    Ok(ImageFile { file, digest, size, format: DiskFormat::Raw })
}

/// Names a disk by what it is made from: kubi's version, the artifacts, and where the catalog says their files go.
fn key(locked: &[LockedArtifact], catalog: &Catalog) -> Digest {
    let mut text = crate::SOURCES.to_owned();
    for artifact in locked {
        // Not the releases: a newer one in the catalog changes nothing here.
        let known = catalog.get(&artifact.name).map(|known| (known.format, &known.install, &known.links));
        text += &format!("\n{artifact} {} {known:?}", artifact.digest);
    }
    Digest::of(text.as_bytes())
}
