//! Proves that an overlay is its base image and exactly one tree.
//!
//! Two proofs that do not share code: the overlay is made again and compared byte for byte, and the disk that it gives is
//! read back: every tree entry must be there as it should be, and every other file as the base image has it.

use super::contents::read_inode;
use super::ext4::{FileKind, Inode, Last, Place};
use super::overlay::Filled;
use super::qcow2::Qcow2Disk;
use super::{Base, Disk, ImageError, OverlayOptions, ReadAt, write_overlay};
use crate::tree::{Entry, Kind, NodePath, SecretSource, Tree};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// One difference. It never shows contents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// Bytes `start..end` of the overlay's file.
    Bytes { start: u64, end: u64 },
    /// Something about the overlay as a whole.
    Overlay(String),
    /// A path on the disk that the overlay gives.
    Path { path: String, reason: String },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { start, end } => write!(f, "bytes {start} to {} differ from what this tree gives", end - 1),
            Self::Overlay(reason) => f.write_str(reason),
            Self::Path { path, reason } => write!(f, "{path}: {reason}"),
        }
    }
}

/// All differences between `overlay` and what base, options, tree and secrets give; empty when it is right.
///
/// An error means that the proof could not be made at all: a damaged base image, or a secret that is not to be had.
pub fn verify_overlay(
    overlay: Arc<dyn ReadAt>,
    base: &Base,
    options: &OverlayOptions<'_>,
    tree: &Tree,
    secrets: &dyn SecretSource,
) -> Result<Vec<Mismatch>, ImageError> {
    let expected = write_overlay(base, options, tree, secrets)?;
    let mut found = compare_bytes(overlay.as_ref(), &mut expected.chunks())?;
    drop(expected);
    let filled = Filled::new(tree, secrets)?;
    let read_back = ReadBack::open(overlay, base, options, &mut found)
        .and_then(|image| image.compare(base, tree, &filled, &mut found));
    match read_back {
        Ok(()) => {}
        Err(error) if found.is_empty() => return Err(error),
        Err(error) => found.push(Mismatch::Overlay(format!("it cannot be read back: {error}"))),
    }
    found.sort();
    Ok(found)
}

fn compare_bytes(overlay: &dyn ReadAt, expected: &mut dyn Iterator<Item = &[u8]>) -> Result<Vec<Mismatch>, ImageError> {
    const STEP: usize = 512;
    let size = overlay.size()?;
    let (mut found, mut at, mut actual) = (Vec::new(), 0u64, vec![0; STEP]);
    for piece in expected.flat_map(|chunk| chunk.chunks(STEP)) {
        let available = size.saturating_sub(at).min(piece.len() as u64) as usize;
        if available > 0 {
            overlay.read_exact_at(at, &mut actual[..available])?;
        }
        let differs = piece[..available] != actual[..available];
        if differs {
            let end = at + available as u64;
            match found.last_mut() {
                Some(Mismatch::Bytes { end: last, .. }) if *last == at => *last = end,
                _ => found.push(Mismatch::Bytes { start: at, end }),
            }
        }
        at += piece.len() as u64;
    }
    if size != at {
        found.push(Mismatch::Overlay(format!("the file has {size} bytes and should have {at}")));
    }
    Ok(found)
}

/// An overlay's disk on top of the base image.
struct ReadBack {
    image: Base,
    /// Clusters that the overlay stores itself.
    stored: BTreeSet<u64>,
    cluster_size: u64,
}

impl ReadBack {
    fn open(
        overlay: Arc<dyn ReadAt>,
        base: &Base,
        options: &OverlayOptions<'_>,
        found: &mut Vec<Mismatch>,
    ) -> Result<Self, ImageError> {
        let disk = Qcow2Disk::open(Box::new(overlay), Some(base.disk().clone()))?;
        let mut check = |what: &str, is: Option<&str>, should: &str| {
            if is != Some(should) {
                found.push(Mismatch::Overlay(format!("its {what} is {is:?} and should be {should:?}")));
            }
        };
        let (name, format) = disk.backing_name();
        check("backing file", name, options.backing_name);
        check("backing format", format, base.format().name());
        check("disk size", Some(&disk.size().to_string()), &options.disk_size.to_string());
        let cluster_size = disk.cluster_size();
        let stored = disk.stored_clusters()?;
        Ok(Self { image: Base::on_disk(Arc::new(disk), base.format())?, stored, cluster_size })
    }

    fn compare(
        &self,
        base: &Base,
        tree: &Tree,
        filled: &Filled<'_>,
        found: &mut Vec<Mismatch>,
    ) -> Result<(), ImageError> {
        if self.image.root_partition() != base.root_partition() {
            found.push(Mismatch::Overlay("its partition table differs from the base image's".into()));
        }
        let mut expected = Expected::default();
        for (path, entry) in tree.iter() {
            if let Err(reason) = self.compare_entry(path, entry, filled)? {
                found.push(Mismatch::Path { path: path.to_string(), reason });
            }
            self.expect(base, path, &mut expected)?;
        }
        self.compare_rest(base, &expected, found)
    }

