//! The base image of a build, and each node's overlay on it.

use super::{BuildError, Images, Prepared, Request};
use crate::artifact::LockedBase;
use crate::edge::publish::Publication;
use crate::image::{Base, ImageFormat, OverlayOptions, write_overlay};
use crate::libvirt::{DiskFormat, ImageFile};
use crate::store::ImageRecord;
use crate::tree::{Digest, SecretSource, Tree};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// What overlays are written on; nothing when the build writes none.
pub struct Source {
    base: Option<OpenBase>,
    /// Why there is none, in words for the summary.
    pub missing: Option<String>,
}

struct OpenBase {
    image: Base,
    path: PathBuf,
    locked: LockedBase,
    file: ImageFile,
    kernel: Option<[(PathBuf, ImageFile); 2]>,
    epoch: i64,
}

/// An image in the cache, under its name in `images/`.
fn cached(
    request: &Request<'_>,
    kind: &str,
    digest: &Digest,
    extension: &str,
    format: DiskFormat,
) -> Result<(fs::File, ImageFile), BuildError> {
    let path = request.cache.path(digest);
    let (file, size) = request.cache.open(digest).map_err(|source| BuildError::Read { path, source })?;
    Ok((file, ImageFile { file: format!("{kind}-{}{extension}", digest.hex()), digest: *digest, size, format }))
}

impl Source {
    /// Opens the base image that the lock names, from the cache.
    pub fn open(request: &Request<'_>, prepared: &Prepared) -> Result<Self, BuildError> {
        let none = |why: String| Ok(Self { base: None, missing: Some(why) });
        if request.images == Images::Never {
            return none("not asked for (--images=never)".to_owned());
        }
        let help = "run `kubi base build`, or `kubi base add IMAGE`";
        let missing = match &prepared.lock.base {
            None => format!("base image {:?} is not pinned in kubi.lock", prepared.cluster.spec.base),
            Some(locked) if !request.cache.has(&locked.digest) => {
                format!(
                    "base image {} ({}) is not in the cache {}",
                    locked.name,
                    locked.digest,
                    request.cache.root().display()
                )
            }
            Some(locked) => return Ok(Self { base: Some(OpenBase::open(request, prepared, locked)?), missing: None }),
        };
        if request.images == Images::Always {
            return Err(BuildError::Missing { message: missing, help: help.to_owned() });
        }
        none(format!("{missing}: {help}"))
    }

    pub fn writes_overlays(&self) -> bool {
        self.base.is_some()
    }

    /// Name, digest and size of the base image's file.
    pub fn base_file(&self) -> Option<&ImageFile> {
        self.base.as_ref().map(|base| &base.file)
    }

    /// Kernel, initrd and the root device, for direct kernel boot.
    pub fn kernel(&self) -> Option<(&ImageFile, &ImageFile, &str)> {
        let base = self.base.as_ref()?;
        let [(_, kernel), (_, initrd)] = base.kernel.as_ref()?;
        Some((kernel, initrd, base.locked.root.as_str()))
    }

    /// Puts the shared images beside the overlays.
    pub fn publish(&self, publication: &Publication, shared: &mut BTreeMap<String, Digest>) -> Result<(), BuildError> {
        let Some(base) = &self.base else { return Ok(()) };
        let kernel = base.kernel.iter().flatten().map(|(path, file)| (path, file));
        for (path, file) in kernel.chain([(&base.path, &base.file)]) {
            publication.link_image(path, &file.file)?;
            shared.insert(file.file.clone(), file.digest);
        }
        Ok(())
    }

    /// What an overlay is made from besides its tree, for a root disk of `disk_size` bytes.
    pub fn overlay_options(&self, disk_size: Option<u64>) -> Option<(&Base, OverlayOptions<'_>)> {
        let base = self.base.as_ref()?;
        let options = OverlayOptions {
            backing_name: &base.file.file,
            disk_size: disk_size.unwrap_or(0).max(base.image.virtual_size()),
            epoch: base.epoch,
        };
        Some((&base.image, options))
    }

    /// Writes a node's overlay; `None` when this build writes none.
    pub fn overlay(
        &self,
        publication: &Publication,
        node: &str,
        disk_size: Option<u64>,
        tree: &Tree,
        secrets: &dyn SecretSource,
    ) -> Result<Option<ImageRecord>, BuildError> {
        let Some((base, options)) = self.overlay_options(disk_size) else { return Ok(None) };
        let overlay = write_overlay(base, &options, tree, secrets)?;
        let mut image = publication.new_image()?;
        let mut out = Hashed { file: image.file(), hash: Sha256::new() };
        overlay.write_to(&mut out).map_err(BuildError::Write)?;
        let digest = Digest::from_sha256(&out.hash.finalize().into());
        let file = format!("{node}-{}.qcow2", digest.hex());
        image.keep(&file)?;
        Ok(Some(ImageRecord { file, digest, size: overlay.size() }))
    }
}

impl OpenBase {
    fn open(request: &Request<'_>, prepared: &Prepared, locked: &LockedBase) -> Result<Self, BuildError> {
        let format = locked.format;
        let disk_format = match format {
            ImageFormat::Raw => DiskFormat::Raw,
            ImageFormat::Qcow2 => DiskFormat::Qcow2,
        };
        let (source, file) = cached(request, "base", &locked.digest, &format!(".{format}"), disk_format)?;
        let image = Base::open(Box::new(source), format)?;
        let path = request.cache.path(&locked.digest);
        let kernel = match (&locked.kernel, &locked.initrd) {
            (Some(kernel), Some(initrd)) if request.cache.has(kernel) && request.cache.has(initrd) => {
                let (_, kernel_file) = cached(request, "kernel", kernel, "", DiskFormat::Raw)?;
                let (_, initrd_file) = cached(request, "initrd", initrd, "", DiskFormat::Raw)?;
                Some([(request.cache.path(kernel), kernel_file), (request.cache.path(initrd), initrd_file)])
            }
            _ => None,
        };
        let epoch = prepared.cluster.spec.pki.epoch.unix_seconds();
        Ok(Self { image, path, locked: locked.clone(), file, kernel, epoch })
    }
}

/// Hashes what it writes, so that no file is read again for its digest.
struct Hashed<'a> {
    file: &'a mut fs::File,
    hash: Sha256,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
