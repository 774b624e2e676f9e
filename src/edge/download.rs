//! Fetches pinned files into the cache: several at a time, resumed where they stopped, verified while they stream.
//!
//! Nothing is believed but the digest: not the server, not the mirror, not a file left over from an earlier run.

use super::cache::Cache;
use super::cache_write::CHUNK;
use super::files::FileError;
use super::lock_file::LockFile;
use crate::artifact::{LockedArtifact, mirrored};
use crate::tree::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How to fetch.
#[derive(Clone, Debug)]
pub struct Options {
    /// Asked instead of the sources: an address prefix, `http://`, `https://` or `file://`.
    pub mirror: Option<String>,
    /// Files at a time; at least one.
    pub jobs: usize,
    /// Times that one address is tried when the network or the server fails.
    pub attempts: u32,
    /// How long to wait for a connection and for each read.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { mirror: None, jobs: 4, attempts: 4, patience: Duration::from_secs(30) }
    }
}

/// Hears how a fetch goes; `index` counts the artifacts as given.
pub trait Watch: Sync {
    /// A transfer starts: its whole size, when known, and how much of it is there already.
    fn start(&self, index: usize, total: Option<u64>, have: u64);
    fn advance(&self, index: usize, bytes: u64);
    /// Done or given up.
    fn end(&self, index: usize);
}

/// How a file got into the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It was there.
    Present,
    /// Bytes that came now; less than the file has when it was resumed.
    Downloaded(u64),
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{url}: {problem}")]
    Transfer { url: String, problem: Problem },
    #[error("it is a build of your own: no address has it")]
    Vendored,
    #[error("{path}: {error}")]
    Cache { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Lock(#[from] FileError),
}

/// What went wrong with one address.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("the server answers {0}")]
    Status(u16),
    #[error("the transfer ended after {got} of {expected} bytes")]
    Truncated { got: u64, expected: u64 },
    #[error("the file has {found}, not the pinned digest; it is thrown away")]
    Digest { found: Digest },
    #[error("more than {LARGEST} bytes came")]
    TooLarge,
    #[error("only http://, https:// and file:// can be fetched")]
    Scheme,
    #[error("{0}")]
    Network(String),
    #[error("{0}")]
    File(io::Error),
}

/// No artifact is larger.
const LARGEST: u64 = 16 << 30;

impl Problem {
    /// Whether trying again may help.
    fn is_transient(&self) -> bool {
        match self {
            Problem::Status(status) => *status == 408 || *status == 429 || *status >= 500,
            Problem::Truncated { .. } | Problem::Network(_) => true,
            Problem::Digest { .. } | Problem::TooLarge | Problem::Scheme | Problem::File(_) => false,
        }
    }
}

