//! Writes the artifact disk: a squashfs with zstd, the same bytes for the same files whatever order they come in.
//!
//! Everything belongs to root and carries one time. Files are compressed one after the other as they are read, so memory
//! holds one block of data and the metadata of all files.

use super::ImageError;
use crate::artifact::DiskPath;
use crate::tree::Mode;
use backhand::compression::{CompressionOptions, Compressor, Zstd};
use backhand::{BackhandError, FilesystemCompressor, FilesystemWriter, NodeHeader};
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, Write};

/// Unpacking speed does not depend on it; 9 packs binaries almost as tightly as the slow levels.
const LEVEL: u32 = 9;
/// Larger blocks pack better; this is the format's own default, and what a guest reads for one byte of a file.
const BLOCK: u32 = 128 << 10;

/// Opens a file's contents when its turn comes, so that few files are open at a time.
pub type OpenFile<'a> = Box<dyn FnOnce() -> io::Result<Box<dyn Read + 'a>> + 'a>;

/// One entry of the disk.
pub enum ArtifactEntry<'a> {
    Directory { mode: Mode },
    File { mode: Mode, open: OpenFile<'a> },
    Symlink { target: String },
}

impl<'a> ArtifactEntry<'a> {
    /// A file whose bytes are at hand.
    pub fn bytes(mode: Mode, bytes: impl AsRef<[u8]> + 'a) -> Self {
        Self::File { mode, open: Box::new(move || Ok(Box::new(io::Cursor::new(bytes)))) }
    }
}

/// Writes the disk and gives its size in bytes. Missing parents become directories with mode 0755.
///
/// `epoch` is the time of everything on it, in seconds since 1970.
pub fn write_artifact_disk<'a>(
    entries: BTreeMap<DiskPath, ArtifactEntry<'a>>,
    epoch: u32,
    out: impl Write + Seek,
) -> Result<u64, ImageError> {
    let mut writer = new_writer(epoch).map_err(failed)?;
    let mut directories = BTreeMap::new();
    for (path, entry) in &entries {
        for parent in path.ancestors() {
            match entries.get(&parent) {
                None => directories.insert(parent, Mode::DIRECTORY),
                Some(ArtifactEntry::Directory { .. }) => None,
                Some(_) => return Err(ImageError::path(path.as_str(), format!("lies below {parent}, a file or link"))),
            };
        }
        if let ArtifactEntry::Directory { mode } = entry {
            directories.insert(path.clone(), *mode);
        }
    }
    let header = |mode: Mode| NodeHeader::new(mode.bits(), 0, 0, epoch);
    for (path, mode) in &directories {
        writer.push_dir(path.as_str(), header(*mode)).map_err(failed)?;
    }
    for (path, entry) in entries {
        let pushed = match entry {
            ArtifactEntry::Directory { .. } => Ok(()),
            ArtifactEntry::File { mode, open } => {
                writer.push_file(Lazy::Closed(Some(open)), path.as_str(), header(mode))
            }
            ArtifactEntry::Symlink { target } => writer.push_symlink(target, path.as_str(), header(Mode::SYMLINK)),
        };
        pushed.map_err(failed)?;
    }
    writer.write(out).map(|(_, bytes)| bytes).map_err(failed)
}

/// The library shows no text for its errors: the operating system's are the ones that happen.
fn failed(error: BackhandError) -> ImageError {
    match error {
        BackhandError::StdIo(error) => ImageError::Io(error),
        BackhandError::InvalidFilePath | BackhandError::DuplicatedFileName => {
            ImageError::ArtifactDisk("a path is used twice or makes no sense".into())
        }
        _ => ImageError::ArtifactDisk("squashfs cannot hold these files".into()),
    }
}

fn new_writer<'a>(epoch: u32) -> Result<FilesystemWriter<'a, 'a, 'a>, BackhandError> {
    let options = CompressionOptions::Zstd(Zstd { compression_level: LEVEL });
    let mut writer = FilesystemWriter::default();
    writer.set_compressor(FilesystemCompressor::new(Compressor::Zstd, Some(options))?);
    writer.set_block_size(BLOCK);
    writer.set_time(epoch);
    writer.set_root_mode(Mode::DIRECTORY.bits());
    writer.set_only_root_id();
    // It takes two files with one 64-bit checksum for the same file, without comparing them.
    writer.set_no_duplicate_files(false);
    Ok(writer)
}

/// A reader that opens its file at the first read.
enum Lazy<'a> {
    Closed(Option<OpenFile<'a>>),
    Open(Box<dyn Read + 'a>),
}

impl Read for Lazy<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Closed(open) = self {
            let open = open.take().ok_or_else(|| io::Error::other("the file could not be opened before"))?;
            *self = Self::Open(open()?);
        }
        match self {
            Self::Open(reader) => reader.read(buffer),
            Self::Closed(_) => Ok(0),
        }
    }
}
