//! The superblock: geometry, features and free counts; refuses what the editor could not keep consistent.

use super::super::ImageError;
use super::super::bytes::{le16, le32, put_le32};
use super::checksum::crc32c;

pub(super) const SIZE: usize = 1024;
/// Group descriptors are held in memory: this many cover 16 TiB of 4 KiB blocks.
const MAX_GROUPS: u64 = 1 << 17;

const COMPAT_JOURNAL: u32 = 0x4;
const COMPAT_SPARSE_SUPER2: u32 = 0x200;
const INCOMPAT_FILETYPE: u32 = 0x2;
const INCOMPAT_EXTENTS: u32 = 0x40;
const INCOMPAT_64BIT: u32 = 0x80;
const INCOMPAT_FLEX_BG: u32 = 0x200;
const INCOMPAT_CSUM_SEED: u32 = 0x2000;
const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
const RO_COMPAT_GDT_CSUM: u32 = 0x10;
const RO_COMPAT_DIR_NLINK: u32 = 0x20;
const RO_COMPAT_METADATA_CSUM: u32 = 0x400;
/// sparse_super, large_file, btree_dir, huge_file, uninit_bg, dir_nlink, extra_isize, metadata_csum
const RO_COMPAT_KNOWN: u32 = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x400;
const INCOMPAT_KNOWN: u32 =
    INCOMPAT_FILETYPE | INCOMPAT_EXTENTS | INCOMPAT_64BIT | INCOMPAT_FLEX_BG | INCOMPAT_CSUM_SEED;
const INCOMPAT_RECOVER: u32 = 0x4;
const RO_COMPAT_ORPHAN_PRESENT: u32 = 0x1_0000;

const INCOMPAT_NAMES: [(u32, &str); 11] = [
    (0x1, "compression"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x100, "mmp"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x1_0000, "encrypt"),
    (0x2_0000, "casefold"),
    (INCOMPAT_RECOVER, "needs_recovery"),
];
const RO_COMPAT_NAMES: [(u32, &str); 8] = [
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (RO_COMPAT_ORPHAN_PRESENT, "orphan_present"),
];

/// A checked superblock.
#[derive(Clone, Debug)]
pub(in super::super) struct Superblock {
    raw: Vec<u8>,
    pub block_size: usize,
    pub blocks: u64,
    pub first_data_block: u64,
    pub blocks_per_group: u32,
    pub inodes: u32,
    pub inodes_per_group: u32,
    pub inode_size: usize,
    pub descriptor_size: usize,
    pub groups: u32,
    compat: u32,
    ro_compat: u32,
    /// Start of every metadata checksum.
    pub seed: u32,
}

impl Superblock {
    /// Parses the 1024 bytes at offset 1024 of a volume of `volume_size` bytes.
    pub(super) fn parse(raw: &[u8], volume_size: u64) -> Result<Self, ImageError> {
        let (compat, incompat, ro_compat) = (le32(raw, 0x5c), le32(raw, 0x60), le32(raw, 0x64));
        if raw.len() != SIZE || le16(raw, 0x38) != 0xef53 {
            return Err(ImageError::damaged("its root has no ext4 superblock"));
        }
        if ro_compat & RO_COMPAT_METADATA_CSUM != 0 && crc32c(!0, &raw[..0x3fc]) != le32(raw, 0x3fc) {
            return Err(ImageError::damaged("the checksum of the ext4 superblock is wrong"));
        }
        check_features(compat, incompat, ro_compat)?;
        check_clean(raw, incompat, ro_compat)?;
        let log = le32(raw, 0x18);
        if log > 5 {
            return Err(ImageError::unsupported(format!("ext4 blocks of 2^{} bytes", u64::from(log) + 10)));
        }
        let wide = incompat & INCOMPAT_64BIT != 0;
        let seed = if incompat & INCOMPAT_CSUM_SEED != 0 { le32(raw, 0x270) } else { crc32c(!0, &raw[0x68..0x78]) };
        let mut parsed = Self {
            block_size: 1024 << log,
            blocks: u64::from(le32(raw, 4)) | if wide { u64::from(le32(raw, 0x150)) << 32 } else { 0 },
            first_data_block: u64::from(le32(raw, 0x14)),
            blocks_per_group: le32(raw, 0x20),
            inodes: le32(raw, 0),
            inodes_per_group: le32(raw, 0x28),
            inode_size: usize::from(le16(raw, 0x58)),
            descriptor_size: if wide { usize::from(le16(raw, 0xfe)) } else { 32 },
            groups: 0,
            compat,
            ro_compat,
            seed,
            raw: raw.to_vec(),
        };
        parsed.groups = parsed.check_geometry(volume_size)?;
        Ok(parsed)
    }