    fn compare_entry(
        &self,
        path: &NodePath,
        entry: &Entry,
        filled: &Filled<'_>,
    ) -> Result<Result<(), String>, ImageError> {
        let last = if entry.kind == Kind::Directory { Last::Follow } else { Last::Keep };
        let Place::Found(inode) = self.image.view().walk(path.as_str(), last)? else {
            return Ok(Err("is missing".into()));
        };
        let kind = match entry.kind {
            Kind::Directory => FileKind::Directory,
            Kind::File(_) => FileKind::File,
            Kind::Symlink(_) => FileKind::Symlink,
        };
        if inode.kind() != kind {
            return Ok(Err(format!("is a {:?} and should be a {kind:?}", inode.kind()).to_lowercase()));
        }
        if inode.permissions() != entry.mode.bits() {
            return Ok(Err(format!("has mode {:04o} and should have {}", inode.permissions(), entry.mode)));
        }
        if inode.owner() != entry.owner {
            let (is, should) = (inode.owner(), entry.owner);
            return Ok(Err(format!("belongs to {}:{} and not to {}:{}", is.uid, is.gid, should.uid, should.gid)));
        }
        let same = match filled.body(path, entry) {
            super::ext4::Body::Directory => true,
            super::ext4::Body::Symlink(target) => self.image.view().link_target(&inode)? == target.as_bytes(),
            super::ext4::Body::File(bytes) => {
                inode.size() == bytes.len() as u64 && read_inode(&self.image, path.as_str(), &inode)? == bytes
            }
        };
        Ok(if same { Ok(()) } else { Err("has other contents than the tree".into()) })
    }

    /// Notes every name that the tree may add or change.
    fn expect(&self, base: &Base, path: &NodePath, expected: &mut Expected) -> Result<(), ImageError> {
        let mut current = Some(path.clone());
        while let Some(path) = current {
            let parent = path.parent();
            let view = self.image.view();
            if let Place::Found(directory) = view.walk(parent.as_ref().map_or("/", |p| p.as_str()), Last::Follow)? {
                expected.names.insert((directory.number, path.file_name().as_bytes().to_vec()));
            }
            if let Ok(Place::Found(inode)) = view.walk(path.as_str(), Last::Follow) {
                expected.inodes.insert(inode.number);
            }
            // Directories above it are the tree's doing only where the base image does not have them.
            current = match parent {
                Some(parent)
                    if matches!(base.view().walk(parent.as_str(), Last::Follow), Ok(Place::Missing { .. })) =>
                {
                    Some(parent)
                }
                _ => None,
            };
        }
        Ok(())
    }

    /// Walks both disks and compares everything that the tree does not name.
    fn compare_rest(&self, base: &Base, expected: &Expected, found: &mut Vec<Mismatch>) -> Result<(), ImageError> {
        let root = base.view().inode(super::ext4::ROOT)?;
        let mut stack = vec![(String::new(), root, self.image.view().inode(super::ext4::ROOT)?)];
        let mut seen = BTreeSet::new();
        while let Some((path, old, new)) = stack.pop() {
            if !seen.insert(new.number) {
                return Err(ImageError::damaged(format!("the directory {path} is reached twice")));
            }
            let mut old_names = base.view().entries(&old)?;
            let mut new_names = self.image.view().entries(&new)?;
            old_names.sort();
            new_names.sort();
            for name in &old_names {
                let child = format!("{path}/{}", String::from_utf8_lossy(&name.name));
                let Ok(at) = new_names.binary_search_by(|other| other.name.cmp(&name.name)) else {
                    found.push(Mismatch::Path { path: child, reason: "is missing, and the base image has it".into() });
                    continue;
                };
                let named = expected.names.contains(&(new.number, name.name.clone()));
                let (before, after) = (base.view().inode(name.inode)?, self.image.view().inode(new_names[at].inode)?);
                let changed = expected.inodes.contains(&after.number);
                if !named && let Some(reason) = self.difference(base, &before, &after, changed)? {
                    found.push(Mismatch::Path { path: child.clone(), reason });
                }
                if before.kind() == FileKind::Directory && after.kind() == FileKind::Directory {
                    stack.push((child, before, after));
                }
            }
            for name in &new_names {
                let known = old_names.binary_search_by(|other| other.name.cmp(&name.name)).is_ok();
                if !known && !expected.names.contains(&(new.number, name.name.clone())) {
                    let path = format!("{path}/{}", String::from_utf8_lossy(&name.name));
                    found.push(Mismatch::Path { path, reason: "is neither in the base image nor in the tree".into() });
                }
            }
        }
        Ok(())
    }

    /// How a file that the tree does not name differs; `changed` allows a directory another mode and owner.
    fn difference(
        &self,
        base: &Base,
        before: &Inode,
        after: &Inode,
        changed: bool,
    ) -> Result<Option<String>, ImageError> {
        if before.number != after.number {
            return Ok(Some("leads to another file than in the base image".into()));
        }
        if !(changed && before.kind() == FileKind::Directory) && before.facts() != after.facts() {
            return Ok(Some("has another mode, owner, time, size or attributes than in the base image".into()));
        }
        if before.kind() == FileKind::Directory {
            return Ok(None);
        }
        if before.body() != after.body() {
            return Ok(Some("has its contents elsewhere than in the base image".into()));
        }
        let offset = base.root_partition().offset;
        let block_size = base.block_size() as u64;
        for (block, count) in base.view().ranges(before)? {
            let start = offset + block * block_size;
            let clusters = start / self.cluster_size..(start + count * block_size).div_ceil(self.cluster_size);
            if self.stored.range(clusters).next().is_none() {
                continue;
            }
            for number in block..block + count {
                if base.view().block(number)? != self.image.view().block(number)? {
                    return Ok(Some("has other contents than in the base image".into()));
                }
            }
        }
        let (one, other) = (base.view().attributes(before)?, self.image.view().attributes(after)?);
        Ok((one != other).then(|| "has other attributes than in the base image".into()))
    }
}

/// What the tree may change.
#[derive(Default)]
struct Expected {
    /// Directory and name.
    names: BTreeSet<(u32, Vec<u8>)>,
    inodes: BTreeSet<u32>,
}
