//! The disk of a base image, laid out as Debian's own cloud images: GPT, BIOS boot partition 14, EFI system partition 15,
//! and the ext4 root as partition 1 although it lies last on disk, so that it can grow.

use crate::spec::model::Architecture;
use crate::tree::Digest;

/// Bytes.
pub const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;

/// A run of bytes on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub start: u64,
    pub size: u64,
}

/// Where the partitions are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub disk_size: u64,
    /// Where BIOS finds GRUB's core; not on arm64.
    pub bios_boot: Option<Extent>,
    pub esp: Extent,
    pub root: Extent,
    architecture: Architecture,
}

/// Identifiers that would be random, derived from the image's name instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifiers {
    pub disk: String,
    pub bios_boot: String,
    pub esp: String,
    pub root_partition: String,
    pub root_file_system: String,
    /// Of the ext4 directory hash.
    pub hash_seed: String,
    /// FAT volume id: eight hex digits.
    pub esp_volume: String,
}

impl Identifiers {
    /// The identifiers of the image called `name`.
    pub fn derive(name: &str, architecture: Architecture) -> Self {
        let uuid = |purpose: &str| derived_uuid(&format!("{name}/{}/{purpose}", architecture.name()));
        let esp_volume = uuid("esp volume")[..8].to_uppercase();
        Self {
            disk: uuid("disk"),
            bios_boot: uuid("bios boot"),
            esp: uuid("esp"),
            root_partition: uuid("root partition"),
            root_file_system: uuid("root file system"),
            hash_seed: uuid("hash seed"),
            esp_volume,
        }
    }
}

/// A UUID of version 8 (RFC 9562: custom) from the SHA-256 of `kubi base image/` and `text`.
fn derived_uuid(text: &str) -> String {
    let digest = Digest::of(format!("kubi base image/{text}").as_bytes());
    let hex = digest.hex();
    let variant = match hex.as_bytes()[16] {
        b'0' | b'4' | b'8' | b'c' => '8',
        b'1' | b'5' | b'9' | b'd' => '9',
        b'2' | b'6' | b'a' | b'e' => 'a',
        _ => 'b',
    };
    format!("{}-{}-8{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

impl Layout {
    /// The layout of a disk of `disk_size` bytes, a whole number of MiB.
    ///
    /// # Errors
    /// When the disk is too small to hold a system.
    pub fn new(architecture: Architecture, disk_size: u64) -> Result<Self, String> {
        if disk_size < 1024 * MIB || !disk_size.is_multiple_of(MIB) {
            return Err(format!("a base image of {disk_size} bytes is impossible: at least 1GiB, in whole MiB"));
        }
        let root_start = 128 * MIB;
        Ok(Self {
            disk_size,
            bios_boot: (architecture == Architecture::Amd64).then_some(Extent { start: MIB, size: 3 * MIB }),
            esp: Extent { start: 4 * MIB, size: 124 * MIB },
            // The last MiB holds the second partition table.
            root: Extent { start: root_start, size: disk_size - root_start - MIB },
            architecture,
        })
    }

    /// What `sfdisk` reads to make the partition table.
    pub fn sfdisk_script(&self, identifiers: &Identifiers) -> String {
        // Partition types of the Discoverable Partitions Specification and the UEFI specification.
        let root_type = match self.architecture {
            Architecture::Amd64 => "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
            Architecture::Arm64 => "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
        };
        let mut script = format!("label: gpt\nlabel-id: {}\nunit: sectors\nfirst-lba: 2048\n", identifiers.disk);
        let mut partition = |number: u32, extent: Extent, kind: &str, uuid: &str| {
            let (start, size) = (extent.start / SECTOR, extent.size / SECTOR);
            script.push_str(&format!("{number} : start={start}, size={size}, type={kind}, uuid={uuid}\n"));
        };
        if let Some(bios_boot) = self.bios_boot {
            partition(14, bios_boot, "21686148-6449-6E6F-744E-656564454649", &identifiers.bios_boot);
        }
        partition(15, self.esp, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", &identifiers.esp);
        partition(1, self.root, root_type, &identifiers.root_partition);
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_do_not_overlap_and_leave_room_for_both_tables() {
        for architecture in [Architecture::Amd64, Architecture::Arm64] {
            let layout = Layout::new(architecture, 2 << 30).unwrap();
            let mut end = MIB;
            for extent in layout.bios_boot.into_iter().chain([layout.esp, layout.root]) {
                assert!(extent.start >= end && extent.start % MIB == 0, "{layout:?}");
                end = extent.start + extent.size;
            }
            assert_eq!(end, layout.disk_size - MIB);
        }
        assert!(Layout::new(Architecture::Amd64, 100 * MIB).is_err());
        assert!(Layout::new(Architecture::Amd64, (2 << 30) + 1).is_err());
    }

    #[test]
    fn identifiers_follow_from_the_name_alone() {
        let ours = Identifiers::derive("debian-13", Architecture::Amd64);
        assert_eq!(ours, Identifiers::derive("debian-13", Architecture::Amd64));
        assert_ne!(ours.disk, Identifiers::derive("debian-12", Architecture::Amd64).disk);
        assert_ne!(ours.disk, Identifiers::derive("debian-13", Architecture::Arm64).disk);
        for uuid in [&ours.disk, &ours.root_partition, &ours.hash_seed] {
            let shape: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(shape, [8, 4, 4, 4, 12], "{uuid}");
            assert!(&uuid[14..15] == "8" && "89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }
}
