//! Pins a base image: reads what is in it, and puts it, its kernel and its initrd into the cache.

use super::cache::Cache;
use crate::artifact::{LockedBase, RootDevice};
use crate::image::{Base, ImageError, ImageFormat, installed_packages, kernel_and_initrd, read_file};
use crate::spec::model::Architecture;
use crate::tree::Digest;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Image { path: PathBuf, error: ImageError },
    #[error("{0}: the image does not say which architecture it is for\n  help: name it with --arch")]
    NoArchitecture(String),
    #[error("{path}: the image is for {found}, not for {wanted}")]
    Architecture { path: String, found: &'static str, wanted: &'static str },
    #[error("{0}: its root file system has no identifier that a kernel could find it by")]
    NoRoot(String),
}

/// Reads the image at `path`, copies it into the cache and describes it for the lock.
///
/// # Errors
/// No image, no ext4 root, not the wanted architecture, or no room in the cache.
pub fn pin(path: &Path, name: &str, wanted: Option<Architecture>, cache: &Cache) -> Result<LockedBase, PinError> {
    let shown = path.display().to_string();
    let file_error = |error| PinError::File { path: path.to_owned(), error };
    let image_error = |error| PinError::Image { path: path.to_owned(), error };
    let open = || File::open(path).map_err(file_error);
    let format = ImageFormat::detect(&open()?).map_err(image_error)?;
    let base = Base::open(Box::new(open()?), format).map_err(image_error)?;
    let architecture = match (architecture(&base).map_err(image_error)?, wanted) {
        (Some(found), Some(wanted)) if found != wanted => {
            return Err(PinError::Architecture { path: shown, found: found.name(), wanted: wanted.name() });
        }
        (found, wanted) => found.or(wanted).ok_or_else(|| PinError::NoArchitecture(shown.clone()))?,
    };
    let root = root_device(&base).ok_or(PinError::NoRoot(shown))?;
    let packages = installed_packages(&base).map_err(image_error)?;
    let files = kernel_and_initrd(&base).map_err(image_error)?;
    let (mut kernel, mut initrd) = (None, None);
    if let Some(files) = files {
        kernel = Some(add_bytes(cache, &files.kernel)?);
        initrd = files.initrd.map(|initrd| add_bytes(cache, &initrd)).transpose()?;
    }
    let digest = cache.add(path).map_err(file_error)?;
    let (name, virtual_size) = (name.to_owned(), base.virtual_size());
    Ok(LockedBase { name, digest, format, architecture, virtual_size, root, kernel, initrd, packages })
}

fn root_device(base: &Base) -> Option<RootDevice> {
    let by_partition = base.root_partition().part_uuid.as_ref().map(|uuid| format!("PARTUUID={uuid}"));
    RootDevice::try_from(by_partition.unwrap_or_else(|| format!("UUID={}", base.root_uuid()))).ok()
}

/// What Debian's package manager was built for.
fn architecture(base: &Base) -> Result<Option<Architecture>, ImageError> {
    let Some(status) = read_file(base, "/var/lib/dpkg/status")? else { return Ok(None) };
    let status = String::from_utf8_lossy(&status);
    let dpkg = status.split("\n\n").find(|paragraph| paragraph.lines().any(|line| line == "Package: dpkg"));
    let name = dpkg.and_then(|paragraph| paragraph.lines().find_map(|line| line.strip_prefix("Architecture: ")));
    Ok([Architecture::Amd64, Architecture::Arm64].into_iter().find(|architecture| name == Some(architecture.name())))
}

fn add_bytes(cache: &Cache, bytes: &[u8]) -> Result<Digest, PinError> {
    let file_error = |error| PinError::File { path: cache.root().to_owned(), error };
    std::fs::create_dir_all(cache.root()).map_err(file_error)?;
    let mut file = tempfile::NamedTempFile::new_in(cache.root()).map_err(file_error)?;
    file.write_all(bytes).map_err(file_error)?;
    cache.add(file.path()).map_err(file_error)
}
