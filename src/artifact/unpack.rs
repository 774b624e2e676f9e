//! Takes the members that `install` names out of a release, and nothing else. Every archive is taken for hostile: what
//! it says about paths, links, kinds, sizes and counts is checked before a byte is kept.

use super::catalog::{Artifact, Format, expand};
use super::tar_entries::{Member, for_each};
use super::{Destination, DiskPath};
use crate::spec::model::Architecture;
use crate::tree::Mode;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use tar::EntryType;

/// Who keeps what is taken out. Paths are unique and stay below `/opt/kubi`.
pub trait Sink {
    fn file(&mut self, path: &DiskPath, mode: Mode, contents: &mut dyn Read) -> io::Result<()>;
    /// The same contents as an earlier file.
    fn same_file(&mut self, path: &DiskPath, earlier: &DiskPath) -> io::Result<()>;
    fn symlink(&mut self, path: &DiskPath, target: &str) -> io::Result<()>;
}

/// What no honest release exceeds. Kata, the largest, unpacks to about 2 GiB.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub members: u64,
    /// Bytes after decompression.
    pub unpacked: u64,
    /// Unpacked bytes per packed one, beyond the first 16 MiB.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { members: 100_000, unpacked: 8 << 30, ratio: 200 }
    }
}

const RATIO_FREE: u64 = 16 << 20;
/// Memory that a decompressor may use (bytes): zstd's and xz's largest usual windows.
const XZ_MEMORY: u64 = 128 << 20;
const ZSTD_WINDOW_LOG: u32 = 27;

#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("{member:?} {problem}; the archive is refused")]
    Unsafe { member: String, problem: String },
    #[error("the archive {0}; it is refused")]
    TooMuch(String),
    #[error("the archive has no {0:?}; does `install` in the catalog fit this release?")]
    MissingMember(String),
    #[error("{0} comes from two members")]
    Twice(DiskPath),
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Takes the installed members out of `input` into `sink`.
///
/// # Errors
/// Anything unsafe or absurd, a member that `install` names and the archive lacks, and damaged archives.
pub fn unpack(
    artifact: &Artifact,
    version: &str,
    platform: Architecture,
    input: impl Read,
    limits: Limits,
    sink: &mut dyn Sink,
) -> Result<(), UnpackError> {
    let packed = Cell::new(0);
    let counted = Counted { inner: input, count: &packed, limit: u64::MAX, packed: None };
    let mut unpacker = Unpacker::new(artifact, version, platform, limits, sink);
    if artifact.format == Format::Binary {
        return unpacker.binary(counted);
    }
    let mut decoder: Box<dyn Read + '_> = match artifact.format {
        Format::TarGz | Format::Binary => Box::new(flate2::read::MultiGzDecoder::new(counted)),
        Format::TarZst => {
            let mut decoder = zstd::Decoder::new(counted)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Format::TarXz => {
            let stream = xz2::stream::Stream::new_stream_decoder(XZ_MEMORY, xz2::stream::CONCATENATED);
            Box::new(xz2::read::XzDecoder::new_stream(counted, stream.map_err(io::Error::other)?))
        }
    };
    let unpacked = Cell::new(0);
    let bounded = Counted {
        inner: &mut decoder,
        count: &unpacked,
        limit: limits.unpacked,
        packed: Some((&packed, limits.ratio)),
    };
    for_each(bounded, |member, contents| unpacker.member(member, contents)).map_err(absurd)?;
    unpacker.finish()?;
    // A truncated or damaged end would otherwise stay unseen: archives end before their compressed stream does.
    io::copy(&mut decoder.take(limits.unpacked), &mut io::sink())?;
    Ok(())
}

/// Counts what passes, and fails beyond a limit or a ratio to another count.
struct Counted<'a, R> {
    inner: R,
    count: &'a Cell<u64>,
    limit: u64,
    packed: Option<(&'a Cell<u64>, u64)>,
}

/// Marks this module's own errors on their way through [`Read`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Absurd(String);

fn absurd(error: UnpackError) -> UnpackError {
    match error {
        UnpackError::Read(inner) => match inner.downcast::<Absurd>() {
            Ok(absurd) => UnpackError::TooMuch(absurd.0),
            Err(inner) => UnpackError::Read(inner),
        },
        other => other,
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        let count = self.count.get() + got as u64;
        self.count.set(count);
        let ratio = self.packed.filter(|(packed, ratio)| count > RATIO_FREE + packed.get().saturating_mul(*ratio));
        if let Some((_, ratio)) = ratio {
            return Err(io::Error::other(Absurd(format!("unpacks to more than {ratio} times its size"))));
        }
        if count > self.limit {
            return Err(io::Error::other(Absurd(format!("unpacks to more than {} bytes", self.limit))));
        }
        Ok(got)
    }
}

/// Where a member goes: the path, a fixed mode, and the archive's and the disk's directory when it is part of a subtree.
struct Target {
    path: DiskPath,
    mode: Option<Mode>,
    subtree: Option<String>,
}

struct Unpacker<'a> {
    /// Whole member names.
    exact: BTreeMap<String, &'a Destination>,
    /// Directories, without a trailing slash.
    subtrees: Vec<(String, &'a Destination)>,
    limits: Limits,
    members: u64,
    seen: BTreeSet<String>,
    /// What was given to the sink, by member name: hard links refer to it.
    files: BTreeMap<String, DiskPath>,
    paths: BTreeSet<DiskPath>,
    sink: &'a mut dyn Sink,
}

