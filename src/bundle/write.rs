//! Tree to bundle.

use super::archive::{self, BLOCK, Member};
use super::{Bundle, BundleError, Identity, ImageManifest, MAX_LAYER, compress, config};
use crate::tree::{Digest, Kind, Tree};

/// Packs a tree into its canonical bytes. Fails only for trees beyond the size limits or with a file as a parent.
pub fn bundle(tree: &Tree, identity: &Identity) -> Result<Bundle, BundleError> {
    tree.check_parents()?;
    let archive = pack(tree)?;
    let file_digests: Vec<Digest> = tree
        .iter()
        .filter_map(|(_, entry)| match &entry.kind {
            Kind::File(contents) => Some(Digest::of(contents.bytes())),
            _ => None,
        })
        .collect();
    let config = config::write_config(config::list_entries(tree, &file_digests), identity, Digest::of(&archive))?;
    let layer = compress::compress(&archive)?;
    drop(archive);
    let (config_digest, layer_digest) = (Digest::of(&config), Digest::of(&layer));
    let manifest = ImageManifest::new((&config_digest, config.len()), (&layer_digest, layer.len())).to_bytes()?;
    Ok(Bundle { digest: Digest::of(&manifest), manifest, config, config_digest, layer, layer_digest, file_digests })
}

fn pack(tree: &Tree) -> Result<Vec<u8>, BundleError> {
    // A header and its padding for each entry; pax headers are rare and may make the buffer grow.
    let contents: usize = tree.iter().map(|(_, entry)| size(&entry.kind) + 2 * BLOCK).sum();
    limit("the layer", contents as u64, MAX_LAYER)?;
    let mut archive = Vec::with_capacity(contents + archive::TRAILER);
    for (path, entry) in tree.iter() {
        Member::new(path, &entry.kind, entry.mode, entry.owner).write_header(&mut archive);
        if let Kind::File(contents) = &entry.kind {
            archive.extend_from_slice(contents.bytes());
            archive::pad(&mut archive, contents.bytes().len() as u64);
        }
    }
    archive.resize(archive.len() + archive::TRAILER, 0);
    limit("the layer", archive.len() as u64, MAX_LAYER)?;
    Ok(archive)
}

fn size(kind: &Kind) -> usize {
    match kind {
        Kind::File(contents) => contents.bytes().len(),
        _ => 0,
    }
}

pub fn limit(what: &'static str, size: u64, limit: u64) -> Result<(), BundleError> {
    if size > limit { Err(BundleError::TooLarge { what, size, limit }) } else { Ok(()) }
}
