//! Fills an empty ext4 file system from the root's tar archive, in the archive's sorted order, without mounting it, and
//! keeps what the rest of the image is made from.

use super::rootfs::{BOOT_IMAGE, CORE_IMAGE, EFI_IMAGE};
use super::{BaseError, file_error};
use crate::artifact::base::{EPOCH, Identifiers, grub_config};
use fstool::block::BlockDevice;
use fstool::fs::ext::{Ext, xattr::Xattr};
use fstool::fs::{DeviceKind, FileMeta};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use tar::EntryType;

/// What was found in the archive.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub kernel_release: String,
    pub kernel: Vec<u8>,
    pub initrd: Vec<u8>,
    /// GRUB's BIOS boot sector and core; empty on arm64.
    pub boot_image: Vec<u8>,
    pub core_image: Vec<u8>,
    pub efi_image: Vec<u8>,
}

/// The root directory's inode number in every ext file system.
const ROOT_INODE: u32 = 2;
const KERNEL: &str = "boot/vmlinuz-";
const INITRD: &str = "boot/initrd.img-";
/// Entries between two writes of metadata: one transaction must fit the journal.
const BATCH: usize = 500;

struct Writer<'a> {
    file_system: Ext,
    device: &'a mut dyn BlockDevice,
    /// Inode by path, without leading or trailing slash; "" is the root.
    inodes: BTreeMap<Vec<u8>, u32>,
    since_flush: usize,
}

/// Copies the archive into the file system on `device`.
pub(super) fn populate(
    archive: &Path,
    identifiers: &Identifiers,
    device: &mut dyn BlockDevice,
) -> Result<Contents, BaseError> {
    let file = File::open(archive).map_err(file_error(archive))?;
    let mut reader = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
    let file_system = Ext::open(device)?;
    let inodes = BTreeMap::from([(vec![], ROOT_INODE)]);
    let mut writer = Writer { file_system, device, inodes, since_flush: 0 };
    let mut contents = Contents::default();
    for entry in reader.entries().map_err(file_error(archive))? {
        let mut entry = entry.map_err(file_error(archive))?;
        let path = normalise(&entry.path_bytes());
        match purpose(&path, entry.header().entry_type()) {
            Purpose::Drop => {}
            Purpose::File => writer.add(&path, &mut entry, None)?,
            Purpose::Kept { in_file_system } => {
                let mut body = vec![];
                entry.read_to_end(&mut body).map_err(file_error(archive))?;
                if in_file_system {
                    writer.add(&path, &mut entry, Some(&body))?;
                }
                contents.keep(&String::from_utf8_lossy(&path), body);
            }
        }
    }
    if contents.kernel_release.is_empty() || contents.kernel.is_empty() || contents.initrd.is_empty() {
        return Err(BaseError::Incomplete("a kernel and its initrd in /boot"));
    }
    let configuration =
        grub_config(&contents.kernel_release, &identifiers.root_file_system, &identifiers.root_partition);
    let fstab = format!(
        "PARTUUID={} / ext4 defaults,discard,errors=remount-ro,x-systemd.growfs 0 1\n",
        identifiers.root_partition
    );
    for (path, text) in [
        ("boot/grub/grub.cfg", configuration.as_str()),
        ("etc/fstab", fstab.as_str()),
        ("etc/hostname", "localhost\n"),
        ("etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"),
        // Empty, not absent: systemd writes a transient one when nobody else has.
        ("etc/machine-id", ""),
    ] {
        writer.add_text(path, text)?;
    }
    writer.file_system.flush(writer.device)?;
    Ok(contents)
}

/// What becomes of an archive's entry.
enum Purpose {
    File,
    /// Needed for the rest of the image; `in_file_system` as well, or only there.
    Kept {
        in_file_system: bool,
    },
    Drop,
}

/// Directories whose contents are made anew by every boot or build.
const VOLATILE: [&str; 6] = ["dev/", "run/", "tmp/", "var/log/", "var/lib/apt/lists/", "var/cache/apt/"];
/// Files that are written here instead, or that a running system makes.
const REPLACED: [&str; 7] = [
    "etc/hostname",
    "etc/hosts",
    "etc/machine-id",
    "etc/fstab",
    "var/lib/dbus/machine-id",
    "var/cache/ldconfig/aux-cache",
    "var/lib/systemd/random-seed",
];

fn purpose(path: &[u8], kind: EntryType) -> Purpose {
    let name = String::from_utf8_lossy(path);
    let volatile = VOLATILE.iter().any(|directory| name.starts_with(directory)) && kind != EntryType::Directory;
    let backup = name.starts_with("var/lib/dpkg/") && name.ends_with("-old");
    match &*name {
        CORE_IMAGE | EFI_IMAGE => Purpose::Kept { in_file_system: false },
        BOOT_IMAGE => Purpose::Kept { in_file_system: true },
        name if name.starts_with(KERNEL) || name.starts_with(INITRD) => Purpose::Kept { in_file_system: true },
        name if volatile || backup || REPLACED.contains(&name) || name.starts_with("dev/") => Purpose::Drop,
        _ => Purpose::File,
    }
}