impl<'a> Unpacker<'a> {
    fn new(
        artifact: &'a Artifact,
        version: &str,
        platform: Architecture,
        limits: Limits,
        sink: &'a mut dyn Sink,
    ) -> Self {
        let (mut exact, mut subtrees) = (BTreeMap::new(), vec![]);
        for (pattern, destination) in &artifact.install {
            let pattern = expand(pattern, version, platform);
            match pattern.strip_suffix("/**") {
                Some(directory) => subtrees.push((directory.to_owned(), destination)),
                None => drop(exact.insert(pattern, destination)),
            }
        }
        let (seen, files, paths) = Default::default();
        Self { exact, subtrees, limits, members: 0, seen, files, paths, sink }
    }

    fn binary(&mut self, mut input: impl Read) -> Result<(), UnpackError> {
        for (name, destination) in &self.exact {
            let mode = destination.mode().unwrap_or(Mode::EXECUTABLE);
            self.sink.file(destination.path(), mode, &mut input.by_ref().take(self.limits.unpacked))?;
            self.seen.insert(name.clone());
        }
        Ok(())
    }

    fn member(&mut self, member: Member, contents: &mut dyn Read) -> Result<(), UnpackError> {
        self.members += 1;
        if self.members > self.limits.members {
            return Err(UnpackError::TooMuch(format!("has more than {} members", self.limits.members)));
        }
        if member.size > self.limits.unpacked {
            return Err(UnpackError::TooMuch(format!("has a member of {} bytes", member.size)));
        }
        let name = safe_name(&member.name)?;
        let regular = matches!(member.kind, EntryType::Regular | EntryType::Continuous);
        let link = matches!(member.kind, EntryType::Symlink | EntryType::Link);
        if member.kind == EntryType::Directory {
            return Ok(());
        }
        if !regular && !link {
            return Err(refuse(&name, format!("is neither file, directory nor link ({:?})", member.kind)));
        }
        let Some(target) = self.target(&name)? else { return Ok(()) };
        if !self.paths.insert(target.path.clone()) {
            return Err(UnpackError::Twice(target.path));
        }
        match member.kind {
            EntryType::Symlink => {
                let link = self.symlink_target(&name, &member.link, target.subtree.as_deref())?;
                self.sink.symlink(&target.path, &link)?;
            }
            EntryType::Link => {
                let earlier = safe_name(&member.link)?;
                let earlier = self.files.get(&earlier).ok_or_else(|| {
                    refuse(&name, format!("is a hard link to {:?}, which is not installed before it", member.link))
                })?;
                self.sink.same_file(&target.path, earlier)?;
                self.files.insert(name, target.path);
            }
            _ => {
                let from_archive = if member.executable { Mode::EXECUTABLE } else { Mode::FILE };
                self.sink.file(&target.path, target.mode.unwrap_or(from_archive), contents)?;
                self.files.insert(name, target.path);
            }
        }
        Ok(())
    }

    fn target(&mut self, name: &str) -> Result<Option<Target>, UnpackError> {
        if let Some(destination) = self.exact.get(name) {
            self.seen.insert(name.to_owned());
            let (path, mode) = (destination.path().clone(), destination.mode());
            return Ok(Some(Target { path, mode, subtree: None }));
        }
        for (directory, destination) in &self.subtrees {
            let Some(below) = name.strip_prefix(directory.as_str()).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            self.seen.insert(directory.clone());
            let path = destination.path().join(below).map_err(|problem| refuse(name, problem))?;
            return Ok(Some(Target { path, mode: None, subtree: Some(directory.clone()) }));
        }
        Ok(None)
    }

    /// The link's target, relative; it must stay in the installed directory that the link is part of.
    fn symlink_target(&self, name: &str, link: &str, subtree: Option<&str>) -> Result<String, UnpackError> {
        let outside = || refuse(name, format!("is a link to {link:?}, outside of what is installed"));
        let subtree = subtree.ok_or_else(outside)?;
        let own_depth = name.matches('/').count();
        let resolved = match link.strip_prefix('/') {
            Some(absolute) => safe_name(absolute)?,
            None => resolve(name, link).ok_or_else(outside)?,
        };
        if !resolved.starts_with(&format!("{subtree}/")) {
            return Err(outside());
        }
        if !link.starts_with('/') {
            return Ok(link.to_owned());
        }
        // Absolute in the archive's world, which is another place on the disk: made relative, it holds in both.
        let up = own_depth - subtree.matches('/').count() - 1;
        Ok(format!("{}{}", "../".repeat(up), &resolved[subtree.len() + 1..]))
    }

    fn finish(&self) -> Result<(), UnpackError> {
        let wanted = self.exact.keys().chain(self.subtrees.iter().map(|(directory, _)| directory));
        match wanted.into_iter().find(|name| !self.seen.contains(*name)) {
            Some(missing) => Err(UnpackError::MissingMember(missing.clone())),
            None => Ok(()),
        }
    }
}

fn refuse(member: &str, problem: impl Into<String>) -> UnpackError {
    UnpackError::Unsafe { member: member.to_owned(), problem: problem.into() }
}

/// The member's name without leading `./`; refused when it could leave the directory that it is unpacked in.
fn safe_name(name: &str) -> Result<String, UnpackError> {
    let mut plain = name;
    while let Some(rest) = plain.strip_prefix("./") {
        plain = rest.trim_start_matches('/');
    }
    let plain = plain.trim_end_matches('/');
    if plain.starts_with('/') || plain.split('/').any(|part| part == "..") || plain.chars().any(char::is_control) {
        return Err(refuse(name, "could leave the directory that it is unpacked in"));
    }
    Ok(plain.to_owned())
}

/// What a relative link in `name`'s directory refers to; `None` when it climbs out of the archive.
fn resolve(name: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
