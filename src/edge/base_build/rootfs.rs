//! The root file system as one tar archive, made by mmdebstrap.

use super::{BaseError, BaseRequest, sources};
use crate::artifact::base::{EPOCH, Identifiers, base_packages, grub_prefix_config};
use crate::edge::process::Program;
use crate::spec::model::Architecture;
use std::path::Path;

const MMDEBSTRAP: Program = Program { name: "mmdebstrap", package: "mmdebstrap" };

/// GRUB modules of both cores.
const GRUB_MODULES: &str = "part_gpt ext2 fat normal linux search search_fs_uuid serial terminal configfile echo test \
                            gzio ls cat halt reboot minicmd";

/// Where GRUB's ready images lie in the archive. They go to the boot partitions, not into the file system.
pub(super) const CORE_IMAGE: &str = "boot/grub/kubi-core.img";
pub(super) const EFI_IMAGE: &str = "boot/grub/kubi.efi";
pub(super) const BOOT_IMAGE: &str = "usr/lib/grub/i386-pc/boot.img";

/// Writes the archive to `target`.
pub(super) fn make(request: &BaseRequest, identifiers: &Identifiers, target: &Path) -> Result<(), BaseError> {
    let arch = request.architecture.name();
    let packages = base_packages(request.architecture, &request.packages).join(",");
    let mut arguments: Vec<String> = [
        "--variant=minbase",
        "--format=tar",
        "--quiet",
        // No suggestions of suggestions, no texts for people: nodes are not administered by hand.
        "--aptopt=Apt::Install-Recommends \"false\"",
        "--aptopt=Acquire::Languages \"none\"",
        "--aptopt=Acquire::Retries \"3\"",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/info/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--architectures={arch}"));
    arguments.push(format!("--include={packages}"));
    let apt_options = sources::proxies().into_iter().chain(request.apt_options.iter().cloned());
    arguments.extend(apt_options.map(|option| format!("--aptopt={option}")));
    arguments
        .extend(hooks(request.architecture, identifiers).into_iter().map(|hook| format!("--customize-hook={hook}")));
    arguments.push(request.suite.codename().to_owned());
    arguments.push(target.display().to_string());
    arguments.extend(sources::sources(request.suite, &request.mirrors)?);
    let variables = [("SOURCE_DATE_EPOCH", EPOCH.to_string()), ("DEBIAN_FRONTEND", "noninteractive".to_owned())];
    MMDEBSTRAP.run(&arguments, &variables, b"")?;
    Ok(())
}

/// Shell lines that mmdebstrap runs with the new root as `$1`. Everything below `$1` is made by the new system's own
/// programs, so that the host's versions do not matter.
fn hooks(architecture: Architecture, identifiers: &Identifiers) -> Vec<String> {
    let prefix = grub_prefix_config(&identifiers.root_file_system).replace('\n', "\\n");
    let efi = match architecture {
        Architecture::Amd64 => "x86_64-efi",
        Architecture::Arm64 => "arm64-efi",
    };
    let image = |format: &str, target: &str, modules: &str| {
        format!(
            "chroot \"$1\" grub-mkimage -O {format} -o /{target} -p /boot/grub -c /tmp/kubi.cfg {GRUB_MODULES} {modules}"
        )
    };
    let mut hooks = vec![
        "chroot \"$1\" systemctl enable systemd-networkd.service systemd-resolved.service".to_owned(),
        format!("mkdir -p \"$1/boot/grub\" && printf '{prefix}' > \"$1/tmp/kubi.cfg\""),
        image(efi, EFI_IMAGE, "all_video"),
    ];
    if architecture == Architecture::Amd64 {
        hooks.push(image("i386-pc", CORE_IMAGE, "biosdisk"));
    }
    hooks.push("rm -f \"$1/tmp/kubi.cfg\" \"$1/vmlinuz.old\" \"$1/initrd.img.old\"".to_owned());
    hooks
}