    /// Checks all sizes against each other and gives the number of groups.
    fn check_geometry(&self, volume_size: u64) -> Result<u32, ImageError> {
        let bits = self.block_size as u32 * 8;
        let odd = |what: &str| Err(ImageError::damaged(format!("the ext4 superblock's {what} is impossible")));
        if self.first_data_block != u64::from(self.block_size == 1024) {
            return odd("first data block");
        }
        if self.blocks_per_group == 0 || self.blocks_per_group > bits || !self.blocks_per_group.is_multiple_of(8) {
            return odd("number of blocks per group");
        }
        if self.inodes_per_group == 0 || self.inodes_per_group > bits || !self.inodes_per_group.is_multiple_of(8) {
            return odd("number of inodes per group");
        }
        if !self.inode_size.is_power_of_two() || !(128..=self.block_size).contains(&self.inode_size) {
            return odd("inode size");
        }
        if !self.descriptor_size.is_power_of_two() || !(32..=1024).contains(&self.descriptor_size) {
            return odd("group descriptor size");
        }
        let bytes = self.blocks.checked_mul(self.block_size as u64);
        if bytes.is_none_or(|bytes| bytes > volume_size) {
            return Err(ImageError::damaged(format!(
                "its ext4 has {} blocks of {} bytes, and the partition only {volume_size} bytes: it was cut off",
                self.blocks, self.block_size
            )));
        }
        let groups = self.blocks.saturating_sub(self.first_data_block).div_ceil(u64::from(self.blocks_per_group));
        if groups == 0 || groups * u64::from(self.inodes_per_group) != u64::from(self.inodes) {
            return odd("number of inodes");
        }
        if groups > MAX_GROUPS {
            return Err(ImageError::unsupported("its ext4 is larger than 16 TiB"));
        }
        Ok(groups as u32)
    }

    pub(super) fn metadata_checksums(&self) -> bool {
        self.ro_compat & RO_COMPAT_METADATA_CSUM != 0
    }

    /// Group descriptors with CRC-16, of volumes without metadata checksums.
    pub(super) fn old_group_checksums(&self) -> bool {
        self.ro_compat & RO_COMPAT_GDT_CSUM != 0 && !self.metadata_checksums()
    }

    /// Whether the "not initialised" flags of groups mean anything.
    pub(super) fn group_flags(&self) -> bool {
        self.ro_compat & (RO_COMPAT_GDT_CSUM | RO_COMPAT_METADATA_CSUM) != 0
    }

    pub(super) fn many_links(&self) -> bool {
        self.ro_compat & RO_COMPAT_DIR_NLINK != 0
    }

