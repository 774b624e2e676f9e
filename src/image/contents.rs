//! Reads what a base image holds: single files, its package database, its kernel.

use super::ext4::{FileKind, Inode, Last, Place};
use super::{Base, ImageError};
use std::collections::BTreeMap;

/// Largest file that is read into memory: initial RAM disks reach a hundred megabytes.
const MAX_FILE: u64 = 1 << 30;

/// A kernel that can be booted directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFiles {
    /// The kernel's release, as in its file name: `6.12.48+deb13-amd64`.
    pub release: String,
    pub kernel: Vec<u8>,
    pub initrd: Option<Vec<u8>>,
}

/// A file of the base image, links followed inside it; `None` when there is no such file.
pub fn read_file(base: &Base, path: &str) -> Result<Option<Vec<u8>>, ImageError> {
    match base.view().walk(path, Last::Follow)? {
        Place::Found(inode) if inode.kind() == FileKind::File => read_inode(base, path, &inode).map(Some),
        Place::Found(_) => Err(ImageError::path(path, "is no regular file in the base image")),
        Place::Missing { .. } => Ok(None),
    }
}

/// Every Debian package that is installed in the base image, with its version. Empty where there is no such database.
pub fn installed_packages(base: &Base) -> Result<BTreeMap<String, String>, ImageError> {
    let mut packages = BTreeMap::new();
    if let Some(status) = read_file(base, "/var/lib/dpkg/status")? {
        add_packages(&status, true, &mut packages);
    }
    // Minimal images keep one file for each package instead, without a status line.
    for name in list(base, "/var/lib/dpkg/status.d")? {
        if !name.ends_with(".md5sums")
            && let Some(status) = read_file(base, &format!("/var/lib/dpkg/status.d/{name}"))?
        {
            add_packages(&status, false, &mut packages);
        }
    }
    Ok(packages)
}

/// The kernel and initial RAM disk that `/vmlinuz` names, else the newest in `/boot`; `None` when there is no kernel.
pub fn kernel_and_initrd(base: &Base) -> Result<Option<KernelFiles>, ImageError> {
    let linked = ["/vmlinuz", "/boot/vmlinuz"].into_iter().find_map(|path| link_name(base, path).transpose());
    let name = match linked.transpose()? {
        Some(name) => Some(name),
        None => list(base, "/boot")?
            .into_iter()
            .filter(|name| name.starts_with("vmlinuz-"))
            .max_by(|one, other| version_key(one).cmp(&version_key(other))),
    };
    let Some(release) = name.as_deref().and_then(|name| name.strip_prefix("vmlinuz-")) else { return Ok(None) };
    let Some(kernel) = read_file(base, &format!("/boot/vmlinuz-{release}"))? else { return Ok(None) };
    let initrd = read_file(base, &format!("/boot/initrd.img-{release}"))?;
    Ok(Some(KernelFiles { release: release.to_owned(), kernel, initrd }))
}

/// The last component of a link's target, when the link leads to a file.
fn link_name(base: &Base, path: &str) -> Result<Option<String>, ImageError> {
    let view = base.view();
    let Place::Found(inode) = view.walk(path, Last::Keep)? else { return Ok(None) };
    if inode.kind() != FileKind::Symlink {
        return Ok(None);
    }
    let target = String::from_utf8_lossy(&view.link_target(&inode)?).into_owned();
    // A dangling link is no reason to fail: the newest kernel is there, or none.
    let exists = matches!(view.walk(path, Last::Follow), Ok(Place::Found(inode)) if inode.kind() == FileKind::File);
    Ok(target.rsplit('/').next().filter(|_| exists).map(str::to_owned))
}

/// Digits compare as numbers: 6.9 comes before 6.12.
fn version_key(name: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(text_end);
        let number_end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(number_end);
        key.push((0, text.to_owned()));
        key.push((number.parse().unwrap_or(u64::MAX), String::new()));
        rest = tail;
    }
    key
}

pub(super) fn read_inode(base: &Base, path: &str, inode: &Inode) -> Result<Vec<u8>, ImageError> {
    if inode.size() > MAX_FILE {
        return Err(ImageError::path(path, format!("has {} bytes in the base image", inode.size())));
    }
    let mut bytes = Vec::new();
    base.view().read_body(inode, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

/// Names in a directory, sorted; empty when it does not exist.
fn list(base: &Base, path: &str) -> Result<Vec<String>, ImageError> {
    let view = base.view();
    let Place::Found(inode) = view.walk(path, Last::Follow)? else { return Ok(Vec::new()) };
    if inode.kind() != FileKind::Directory {
        return Ok(Vec::new());
    }
    let names = view.entries(&inode)?;
    let mut names: Vec<_> = names.into_iter().filter_map(|entry| String::from_utf8(entry.name).ok()).collect();
    names.sort();
    Ok(names)
}

/// Takes the stanzas of a `status` file; see deb822(5).
fn add_packages(status: &[u8], needs_status: bool, packages: &mut BTreeMap<String, String>) {
    let text = String::from_utf8_lossy(status);
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            let value = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(|value| value.trim().to_owned())
        };
        let installed = !needs_status || field("Status").as_deref() == Some("install ok installed");
        if let (true, Some(name), Some(version)) = (installed, field("Package"), field("Version")) {
            packages.entry(name).or_insert(version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let status = b"Package: a\nStatus: install ok installed\nVersion: 1:2-3\nDescription: x\n Package: no\n\n\
            Package: b\nStatus: deinstall ok config-files\nVersion: 1\n\n\
            Package: c\nStatus: install ok half-configured\nVersion: 1\n\nPackage: d\nVersion: 4\n";
        let mut packages = BTreeMap::new();
        add_packages(status, true, &mut packages);
        assert_eq!(packages, BTreeMap::from([("a".to_owned(), "1:2-3".to_owned())]));
        add_packages(b"Package: base-files\nVersion: 13\n", false, &mut packages);
        assert_eq!(packages.len(), 2);
    }

    #[test]
    fn kernel_versions_compare_as_numbers() {
        let newest = ["vmlinuz-6.9.1-amd64", "vmlinuz-6.12.48+deb13-amd64", "vmlinuz-6.12.9+deb13-amd64"];
        let newest = newest.into_iter().max_by(|a, b| version_key(a).cmp(&version_key(b)));
        assert_eq!(newest, Some("vmlinuz-6.12.48+deb13-amd64"));
    }
}
