//! Writes a node's overlay: its tree, with real secrets, on top of the base image.

use super::ext4::{Body, Editor};
use super::qcow2::{CLUSTER, MAX_BACKING_NAME, OverlayBuilder};
use super::{Base, ImageError, Overlay};
use crate::tree::{Entry, Kind, NodePath, SecretSource, Tree};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// What an overlay is besides base and tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverlayOptions<'a> {
    /// How the overlay's header names the base image: relative, so that both can move together.
    pub backing_name: &'a str,
    /// The node's disk in bytes, a multiple of 512; at least the base image's. The guest grows its root at boot.
    pub disk_size: u64,
    /// Every time of every new file, in seconds since 1970.
    pub epoch: i64,
}

/// The overlay of one node. The same input gives the same bytes; on any error there is no overlay at all.
///
/// Fails before anything is changed when the tree needs more blocks or inodes than the base image has.
pub fn write_overlay(
    base: &Base,
    options: &OverlayOptions<'_>,
    tree: &Tree,
    secrets: &dyn SecretSource,
) -> Result<Overlay, ImageError> {
    check_options(base, options)?;
    let filled = Filled::new(tree, secrets)?;
    let mut editor = Editor::new(base.volume(), base, options.epoch);
    editor.reserve(tree.iter().map(|(path, entry)| (path, filled.body(path, entry))))?;
    for (path, entry) in tree.iter() {
        editor.write(path, entry.mode, entry.owner, filled.body(path, entry))?;
    }
    let mut blocks = editor.finish()?;
    let clusters = clusters(base, &blocks);
    // They hold the node's private keys.
    blocks.values_mut().filter_map(Arc::get_mut).for_each(Zeroize::zeroize);
    let builder = OverlayBuilder {
        disk_size: options.disk_size,
        backing_name: options.backing_name,
        backing_format: base.format(),
        clusters: clusters?,
    };
    Ok(builder.finish())
}

/// QEMU reads an L1 table of 32 MiB at most; this is half of what that can map, and far more than ext4 can use.
const MAX_DISK: u64 = 64 << 40;

fn check_options(base: &Base, options: &OverlayOptions<'_>) -> Result<(), ImageError> {
    if options.disk_size < base.virtual_size() || !options.disk_size.is_multiple_of(512) {
        return Err(ImageError::unsupported(format!(
            "a node's disk of {} bytes: it must be a multiple of 512 and at least the base image's {}",
            options.disk_size,
            base.virtual_size()
        )));
    }
    if options.disk_size > MAX_DISK {
        return Err(ImageError::unsupported(format!(
            "a node's disk of {} bytes: 64 TiB is the most",
            options.disk_size
        )));
    }
    if options.backing_name.is_empty() || options.backing_name.len() > MAX_BACKING_NAME {
        return Err(ImageError::unsupported("a base image whose file name is empty or longer than 1023 bytes"));
    }
    Ok(())
}

/// The contents of all files that hold secrets, wiped when dropped.
pub(super) struct Filled<'t>(BTreeMap<&'t NodePath, Zeroizing<Vec<u8>>>);

impl<'t> Filled<'t> {
    pub(super) fn new(tree: &'t Tree, secrets: &dyn SecretSource) -> Result<Self, ImageError> {
        let mut filled = BTreeMap::new();
        for (path, entry) in tree.iter() {
            if let Kind::File(contents) = &entry.kind
                && contents.is_secret()
            {
                filled.insert(path, contents.fill(secrets)?);
            }
        }
        Ok(Self(filled))
    }

    pub(super) fn body<'s>(&'s self, path: &NodePath, entry: &'s Entry) -> Body<'s> {
        match &entry.kind {
            Kind::Directory => Body::Directory,
            Kind::Symlink(target) => Body::Symlink(target),
            Kind::File(contents) => match self.0.get(path) {
                Some(bytes) => Body::File(bytes),
                None => Body::File(contents.bytes()),
            },
        }
    }
}

/// A disk's changed clusters; `None` reads as zeros.
type Clusters = BTreeMap<u64, Option<Zeroizing<Vec<u8>>>>;

/// The clusters that really differ from the base image.
fn clusters(base: &Base, blocks: &BTreeMap<u64, Arc<Vec<u8>>>) -> Result<Clusters, ImageError> {
    let mut changed: BTreeMap<u64, Zeroizing<Vec<u8>>> = BTreeMap::new();
    for (number, bytes) in blocks {
        let start = base.root_partition().offset + number * bytes.len() as u64;
        let mut done = 0;
        while done < bytes.len() {
            let at = start + done as u64;
            let (cluster, within) = (at / CLUSTER, (at % CLUSTER) as usize);
            let length = (CLUSTER as usize - within).min(bytes.len() - done);
            let piece = &bytes[done..done + length];
            done += length;
            if let Some(cluster) = changed.get_mut(&cluster) {
                cluster[within..within + length].copy_from_slice(piece);
                continue;
            }
            let old = base.chunk(cluster, CLUSTER)?;
            if old[within..within + length] != *piece {
                let mut new = Zeroizing::new(old.to_vec());
                new[within..within + length].copy_from_slice(piece);
                changed.insert(cluster, new);
            }
        }
    }
    let zeros = vec![0; CLUSTER as usize];
    Ok(changed.into_iter().map(|(cluster, bytes)| (cluster, (*bytes != zeros).then_some(bytes))).collect())
}