    /// Whether group `group` begins with a copy of the superblock.
    pub(super) fn has_backup(&self, group: u32) -> bool {
        let power_of = |base: u32| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        };
        if group == 0 {
            return true;
        }
        if self.compat & COMPAT_SPARSE_SUPER2 != 0 {
            return le32(&self.raw, 0x24c) == group || le32(&self.raw, 0x250) == group;
        }
        self.ro_compat & RO_COMPAT_SPARSE_SUPER == 0 || group == 1 || power_of(3) || power_of(5) || power_of(7)
    }

    /// Blocks of the group descriptor table, and those kept free behind it for growing.
    pub(super) fn descriptor_blocks(&self) -> (u64, u64) {
        let table = (u64::from(self.groups) * self.descriptor_size as u64).div_ceil(self.block_size as u64);
        (table, u64::from(le16(&self.raw, 0xce)))
    }

    pub(super) fn uuid_bytes(&self) -> &[u8] {
        &self.raw[0x68..0x78]
    }

    /// The file system's UUID in its usual text form.
    pub(in super::super) fn uuid(&self) -> String {
        let hex: String = self.uuid_bytes().iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// The volume's label; empty when it has none.
    pub(in super::super) fn label(&self) -> String {
        let raw = &self.raw[0x78..0x88];
        String::from_utf8_lossy(raw.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
    }

    pub(super) fn hash_seed(&self) -> [u32; 4] {
        std::array::from_fn(|i| le32(&self.raw, 0xec + i * 4))
    }

    /// Whether directory hashes take names as unsigned bytes; volumes without a mark come from machines that do not say.
    pub(super) fn hash_unsigned(&self) -> bool {
        le32(&self.raw, 0x160) & 2 != 0
    }

    pub(super) fn first_inode(&self) -> u32 {
        if le32(&self.raw, 0x4c) == 0 { 11 } else { le32(&self.raw, 0x54).max(3) }
    }

    pub(super) fn free_blocks(&self) -> u64 {
        u64::from(le32(&self.raw, 0xc)) | u64::from(le32(&self.raw, 0x158)) << 32
    }

    pub(super) fn free_inodes(&self) -> u64 {
        u64::from(le32(&self.raw, 0x10))
    }

    /// The 1024 bytes with new free counts.
    pub(super) fn with_free(&self, blocks: u64, inodes: u64) -> Vec<u8> {
        let mut raw = self.raw.clone();
        put_le32(&mut raw, 0xc, blocks as u32);
        put_le32(&mut raw, 0x158, (blocks >> 32) as u32);
        put_le32(&mut raw, 0x10, inodes as u32);
        if self.metadata_checksums() {
            let sum = crc32c(!0, &raw[..0x3fc]);
            put_le32(&mut raw, 0x3fc, sum);
        }
        raw
    }
}

fn check_features(compat: u32, incompat: u32, ro_compat: u32) -> Result<(), ImageError> {
    if incompat & INCOMPAT_EXTENTS == 0 {
        let found = if compat & COMPAT_JOURNAL != 0 { "ext3" } else { "ext2" };
        return Err(ImageError::NotExt4 { found: found.into() });
    }
    if incompat & INCOMPAT_FILETYPE == 0 {
        return Err(ImageError::unsupported("its ext4 lacks the feature filetype"));
    }
    let allowed = INCOMPAT_RECOVER;
    let bad = incompat & !(INCOMPAT_KNOWN | allowed);
    let bad_ro = ro_compat & !(RO_COMPAT_KNOWN | RO_COMPAT_ORPHAN_PRESENT);
    if bad == 0 && bad_ro == 0 {
        return Ok(());
    }
    let mut names = named(bad, &INCOMPAT_NAMES);
    names.extend(named(bad_ro, &RO_COMPAT_NAMES));
    Err(ImageError::unsupported(format!(
        "its ext4 has features that kubi does not write: {}; make the base image without them",
        names.join(", ")
    )))
}

fn named(bits: u32, names: &[(u32, &str)]) -> Vec<String> {
    let name = |bit: u32| names.iter().find(|(known, _)| *known == bit).map(|(_, name)| (*name).to_owned());
    (0..32)
        .map(|shift| 1u32 << shift)
        .filter(|bit| bits & bit != 0)
        .map(|bit| name(bit).unwrap_or_else(|| format!("unknown feature {bit:#x}")))
        .collect()
}

fn check_clean(raw: &[u8], incompat: u32, ro_compat: u32) -> Result<(), ImageError> {
    let state = le16(raw, 0x3a);
    let orphans = le32(raw, 0xe8) != 0 || ro_compat & RO_COMPAT_ORPHAN_PRESENT != 0;
    let help = "repair it with e2fsck (or boot it once and shut it down)";
    if incompat & INCOMPAT_RECOVER != 0 {
        return Err(ImageError::unsupported(format!(
            "its ext4 was not unmounted and its journal must be replayed: {help}"
        )));
    }
    if state & 1 == 0 || state & 2 != 0 || orphans {
        return Err(ImageError::unsupported(format!("its ext4 was not unmounted or has errors: {help}")));
    }
    Ok(())
}