/// Fetches all artifacts; one result each, in their order. Another kubi that fetches into the same cache is waited for.
pub fn fetch(
    artifacts: &[LockedArtifact],
    cache: &Cache,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<Result<Fetched, FetchError>>, FetchError> {
    let missing = artifacts.iter().any(|artifact| !cache.has(&artifact.digest));
    if !missing {
        return Ok(artifacts.iter().map(|_| Ok(Fetched::Present)).collect());
    }
    let partial = cache.root().join("partial");
    fs::create_dir_all(&partial).map_err(cache_error(&partial))?;
    let _only_one =
        LockFile::acquire(&partial.join(".lock"), &mut || tracing::warn!("another kubi is fetching: waiting"))?;
    let agent = agent(options);
    let one = |index: usize| {
        let result = Transfer { agent: &agent, options, watch, index, came: 0 }.fetch(&artifacts[index], cache);
        watch.end(index);
        (index, result)
    };
    // Two of the same bytes share a partial file: the second waits for the first, and finds it in the cache.
    let mut seen = BTreeSet::new();
    let (first, again): (Vec<_>, Vec<_>) =
        (0..artifacts.len()).partition(|index| seen.insert(&artifacts[*index].digest));
    let (next, results) = (AtomicUsize::new(0), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, first.len().max(1)) {
            scope.spawn(|| {
                while let Some(index) = first.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = one(*index);
                    // The lock is only poisoned by a panic, which ends the whole scope.
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(result);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.extend(again.into_iter().map(one));
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn agent(options: &Options) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(options.patience))
        .timeout_recv_response(Some(options.patience))
        .timeout_per_read(Some(options.patience))
        .user_agent(concat!("kubi/", env!("CARGO_PKG_VERSION")));
    config.build().new_agent()
}

struct Transfer<'a> {
    agent: &'a ureq::Agent,
    options: &'a Options,
    watch: &'a dyn Watch,
    index: usize,
    /// Bytes that came in this run.
    came: u64,
}

impl Transfer<'_> {
    fn fetch(&mut self, artifact: &LockedArtifact, cache: &Cache) -> Result<Fetched, FetchError> {
        if cache.has(&artifact.digest) {
            return Ok(Fetched::Present);
        }
        if artifact.is_vendored() {
            return Err(FetchError::Vendored);
        }
        let urls = match &self.options.mirror {
            Some(prefix) => mirrored(&artifact.source, prefix),
            None => vec![artifact.source.clone()],
        };
        let partial = cache.partial(&artifact.digest).map_err(cache_error(cache.root()))?;
        let mut first_problem = None;
        for url in urls {
            match self.try_address(&url, &partial, &artifact.digest) {
                Ok(()) => {
                    cache.adopt(&partial, &artifact.digest).map_err(cache_error(&partial))?;
                    return Ok(Fetched::Downloaded(self.came));
                }
                Err(problem) => {
                    first_problem.get_or_insert(FetchError::Transfer { url, problem });
                }
            }
        }
        // There is always at least one address.
        Err(first_problem.unwrap_or(FetchError::Vendored))
    }

    fn try_address(&mut self, url: &str, partial: &Path, digest: &Digest) -> Result<(), Problem> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let had = fs::metadata(partial).map_or(0, |metadata| metadata.len());
            let problem = match self.transfer(url, partial) {
                Ok(found) if found == *digest => return Ok(()),
                Ok(found) => {
                    fs::remove_file(partial).map_err(Problem::File)?;
                    // What was left from an earlier run may have been wrong: once more, from the start.
                    if had > 0 && attempt <= self.options.attempts {
                        continue;
                    }
                    return Err(Problem::Digest { found });
                }
                Err(problem) => problem,
            };
            if !problem.is_transient() || attempt >= self.options.attempts {
                return Err(problem);
            }
            tracing::debug!("{url}: {problem}; trying again");
            std::thread::sleep(Duration::from_millis(200) * 2_u32.saturating_pow(attempt.min(6)));
        }
    }

    /// Completes the partial file from `url`; gives the digest of all of it.
    fn transfer(&mut self, url: &str, partial: &Path) -> Result<Digest, Problem> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(partial);
        let mut file = options.map_err(Problem::File)?;
        match url.split_once("://") {
            Some(("file", path)) => {
                let mut source = File::open(decoded(path)).map_err(Problem::File)?;
                let size = source.metadata().map_err(Problem::File)?.len();
                restart(&mut file)?;
                self.copy(&mut source, Sha256::new(), 0, Some(size), &mut file)
            }
            Some(("http" | "https", _)) => self.over_http(url, &mut file),
            _ => Err(Problem::Scheme),
        }
    }

    fn over_http(&mut self, url: &str, file: &mut File) -> Result<Digest, Problem> {
        let mut hash = Sha256::new();
        let mut have = rehash(file, &mut hash).map_err(Problem::File)?;
        let mut request = self.agent.get(url);
        if have > 0 {
            request = request.header("range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| Problem::Network(error.to_string()))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        match response.status().as_u16() {
            206 if have > 0
                && header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {have}-"))) => {}
            // The whole file, or a part that was not asked for.
            200 => {
                restart(file)?;
                (hash, have) = (Sha256::new(), 0);
            }
            // Nothing is left to send: what is there is whole, or wrong, which its digest tells.
            416 if have > 0 => return Ok(Digest::from_sha256(&hash.finalize().into())),
            status => return Err(Problem::Status(status)),
        }
        let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
        let total = length.and_then(|length| length.checked_add(have));
        let mut body = response.into_body().into_with_config().limit(LARGEST).reader();
        self.copy(&mut body, hash, have, total, file)
    }

    fn copy(
        &mut self,
        source: &mut dyn Read,
        mut hash: Sha256,
        have: u64,
        total: Option<u64>,
        file: &mut File,
    ) -> Result<Digest, Problem> {
        if total.is_some_and(|total| total > LARGEST) {
            return Err(Problem::TooLarge);
        }
        self.watch.start(self.index, total, have);
        let mut length = have;
        let mut buffer = vec![0; CHUNK];
        loop {
            let got = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What came is kept: the next attempt goes on there.
                Err(error) => return Err(Problem::Network(error.to_string())),
            };
            hash.update(&buffer[..got]);
            file.write_all(&buffer[..got]).map_err(Problem::File)?;
            length += got as u64;
            self.came += got as u64;
            if length > LARGEST {
                return Err(Problem::TooLarge);
            }
            self.watch.advance(self.index, got as u64);
        }
        match total {
            Some(expected) if length < expected => Err(Problem::Truncated { got: length, expected }),
            _ => Ok(Digest::from_sha256(&hash.finalize().into())),
        }
    }
}

/// Hashes what an earlier transfer left, and stands at its end.
fn rehash(file: &mut File, hash: &mut Sha256) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut length = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            return Ok(length);
        }
        hash.update(&buffer[..got]);
        length += got as u64;
    }
}

fn restart(file: &mut File) -> Result<(), Problem> {
    file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map(drop).map_err(Problem::File)
}

/// A `file://` address's path, with `%20` and the like resolved (RFC 8089).
fn decoded(path: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let (mut bytes, mut rest) = (vec![], path.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => (bytes, rest) = ([bytes, vec![byte]].concat(), &tail[2..]),
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn cache_error(path: &Path) -> impl Fn(io::Error) -> FetchError + '_ {
    |error| FetchError::Cache { path: path.to_owned(), error }
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
