//! The manifest: an OCI image manifest with kubi's artifact type, one config and one layer.

use super::{ARTIFACT_TYPE, BundleError, CONFIG_MEDIA_TYPE, LAYER_MEDIA_TYPE, MANIFEST_MEDIA_TYPE, MAX_MANIFEST};
use crate::tree::Digest;
use serde::{Deserialize, Serialize};

/// Fields stand in the order of their keys, so that serialising gives canonical JSON (RFC 8785).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageManifest {
    artifact_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    media_type: String,
    schema_version: u32,
}

/// A blob by digest, size and kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Descriptor {
    pub digest: Digest,
    pub media_type: String,
    pub size: u64,
}

impl ImageManifest {
    pub fn new(config: (&Digest, usize), layer: (&Digest, usize)) -> Self {
        let descriptor = |(digest, size): (&Digest, usize), media_type: &str| Descriptor {
            digest: *digest,
            media_type: media_type.to_owned(),
            size: size as u64,
        };
        Self {
            artifact_type: ARTIFACT_TYPE.to_owned(),
            config: descriptor(config, CONFIG_MEDIA_TYPE),
            layers: vec![descriptor(layer, LAYER_MEDIA_TYPE)],
            media_type: MANIFEST_MEDIA_TYPE.to_owned(),
            schema_version: 2,
        }
    }

    /// The manifest's canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        serde_json::to_vec(self).map_err(|source| BundleError::Json { what: "the manifest", source })
    }
}

/// Reads a manifest and refuses every byte string that kubi would not have written.
pub fn read_manifest(bytes: &[u8]) -> Result<ImageManifest, BundleError> {
    super::write::limit("the manifest", bytes.len() as u64, MAX_MANIFEST as u64)?;
    let manifest: ImageManifest =
        serde_json::from_slice(bytes).map_err(|source| BundleError::Json { what: "the manifest", source })?;
    let size = |descriptor: &Descriptor| usize::try_from(descriptor.size).unwrap_or(usize::MAX);
    if let [layer] = manifest.layers.as_slice() {
        let config = (&manifest.config.digest, size(&manifest.config));
        if ImageManifest::new(config, (&layer.digest, size(layer))).to_bytes()? == bytes {
            return Ok(manifest);
        }
    }
    Err(BundleError::NotCanonical {
        what: "manifest",
        problem: "it is no bundle of kubi's, or was written by something else".into(),
    })
}
