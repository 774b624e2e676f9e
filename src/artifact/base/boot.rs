//! GRUB on a base image: its configuration texts, and how its core is found by the BIOS without `grub-install`, which
//! would need a loop device.

use super::SECTOR;

/// Why GRUB's images cannot be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    #[error("GRUB's {0} is not of the expected size or shape; is the grub-pc-bin package of the image damaged?")]
    Shape(&'static str),
    #[error("GRUB's core image has {size} bytes and does not fit into the BIOS boot partition of {room}")]
    TooBig { size: usize, room: u64 },
}

/// What the kernel is told, by GRUB or by libvirt.
pub fn kernel_command_line(root: &str, amd64: bool) -> String {
    // On a busy host an emulated timer is late, and Linux would stop: "IO-APIC + timer doesn't work". With KVM it does not look.
    let timer = if amd64 { " no_timer_check" } else { "" };
    format!("root={root} ro console=tty0 console=ttyS0,115200{timer}")
}

/// `/boot/grub/grub.cfg`: boots the only kernel at once, on both consoles.
pub fn grub_config(kernel_release: &str, root_file_system: &str, root_partition: &str) -> String {
    // Debian's kernels end in their architecture.
    let command_line = kernel_command_line(&format!("PARTUUID={root_partition}"), kernel_release.ends_with("-amd64"));
    format!(
        "# Written by `kubi base build`.\n\
         set timeout=0\n\
         serial --unit=0 --speed=115200\n\
         terminal_input console serial\n\
         terminal_output console serial\n\
         search --no-floppy --fs-uuid --set=root {root_file_system}\n\
         menuentry 'Debian GNU/Linux' {{\n\
         \x20 linux /boot/vmlinuz-{kernel_release} {command_line}\n\
         \x20 initrd /boot/initrd.img-{kernel_release}\n\
         }}\n"
    )
}

/// The configuration inside GRUB's core: finds the file system that has the real one.
pub fn grub_prefix_config(root_file_system: &str) -> String {
    format!("search.fs_uuid {root_file_system} root\nset prefix=($root)/boot/grub\n")
}

/// Offset in `boot.img` of the disk address of the core's first sector (`kernel_sector`, 64 bit).
const KERNEL_SECTOR: usize = 0x5c;
/// Offset of the drive that `boot.img` reads from; 0xff is the one that it was started from.
const BOOT_DRIVE: usize = 0x64;
/// Offset of a jump that only floppies need; two no-operations on a hard disk.
const DRIVE_CHECK: usize = 0x66;
/// Where the disk signature and the partition table begin: not GRUB's to change.
const SIGNATURE: usize = 0x1b8;
/// Offset in the core's first sector of its last block list entry: start (64 bit), length in sectors (16), segment (16).
const BLOCK_LIST: usize = 0x1f4;

/// The master boot record: GRUB's boot code in front of the record's own disk signature and partition table.
pub fn install_boot_sector(boot_image: &[u8], record: &[u8], core_sector: u64) -> Result<Vec<u8>, BootError> {
    let size = SECTOR as usize;
    if boot_image.len() != size || record.len() != size || boot_image[size - 2..] != [0x55, 0xaa] {
        return Err(BootError::Shape("boot.img"));
    }
    let mut sector = boot_image.to_vec();
    sector[SIGNATURE..].copy_from_slice(&record[SIGNATURE..]);
    sector[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&core_sector.to_le_bytes());
    sector[BOOT_DRIVE] = 0xff;
    sector[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
    Ok(sector)
}

/// Makes the core, which will lie at `core_sector` in one piece, load the rest of itself.
pub fn embed_core(core: &mut [u8], core_sector: u64, room: u64) -> Result<(), BootError> {
    if core.len() as u64 > room {
        return Err(BootError::TooBig { size: core.len(), room });
    }
    let sectors = (core.len() as u64).div_ceil(SECTOR);
    let rest = u16::try_from(sectors.saturating_sub(1)).ok().filter(|rest| *rest > 0);
    let (Some(rest), true) = (rest, core.len() > SECTOR as usize) else {
        return Err(BootError::Shape("core image"));
    };
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(core_sector + 1).to_le_bytes());
    core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&rest.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kernels_that_have_the_timer_are_told_about_it() {
        let amd64 = grub_config("6.12.48+deb13-amd64", "f", "p");
        assert!(amd64.contains("deb13-amd64 root=PARTUUID=p ro console=tty0 console=ttyS0,115200 no_timer_check\n"));
        assert!(!grub_config("6.12.48+deb13-arm64", "f", "p").contains("no_timer_check"));
    }

    #[test]
    fn boot_sector_keeps_the_partition_table() {
        let mut boot = vec![1; 512];
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let mut record = vec![7; 512];
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        let sector = install_boot_sector(&boot, &record, 2048).unwrap();
        assert_eq!(sector[0x1b8..], record[0x1b8..]);
        assert_eq!(sector[0x5c..0x64], 2048u64.to_le_bytes());
        assert_eq!((sector[0], sector[0x64], &sector[0x66..0x68]), (1, 0xff, &[0x90, 0x90][..]));
        assert!(install_boot_sector(&boot[..511], &record, 1).is_err());
        assert!(install_boot_sector(&record[1..], &record, 1).is_err());
    }

    #[test]
    fn core_loads_the_rest_of_itself() {
        let mut core = vec![0; 512 * 3 + 1];
        embed_core(&mut core, 2048, 1 << 20).unwrap();
        assert_eq!(core[0x1f4..0x1fc], 2049u64.to_le_bytes());
        assert_eq!(core[0x1fc..0x1fe], 3u16.to_le_bytes());
        assert!(embed_core(&mut core, 2048, 1024).is_err() && embed_core(&mut [0; 512], 1, 1024).is_err());
    }
}
