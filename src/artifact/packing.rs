//! Whether a file is packed as its artifact is published, found out by unpacking it into nothing.

use super::DiskPath;
use super::catalog::{Artifact, Format};
use super::unpack::{Limits, Sink, UnpackError, unpack};
use crate::spec::model::Architecture;
use crate::tree::Mode;
use std::io::{self, Read};

/// Reads all of `input`; single programs are not packed at all and always fit.
///
/// # Errors
/// As [`unpack`]: members that are missing, and archives that are damaged, unsafe or of another kind.
pub fn check(known: &Artifact, version: &str, platform: Architecture, input: impl Read) -> Result<(), UnpackError> {
    if known.format == Format::Binary {
        return Ok(());
    }
    unpack(known, version, platform, input, Limits::default(), &mut Discard)
}

struct Discard;

impl Sink for Discard {
    fn file(&mut self, _: &DiskPath, _: Mode, contents: &mut dyn Read) -> io::Result<()> {
        io::copy(contents, &mut io::sink()).map(drop)
    }
    fn same_file(&mut self, _: &DiskPath, _: &DiskPath) -> io::Result<()> {
        Ok(())
    }
    fn symlink(&mut self, _: &DiskPath, _: &str) -> io::Result<()> {
        Ok(())
    }
}