impl Contents {
    fn keep(&mut self, name: &str, body: Vec<u8>) {
        match name {
            CORE_IMAGE => self.core_image = body,
            EFI_IMAGE => self.efi_image = body,
            BOOT_IMAGE => self.boot_image = body,
            _ => match (name.strip_prefix(KERNEL), name.strip_prefix(INITRD)) {
                (Some(release), _) => (self.kernel_release, self.kernel) = (release.to_owned(), body),
                _ => self.initrd = body,
            },
        }
    }
}

impl Writer<'_> {
    /// Adds an archive's entry; `body` is its contents where they were read already.
    fn add(
        &mut self,
        path: &[u8],
        entry: &mut tar::Entry<'_, impl Read>,
        body: Option<&[u8]>,
    ) -> Result<(), BaseError> {
        let (meta, attributes) = metadata(entry).map_err(|error| BaseError::archive(path, error))?;
        let header = entry.header().clone();
        if path.is_empty() {
            self.file_system.chmod(self.device, ROOT_INODE, meta.mode)?;
            self.file_system.chown(self.device, ROOT_INODE, meta.uid, meta.gid)?;
            return Ok(());
        }
        let (parent, name) = self.locate(path)?;
        let target = entry.link_name_bytes().map(|target| target.into_owned()).unwrap_or_default();
        let number = |number: std::io::Result<Option<u32>>| number.ok().flatten().unwrap_or(0);
        let (major, minor) = (number(header.device_major()), number(header.device_minor()));
        let (files, device) = (&mut self.file_system, &mut *self.device);
        let inode = match header.entry_type() {
            EntryType::Directory => files.add_dir_to(device, parent, name, meta)?,
            EntryType::Symlink => files.add_symlink_to(device, parent, name, &target, meta)?,
            EntryType::Char => files.add_device_to(device, parent, name, DeviceKind::Char, major, minor, meta)?,
            EntryType::Block => files.add_device_to(device, parent, name, DeviceKind::Block, major, minor, meta)?,
            EntryType::Fifo => files.add_device_to(device, parent, name, DeviceKind::Fifo, 0, 0, meta)?,
            EntryType::Link => {
                let target = normalise(&target);
                let unknown = || BaseError::archive(path, std::io::Error::other("links to a file that is not there"));
                let inode = *self.inodes.get(&target).ok_or_else(unknown)?;
                files.add_link_to(device, parent, name, inode)?;
                inode
            }
            EntryType::Regular | EntryType::Continuous => match body {
                Some(mut body) => {
                    let length = body.len() as u64;
                    files.add_file_to_streaming(device, parent, name, &mut body, length, meta)?
                }
                None => {
                    let length = entry.size();
                    files.add_file_to_streaming(device, parent, name, entry, length, meta)?
                }
            },
            other => {
                let error = std::io::Error::other(format!("is of an unknown kind ({other:?})"));
                return Err(BaseError::archive(path, error));
            }
        };
        if !attributes.is_empty() && header.entry_type() != EntryType::Link {
            self.file_system.set_xattrs(self.device, inode, &attributes)?;
        }
        self.inodes.insert(path.to_vec(), inode);
        self.since_flush += 1;
        if self.since_flush == BATCH {
            self.file_system.flush(self.device)?;
            self.since_flush = 0;
        }
        Ok(())
    }

    fn add_text(&mut self, path: &str, text: &str) -> Result<(), BaseError> {
        let (parent, name) = self.locate(path.as_bytes())?;
        let meta = FileMeta { mode: 0o644, ..stamped(EPOCH as u32) };
        let length = text.len() as u64;
        self.file_system.add_file_to_streaming(self.device, parent, name, &mut text.as_bytes(), length, meta)?;
        Ok(())
    }

    /// The inode of a path's directory, and its last component.
    fn locate<'p>(&self, path: &'p [u8]) -> Result<(u32, &'p [u8]), BaseError> {
        let split = path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = split.map_or((&path[..0], path), |at| (&path[..at], &path[at + 1..]));
        let orphan = || BaseError::archive(path, std::io::Error::other("lies in a directory that is not there"));
        Ok((*self.inodes.get(parent).ok_or_else(orphan)?, name))
    }
}

/// Mode, owner, times (none later than [`EPOCH`]) and extended attributes of an entry.
fn metadata(entry: &mut tar::Entry<'_, impl Read>) -> std::io::Result<(FileMeta, Vec<Xattr>)> {
    let header = entry.header();
    let mode = (header.mode()? & 0o7777) as u16;
    // Debian's ids and these times fit 32 bits.
    let (uid, gid) = (header.uid()? as u32, header.gid()? as u32);
    let mtime = header.mtime()?.min(EPOCH) as u32;
    let mut attributes = vec![];
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) {
                attributes.push(Xattr { name: name.to_owned(), value: extension.value_bytes().to_vec() });
            }
        }
    }
    Ok((FileMeta { mode, uid, gid, ..stamped(mtime) }, attributes))
}

fn stamped(seconds: u32) -> FileMeta {
    FileMeta { mode: 0, uid: 0, gid: 0, mtime: seconds, atime: seconds, ctime: seconds }
}

fn normalise(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b".").unwrap_or(path);
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path).to_vec()
}
