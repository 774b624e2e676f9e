//! Puts files into the cache: whole, verified, by rename. What is there under a digest is that file.

use super::cache::Cache;
use crate::tree::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How much is read at a time.
pub(super) const CHUNK: usize = 1 << 20;

/// The digest of all that `input` gives, and its length. `copy` gets every byte.
pub fn digest_stream(input: &mut dyn Read, copy: &mut dyn Write) -> io::Result<(Digest, u64)> {
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        let got = match input.read(&mut buffer) {
            Ok(0) => return Ok((Digest::from_sha256(&hash.finalize().into()), length)),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..got]);
        copy.write_all(&buffer[..got])?;
        length += got as u64;
    }
}

/// The digest of a file.
pub fn digest_file(path: &Path) -> io::Result<Digest> {
    Ok(digest_stream(&mut File::open(path)?, &mut io::sink())?.0)
}

impl Cache {
    /// Where an unfinished download of this digest is kept, so that it can go on later. Its directory exists afterwards.
    pub fn partial(&self, digest: &Digest) -> io::Result<PathBuf> {
        let directory = self.root().join("partial");
        fs::create_dir_all(&directory)?;
        Ok(directory.join(digest.hex()))
    }

    /// Moves a finished, verified file of the cache's own file system to its place.
    pub fn adopt(&self, file: &Path, digest: &Digest) -> io::Result<()> {
        let target = self.path(digest);
        fs::create_dir_all(target.parent().unwrap_or(self.root()))?;
        File::open(file)?.sync_all()?;
        fs::rename(file, target)
    }

    /// Copies a file into the cache; returns its digest.
    pub fn add(&self, file: &Path) -> io::Result<Digest> {
        fs::create_dir_all(self.root())?;
        let mut copy = tempfile::Builder::new().prefix(".add-").tempfile_in(self.root())?;
        let (digest, _) = digest_stream(&mut File::open(file)?, copy.as_file_mut())?;
        if !self.has(&digest) {
            self.adopt(copy.path(), &digest)?;
        }
        Ok(digest)
    }

    /// Whether the file with this digest is there and still has it. A damaged one is removed.
    pub fn verify(&self, digest: &Digest) -> io::Result<bool> {
        let path = self.path(digest);
        match digest_file(&path) {
            Ok(found) if found == *digest => Ok(true),
            Ok(_) => fs::remove_file(&path).map(|()| false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The digest of a file that was made from the inputs which `key` names, if it is still in the cache.
    pub fn made(&self, key: &Digest) -> io::Result<Option<Digest>> {
        match fs::read_to_string(self.made_path(key)) {
            Ok(text) => Ok(text.trim_end().parse().ok().filter(|digest| self.has(digest))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps a copy of `file`, whose digest is `digest`, as what was made from `key`.
    pub fn keep_made(&self, key: &Digest, file: &Path, digest: &Digest) -> io::Result<()> {
        let found = self.add(file)?;
        if found != *digest {
            return Err(io::Error::other(format!("{} changed while it was copied", file.display())));
        }
        let path = self.made_path(key);
        fs::create_dir_all(path.parent().unwrap_or(self.root()))?;
        let mut text = tempfile::Builder::new().prefix(".made-").tempfile_in(self.root())?;
        writeln!(text, "{digest}")?;
        text.persist(path).map(drop).map_err(|error| error.error)
    }

    fn made_path(&self, key: &Digest) -> PathBuf {
        self.root().join("made").join(key.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_by_digest_and_damage_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::find(Some(&directory.path().join("cache"))).unwrap();
        let file = directory.path().join("file");
        fs::write(&file, b"hello").unwrap();
        let digest = cache.add(&file).unwrap();
        assert_eq!(digest, Digest::of(b"hello"));
        assert_eq!(cache.add(&file).unwrap(), digest);
        assert!(cache.verify(&digest).unwrap() && cache.has(&digest));
        assert!(!cache.verify(&Digest::of(b"other")).unwrap());
        fs::write(cache.path(&digest), b"hullo").unwrap();
        assert!(!cache.verify(&digest).unwrap() && !cache.has(&digest));
        let left: Vec<_> = fs::read_dir(cache.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["sha256"], "temporary files stay behind");
    }
}
