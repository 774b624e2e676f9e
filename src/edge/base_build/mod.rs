//! `kubi base build`: a bootable Debian disk from packages alone, made without root where user namespaces allow it, and
//! without a loop device, a mount or a virtual machine.

mod disk;
mod populate;
mod rootfs;
mod sources;

use crate::artifact::ImageFormat;
use crate::artifact::base::{BootError, Identifiers, Layout, Suite};
use crate::edge::process::{ProcessError, Program};
use crate::edge::scratch::Scratch;
use crate::spec::model::Architecture;
use std::path::{Path, PathBuf};

const QEMU_IMG: Program = Program { name: "qemu-img", package: "qemu-utils" };
const MMDEBSTRAP: Program = Program { name: "mmdebstrap", package: "mmdebstrap" };

/// What to build.
#[derive(Clone, Debug)]
pub struct BaseRequest {
    /// Names the image in a lock; identifiers on the disk are derived from it.
    pub name: String,
    pub suite: Suite,
    pub architecture: Architecture,
    /// Debian packages besides those that every base image has.
    pub packages: Vec<String>,
    /// Mirrors as URLs or whole `deb` lines; the host's own when empty.
    pub mirrors: Vec<String>,
    /// Options for the apt that installs the packages, as in apt.conf.
    pub apt_options: Vec<String>,
    pub format: ImageFormat,
    /// Bytes, whole MiB.
    pub disk_size: u64,
}

/// What was built: the image, and copies of the kernel and the initrd inside it, for direct kernel boot.
#[derive(Clone, Debug)]
pub struct BuiltBase {
    pub image: PathBuf,
    pub kernel: PathBuf,
    pub initrd: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("{path}: {error}")]
    File { path: PathBuf, error: std::io::Error },
    #[error("the root file system's archive: {path} {error}")]
    Archive { path: String, error: std::io::Error },
    #[error("the root file system could not be written: {0}")]
    FileSystem(#[from] fstool::Error),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error("the packages brought no {0}")]
    Incomplete(&'static str),
    #[error("{0}")]
    Size(String),
    #[error(
        "an {image} image cannot be made on this {host} machine: its packages run programs of their own\n  help: apt-get install qemu-user-static binfmt-support, or build it on an {image} machine"
    )]
    Architecture { image: &'static str, host: String },
    #[error(
        "this user can make no root file system: user namespaces are not available\n  help: run it as root, or allow them (kernel.unprivileged_userns_clone=1, and subordinate ids in /etc/subuid and /etc/subgid)"
    )]
    NoUserNamespaces,
}

impl BaseError {
    fn archive(path: &[u8], error: std::io::Error) -> Self {
        Self::Archive { path: format!("/{}", String::from_utf8_lossy(path)), error }
    }
}

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> BaseError + '_ {
    |error| BaseError::File { path: path.to_owned(), error }
}

/// Builds the image in `directory`, which must exist; nothing is left there on failure. `progress` hears of each step.
///
/// # Errors
/// A missing program (with its package), a failed one (with what it said), no room, no user namespaces.
pub fn build(request: &BaseRequest, directory: &Path, progress: &dyn Fn(&str)) -> Result<BuiltBase, BaseError> {
    for program in
        [MMDEBSTRAP, QEMU_IMG, disk::SFDISK, disk::MKE2FS, disk::E2FSCK, disk::MKFS_FAT, disk::MMD, disk::MCOPY]
    {
        program.find()?;
    }
    check_host(request.architecture)?;
    let layout = Layout::new(request.architecture, request.disk_size).map_err(BaseError::Size)?;
    let identifiers = Identifiers::derive(&request.name, request.architecture);
    let scratch = Scratch::new_in(directory, ".kubi-base-").map_err(file_error(directory))?;
    // mmdebstrap in a user namespace must be able to reach it.
    let (archive, raw) = (scratch.path().join("root.tar"), scratch.path().join("disk.raw"));
    progress("installing packages (mmdebstrap)");
    rootfs::make(request, &identifiers, &archive)?;
    progress("writing the disk");
    let contents = disk::assemble(&archive, &layout, &identifiers, request.architecture, &raw, scratch.path())?;
    std::fs::remove_file(&archive).map_err(file_error(&archive))?;
    progress("packing the image");
    let stem = format!("{}-{}", request.name, request.architecture.name());
    let image = directory.join(format!("{stem}.{}", request.format.name()));
    let packed = pack(&raw, request.format, scratch.path())?;
    let (kernel, initrd) = (directory.join(format!("{stem}.vmlinuz")), directory.join(format!("{stem}.initrd")));
    for (path, bytes) in [(&kernel, &contents.kernel), (&initrd, &contents.initrd)] {
        std::fs::write(path, bytes).map_err(file_error(path))?;
    }
    // Last, so that an image that can be seen is complete.
    std::fs::rename(&packed, &image).map_err(file_error(&image))?;
    Ok(BuiltBase { image, kernel, initrd })
}

fn pack(raw: &Path, format: ImageFormat, scratch: &Path) -> Result<PathBuf, BaseError> {
    if format == ImageFormat::Raw {
        return Ok(raw.to_owned());
    }
    let packed = scratch.join("disk.qcow2");
    let (source, target) = (raw.display().to_string(), packed.display().to_string());
    let options = ["convert", "-c", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd", &source, &target];
    QEMU_IMG.run(options, &[], b"")?;
    Ok(packed)
}

/// Whether this machine can run the image's programs and this user can make a root file system.
fn check_host(architecture: Architecture) -> Result<(), BaseError> {
    let (image, machine) = match architecture {
        Architecture::Amd64 => ("amd64", "x86_64"),
        Architecture::Arm64 => ("arm64", "aarch64"),
    };
    let host = std::env::consts::ARCH;
    let emulated = Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{machine}")).exists();
    if host != machine && !emulated {
        return Err(BaseError::Architecture { image, host: host.to_owned() });
    }
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    // Without root, mmdebstrap maps a range of users by this program.
    Program { name: "newuidmap", package: "uidmap" }.find()?;
    let unshare = Program { name: "unshare", package: "util-linux" };
    unshare.run(["--user", "--map-root-user", "true"], &[], b"").map_err(|_| BaseError::NoUserNamespaces)?;
    Ok(())
}
