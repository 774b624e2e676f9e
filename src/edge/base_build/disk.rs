//! Puts the disk together in one raw file: partition table, file systems, boot loader. No loop device, no mount.

use super::populate::{Contents, populate};
use super::{BaseError, file_error};
use crate::artifact::base::{EPOCH, Extent, Identifiers, Layout, SECTOR, embed_core, install_boot_sector};
use crate::edge::process::Program;
use crate::spec::model::Architecture;
use fstool::block::{FileBackend, SlicedBackend};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

pub(super) const SFDISK: Program = Program { name: "sfdisk", package: "fdisk" };
pub(super) const MKE2FS: Program = Program { name: "mke2fs", package: "e2fsprogs" };
pub(super) const E2FSCK: Program = Program { name: "e2fsck", package: "e2fsprogs" };
pub(super) const MKFS_FAT: Program = Program { name: "mkfs.fat", package: "dosfstools" };
pub(super) const MMD: Program = Program { name: "mmd", package: "mtools" };
pub(super) const MCOPY: Program = Program { name: "mcopy", package: "mtools" };

/// The same features whatever the host's e2fsprogs has as its defaults.
const EXT4_FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,\
                             large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

/// Makes the disk of `layout` at `disk` from the root's archive.
pub(super) fn assemble(
    archive: &Path,
    layout: &Layout,
    identifiers: &Identifiers,
    architecture: Architecture,
    disk: &Path,
    scratch: &Path,
) -> Result<Contents, BaseError> {
    File::create(disk).and_then(|file| file.set_len(layout.disk_size)).map_err(file_error(disk))?;
    let name = disk.display().to_string();
    SFDISK.run(["--quiet", name.as_str()], &[], layout.sfdisk_script(identifiers).as_bytes())?;
    make_root(layout.root, identifiers, &name)?;
    let contents = {
        let mut file = FileBackend::open(disk)?;
        let mut partition = SlicedBackend::new(&mut file, layout.root.start, layout.root.size)?;
        populate(archive, identifiers, &mut partition)?
    };
    E2FSCK.run(["-fn".to_owned(), format!("{name}?offset={}", layout.root.start)], &[], b"")?;
    let esp = make_esp(layout.esp, identifiers, architecture, &contents.efi_image, scratch)?;
    let file = OpenOptions::new().read(true).write(true).open(disk).map_err(file_error(disk))?;
    write_at(&file, &esp, layout.esp.start, disk)?;
    if let Some(bios_boot) = layout.bios_boot {
        install_bios(&file, bios_boot, &contents, disk)?;
    }
    file.sync_all().map_err(file_error(disk))?;
    Ok(contents)
}

fn make_root(root: Extent, identifiers: &Identifiers, disk: &str) -> Result<(), BaseError> {
    let extended =
        format!("offset={},hash_seed={},lazy_itable_init=0,lazy_journal_init=0", root.start, identifiers.hash_seed);
    let blocks = format!("{}k", root.size / 1024);
    let arguments = ["-q", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "1", "-O", EXT4_FEATURES, "-L", "root"];
    let rest = ["-U", &identifiers.root_file_system, "-E", &extended, disk, &blocks];
    // The two names under which versions of e2fsprogs take the time from outside.
    let time = [("E2FSPROGS_FAKE_TIME", EPOCH.to_string()), ("SOURCE_DATE_EPOCH", EPOCH.to_string())];
    MKE2FS.run(arguments.into_iter().chain(rest), &time, b"")?;
    Ok(())
}

/// The EFI system partition's bytes: GRUB where firmware looks for removable media.
fn make_esp(
    esp: Extent,
    identifiers: &Identifiers,
    architecture: Architecture,
    grub: &[u8],
    scratch: &Path,
) -> Result<Vec<u8>, BaseError> {
    if grub.is_empty() {
        return Err(BaseError::Incomplete("GRUB for UEFI"));
    }
    let (image, program) = (scratch.join("esp"), scratch.join("grub.efi"));
    std::fs::write(&program, grub).map_err(file_error(&program))?;
    File::create(&image).and_then(|file| file.set_len(esp.size)).map_err(file_error(&image))?;
    let (name, program) = (image.display().to_string(), program.display().to_string());
    let time = [("SOURCE_DATE_EPOCH", EPOCH.to_string()), ("TZ", "UTC".to_owned())];
    let volume = identifiers.esp_volume.as_str();
    MKFS_FAT.run(["--invariant", "-F", "32", "-n", "EFI", "-i", volume, &name], &time, b"")?;
    MMD.run(["-i", &name, "::/EFI", "::/EFI/BOOT"], &time, b"")?;
    let target = match architecture {
        Architecture::Amd64 => "::/EFI/BOOT/BOOTX64.EFI",
        Architecture::Arm64 => "::/EFI/BOOT/BOOTAA64.EFI",
    };
    MCOPY.run(["-i", &name, &program, target], &time, b"")?;
    std::fs::read(&image).map_err(file_error(&image))
}

fn install_bios(file: &File, bios_boot: Extent, contents: &Contents, disk: &Path) -> Result<(), BaseError> {
    let mut record = vec![0; SECTOR as usize];
    file.read_exact_at(&mut record, 0).map_err(file_error(disk))?;
    let sector = bios_boot.start / SECTOR;
    let record = install_boot_sector(&contents.boot_image, &record, sector)?;
    let mut core = contents.core_image.clone();
    embed_core(&mut core, sector, bios_boot.size)?;
    write_at(file, &core, bios_boot.start, disk)?;
    write_at(file, &record, 0, disk)
}

fn write_at(file: &File, bytes: &[u8], offset: u64, disk: &Path) -> Result<(), BaseError> {
    // Blocks of nothing stay holes.
    const BLOCK: usize = 4096;
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, offset + (index * BLOCK) as u64).map_err(file_error(disk))?;
        }
    }
    Ok(())
}
