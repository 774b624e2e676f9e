//! Bundle to tree, strictly: what is accepted is, byte for byte, what [`super::bundle`] would have made of the result.
//!
//! The config says what the archive must look like, so nothing in the archive is interpreted: each header is computed
//! and compared. Memory is bounded by the limits in [`super`], whatever the bytes claim.

use super::archive::{self, Member, MemberKind};
use super::config::{ConfigEntry, EntryType, list_entries, write_config};
use super::write::limit;
use super::{BundleError, Identity, MAX_LAYER, compress, read_config, read_manifest};
use crate::tree::{Contents, Digest, Entry, Kind, NodePath, Origin, Owner, Tree};

/// Reads a bundle back; the tree's origins are empty, because bundles do not hold them.
pub fn unbundle(manifest: &[u8], config: &[u8], layer: &[u8]) -> Result<Tree, BundleError> {
    let described = read_manifest(manifest)?;
    check_digest("the config", config, &described.config.digest)?;
    for descriptor in &described.layers {
        check_digest("the layer", layer, &descriptor.digest)?;
    }
    // Sizes need no check of their own: a wrong one would give another manifest.
    let lengths = described.config.size == config.len() as u64
        && described.layers.iter().all(|descriptor| descriptor.size == layer.len() as u64);
    if !lengths {
        return Err(not_canonical("manifest", "it states other sizes than its blobs have"));
    }
    let (identity, entries) = read_config(config)?;
    let members = entries
        .iter()
        .map(|entry| Ok((NodePath::new(entry.path.as_ref())?, entry)))
        .collect::<Result<Vec<_>, BundleError>>()?;
    let archive = compress::decompress(layer, archive_size(&members)?)?;
    let (tree, digests) = read_tree(&members, &archive)?;
    tree.check_parents()?;
    check_config(&tree, &digests, &identity, Digest::of(&archive), config)?;
    if compress::compress(&archive)? != layer {
        return Err(not_canonical("layer", "it was compressed by another version of zstd or with other settings"));
    }
    Ok(tree)
}

/// The exact size of the archive that the entries describe.
fn archive_size(members: &[(NodePath, &ConfigEntry<'_>)]) -> Result<usize, BundleError> {
    let mut header = Vec::new();
    let mut size = archive::TRAILER as u64;
    for (path, entry) in members {
        header.clear();
        member(path, entry).write_header(&mut header);
        let contents = entry.size.unwrap_or(0);
        limit("the layer", contents, MAX_LAYER)?;
        size += header.len() as u64 + contents + archive::padding(contents) as u64;
        limit("the layer", size, MAX_LAYER)?;
    }
    usize::try_from(size).map_err(|_| BundleError::TooLarge { what: "the layer", size, limit: MAX_LAYER })
}

fn member<'a>(path: &'a NodePath, entry: &'a ConfigEntry<'_>) -> Member<'a> {
    let kind = match entry.kind {
        EntryType::Directory => MemberKind::Directory,
        EntryType::File => MemberKind::File,
        EntryType::Symlink => MemberKind::Symlink(entry.target.as_deref().unwrap_or_default()),
    };
    let owner = Owner { uid: entry.uid, gid: entry.gid };
    Member { path, mode: entry.mode, owner, size: entry.size.unwrap_or(0), kind }
}

fn read_tree(members: &[(NodePath, &ConfigEntry<'_>)], archive: &[u8]) -> Result<(Tree, Vec<Digest>), BundleError> {
    let mut reader = Reader { rest: archive, expected: Vec::new() };
    let mut tree = Tree::default();
    let mut digests = Vec::new();
    let mut last = "";
    for (path, listed) in members {
        if path.as_str() <= last {
            return Err(BundleError::Entry { path: path.to_string(), problem: "is listed twice or out of order" });
        }
        last = path.as_str();
        reader.header(&member(path, listed))?;
        let kind = match listed.kind {
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(listed.target.as_deref().unwrap_or_default().to_owned()),
            EntryType::File => {
                let bytes = reader.contents(path, listed.size.unwrap_or(0))?;
                let actual = Digest::of(bytes);
                if let Some(expected) = listed.digest.as_ref().filter(|expected| **expected != actual) {
                    let expected = *expected;
                    return Err(BundleError::digest(path.to_string(), expected, actual));
                }
                digests.push(actual);
                Kind::File(contents(path, listed, bytes)?)
            }
        };
        let owner = Owner { uid: listed.uid, gid: listed.gid };
        tree.insert(path.clone(), Entry { kind, mode: listed.mode, owner, origin: Origin::default() })?;
    }
    if reader.rest.len() != archive::TRAILER || reader.rest.iter().any(|byte| *byte != 0) {
        return Err(not_canonical("layer", "its archive does not end with two zero blocks"));
    }
    Ok((tree, digests))
}

/// Rebuilds contents from the holes' secrets, so that a stub which says anything else than its secret is noticed.
fn contents(path: &NodePath, listed: &ConfigEntry<'_>, bytes: &[u8]) -> Result<Contents, BundleError> {
    let fail = |problem| BundleError::Entry { path: path.to_string(), problem };
    let mut contents = Contents::default();
    for secret in &listed.secrets {
        let public = bytes.get(contents.bytes().len()..secret.offset);
        contents.push(public.ok_or_else(|| fail("has a secret outside its bytes"))?);
        let hole = secret.to_hole();
        contents.push_secret(hole.secret, hole.encoding);
        // Only the new part is compared: a file may have many secrets.
        if bytes.get(secret.offset..contents.bytes().len()) != Some(&contents.bytes()[secret.offset..]) {
            return Err(fail("has a stub that does not match its secret"));
        }
    }
    contents.push(&bytes[contents.bytes().len()..]);
    Ok(contents)
}

fn check_config(
    tree: &Tree,
    digests: &[Digest],
    identity: &Identity,
    layer: Digest,
    config: &[u8],
) -> Result<(), BundleError> {
    if write_config(list_entries(tree, digests), identity, layer)? == config {
        return Ok(());
    }
    Err(not_canonical("config", "its fields are not exactly those of the entries in the layer"))
}

fn check_digest(what: &str, bytes: &[u8], expected: &Digest) -> Result<(), BundleError> {
    let actual = Digest::of(bytes);
    if actual == *expected {
        return Ok(());
    }
    Err(BundleError::digest(what, *expected, actual))
}

fn not_canonical(what: &'static str, problem: &str) -> BundleError {
    BundleError::NotCanonical { what, problem: problem.to_owned() }
}

struct Reader<'a> {
    rest: &'a [u8],
    expected: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn header(&mut self, member: &Member<'_>) -> Result<(), BundleError> {
        self.expected.clear();
        member.write_header(&mut self.expected);
        match self.rest.strip_prefix(self.expected.as_slice()) {
            Some(rest) => self.rest = rest,
            None => {
                return Err(not_canonical(
                    "layer",
                    &format!("the header of {} is not what the config says", member.path),
                ));
            }
        }
        Ok(())
    }

    fn contents(&mut self, path: &NodePath, size: u64) -> Result<&'a [u8], BundleError> {
        let short = || not_canonical("layer", &format!("the contents of {path} end early"));
        let length = usize::try_from(size).map_err(|_| short())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(short)?;
        let (zeros, rest) = rest.split_at_checked(archive::padding(size)).ok_or_else(short)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(not_canonical("layer", &format!("the padding after {path} is not zero")));
        }
        self.rest = rest;
        Ok(bytes)
    }
}
