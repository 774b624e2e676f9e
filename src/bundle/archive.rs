//! The layer's tar archive: headers in POSIX ustar, with one pax header before entries that ustar cannot hold.
//!
//! Everything here is a function of path, type, mode, owner, size and link target. Time is 0, owners have no names.
//! Byte layout: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".

use crate::tree::{Kind, Mode, NodePath, Owner};

/// Tar's unit: headers have one block, contents are padded to whole blocks.
pub const BLOCK: usize = 512;
/// Two zero blocks end an archive. It is not padded any further.
pub const TRAILER: usize = 2 * BLOCK;
const NAME: usize = 100;
const PREFIX: usize = 155;
/// Largest number in a field of seven octal digits and in one of eleven.
const MAX_ID: u64 = 0o7_777_777;
const MAX_SIZE: u64 = 0o77_777_777_777;

/// What a header says.
#[derive(Debug)]
pub struct Member<'a> {
    pub path: &'a NodePath,
    pub mode: Mode,
    pub owner: Owner,
    pub size: u64,
    pub kind: MemberKind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind<'a> {
    File,
    Directory,
    Symlink(&'a str),
}

impl<'a> Member<'a> {
    pub fn new(path: &'a NodePath, kind: &'a Kind, mode: Mode, owner: Owner) -> Self {
        let (size, kind) = match kind {
            Kind::Directory => (0, MemberKind::Directory),
            Kind::File(contents) => (contents.bytes().len() as u64, MemberKind::File),
            Kind::Symlink(target) => (0, MemberKind::Symlink(target)),
        };
        Self { path, mode, owner, size, kind }
    }

    /// Appends the member's header blocks; its contents and their padding follow.
    pub fn write_header(&self, archive: &mut Vec<u8>) {
        let name = self.name();
        let split = split_name(&name);
        let target = match self.kind {
            MemberKind::Symlink(target) => target,
            _ => "",
        };
        // Records in the order of their keys.
        let mut pax = Vec::new();
        if u64::from(self.owner.gid) > MAX_ID {
            pax_record(&mut pax, "gid", &self.owner.gid.to_string());
        }
        if target.len() > NAME {
            pax_record(&mut pax, "linkpath", target);
        }
        if split.is_none() {
            pax_record(&mut pax, "path", &name);
        }
        if self.size > MAX_SIZE {
            pax_record(&mut pax, "size", &self.size.to_string());
        }
        if u64::from(self.owner.uid) > MAX_ID {
            pax_record(&mut pax, "uid", &self.owner.uid.to_string());
        }
        if !pax.is_empty() {
            let fields = Fields { name: "pax", mode: 0o644, size: pax.len() as u64, flag: b'x', ..Fields::default() };
            archive.extend_from_slice(&fields.block());
            archive.extend_from_slice(&pax);
            pad(archive, pax.len() as u64);
        }
        let (prefix, short) = split.unwrap_or(("", ""));
        let fields = Fields {
            name: short,
            prefix,
            mode: u64::from(self.mode.bits()),
            uid: Some(u64::from(self.owner.uid)).filter(|id| *id <= MAX_ID).unwrap_or(0),
            gid: Some(u64::from(self.owner.gid)).filter(|id| *id <= MAX_ID).unwrap_or(0),
            size: Some(self.size).filter(|size| *size <= MAX_SIZE).unwrap_or(0),
            target: Some(target).filter(|target| target.len() <= NAME).unwrap_or(""),
            flag: match self.kind {
                MemberKind::File => b'0',
                MemberKind::Directory => b'5',
                MemberKind::Symlink(_) => b'2',
            },
        };
        archive.extend_from_slice(&fields.block());
    }

    fn name(&self) -> String {
        let slash = if self.kind == MemberKind::Directory { "/" } else { "" };
        format!("{}{slash}", self.path.relative())
    }
}

/// Zero bytes up to the next block, after contents of `size` bytes.
pub fn pad(archive: &mut Vec<u8>, size: u64) {
    archive.resize(archive.len() + padding(size), 0);
}

/// How many zero bytes follow contents of `size` bytes.
pub fn padding(size: u64) -> usize {
    // The remainder is below 512, so it fits.
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// Prefix and name: the whole in `name` where it fits, else split at the first slash that leaves a name that fits.
fn split_name(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME {
        return Some(("", path));
    }
    // The final slash of a directory is part of its name, so the name is never empty.
    let body = path.strip_suffix('/').unwrap_or(path);
    body.match_indices('/')
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| prefix.len() <= PREFIX && name.len() <= NAME)
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record and so its own digits.
fn pax_record(out: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
}

#[derive(Default)]
struct Fields<'a> {
    name: &'a str,
    prefix: &'a str,
    mode: u64,
    uid: u64,
    gid: u64,
    size: u64,
    target: &'a str,
    flag: u8,
}

impl Fields<'_> {
    fn block(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        text(&mut block[0..100], self.name);
        octal(&mut block[100..108], self.mode);
        octal(&mut block[108..116], self.uid);
        octal(&mut block[116..124], self.gid);
        octal(&mut block[124..136], self.size);
        octal(&mut block[136..148], 0);
        block[148..156].fill(b' ');
        block[156] = self.flag;
        text(&mut block[157..257], self.target);
        text(&mut block[257..265], "ustar\x0000");
        octal(&mut block[329..337], 0);
        octal(&mut block[337..345], 0);
        text(&mut block[345..500], self.prefix);
        // The sum of all bytes, the checksum's own field taken as spaces: six digits, NUL, space.
        let sum = block.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut block[148..155], sum);
        block
    }
}

fn text(field: &mut [u8], value: &str) {
    field[..value.len()].copy_from_slice(value.as_bytes());
}

/// Octal digits with leading zeros, and a final NUL.
fn octal(field: &mut [u8], mut value: u64) {
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
    field[digits] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_only_where_they_must() {
        assert_eq!(split_name("etc/hosts"), Some(("", "etc/hosts")));
        let long = format!("{}/{}", "a".repeat(60), "b".repeat(60));
        assert_eq!(split_name(&long), Some((&long[..60], &long[61..])));
        let directory = format!("{}/{}/", "a".repeat(60), "b".repeat(99));
        assert_eq!(split_name(&directory), Some((&directory[..60], &directory[61..])));
        assert_eq!(split_name(&format!("{}/", "b".repeat(100))), None);
        assert_eq!(split_name(&format!("{}/{}", "a".repeat(156), "b".repeat(10))), None);
    }

    #[test]
    fn pax_lengths_count_themselves() {
        for size in [1, 80, 85, 86, 87, 88, 89, 90, 95, 980, 985, 989, 990, 991, 995] {
            let mut out = Vec::new();
            pax_record(&mut out, "path", &"x".repeat(size));
            let text = String::from_utf8(out).unwrap();
            let (length, _) = text.split_once(' ').unwrap();
            assert_eq!(length.parse::<usize>().unwrap(), text.len());
        }
    }
}
