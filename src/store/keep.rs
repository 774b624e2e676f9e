//! What garbage collection keeps: everything that a kept build names, and what that leads to.

use super::BuildRecord;
use crate::bundle::ImageManifest;
use crate::tree::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// Blobs and images that something still needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// Manifests, configs, layers and facts.
    pub blobs: BTreeSet<Digest>,
    /// File names in `images/`, by cluster.
    pub images: BTreeMap<String, BTreeSet<String>>,
}

impl Needed {
    /// Adds what a build names: its manifests (follow them with [`Needed::add_manifest`]) and its images.
    pub fn add_build(&mut self, cluster: &str, record: &BuildRecord) {
        self.blobs.extend(record.nodes.values().map(|node| node.bundle).chain(record.facts().cloned()));
        self.add_images(cluster, record);
    }

    /// Adds a build's images alone: what it takes to deploy it again.
    pub fn add_images(&mut self, cluster: &str, record: &BuildRecord) {
        let images = self.images.entry(cluster.to_owned()).or_default();
        images.extend(record.image_files().map(|(file, _)| file.to_owned()));
    }

    /// Adds what a manifest names.
    pub fn add_manifest(&mut self, manifest: &ImageManifest) {
        self.blobs.insert(manifest.config.digest);
        self.blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
    }
}

/// The newest `keep` builds, at least the newest one.
pub fn builds_to_keep(numbers: impl IntoIterator<Item = u64>, keep: usize) -> BTreeSet<u64> {
    let sorted: BTreeSet<u64> = numbers.into_iter().collect();
    sorted.into_iter().rev().take(keep.max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_build_is_always_kept() {
        assert_eq!(builds_to_keep([3, 9, 10, 1], 2), [9, 10].into());
        assert_eq!(builds_to_keep([3, 9], 0), [9].into());
        assert_eq!(builds_to_keep([3], 5), [3].into());
    }
}
