//! Files and directories, with errors that name the path. Modes given here are exact, whatever the umask is.

use super::names::Names;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Something the file system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {path}: {source}")]
pub struct FileError {
    pub verb: &'static str,
    pub path: String,
    pub source: io::Error,
}

/// For `map_err`: what was tried with which path.
pub fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { verb, path: path.display().to_string(), source }
}

/// The permission bits that new files lose, found by trying below `directory`.
///
/// Reading the umask of a process changes it for a moment, for all threads; making a directory does not.
pub fn probe_umask(directory: &Path) -> Result<u32, FileError> {
    let probe = directory.join(".mode");
    fs::DirBuilder::new().mode(0o777).create(&probe).map_err(failed("create", &probe))?;
    let mode = fs::symlink_metadata(&probe).map_err(failed("read", &probe))?.mode();
    fs::remove_dir(&probe).map_err(failed("remove", &probe))?;
    Ok(!mode & 0o777)
}

/// Creates a file that must not exist yet.
pub fn create(path: &Path, bytes: &[u8], mode: u32, umask: u32) -> Result<(), FileError> {
    let mut file = create_open(path, mode, umask)?;
    file.write_all(bytes).map_err(failed("write", path))
}

/// As [`create`], for a caller that writes the bytes itself.
pub fn create_open(path: &Path, mode: u32, umask: u32) -> Result<File, FileError> {
    let options = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path);
    let file = options.map_err(failed("create", path))?;
    if mode & umask != 0 {
        file.set_permissions(Permissions::from_mode(mode)).map_err(failed("set the mode of", path))?;
    }
    Ok(file)
}

/// Creates a directory that must not exist yet.
pub fn create_directory(path: &Path, mode: u32, umask: u32) -> Result<(), FileError> {
    fs::DirBuilder::new().mode(mode).create(path).map_err(failed("create", path))?;
    if mode & umask != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("set the mode of", path))?;
    }
    Ok(())
}

/// Creates a directory where there is none yet.
pub fn ensure_directory(path: &Path, mode: u32, umask: u32) -> Result<(), FileError> {
    match create_directory(path, mode, umask) {
        Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

/// Replaces a file in one step: a reader sees the old bytes or the new ones, also after a crash.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = path.file_name().map(|name| format!(".{}.", name.to_string_lossy())).unwrap_or_default();
    let builder =
        tempfile::Builder::new().prefix(&prefix).permissions(Permissions::from_mode(0o600)).tempfile_in(parent);
    let mut file = builder.map_err(failed("create a file in", parent))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed("set the mode of", path))?;
    file.as_file().sync_all().map_err(failed("write", path))?;
    file.persist(path).map_err(|error| failed("replace", path)(error.error))?;
    sync_directory(parent)
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> Result<(), FileError> {
    let directory = File::open(path).map_err(failed("open", path))?;
    directory.sync_all().map_err(failed("write", path))
}

/// Makes the bytes of all files below a directory durable. A few are synced by themselves, at the same time, so that the
/// file system writes its journal once; for many it is far cheaper to sync the file system, with whatever others wrote.
pub fn sync_below(path: &Path) -> Result<(), FileError> {
    const FEW: usize = 64;
    let found = files_below(path)?;
    if found.len() > FEW {
        let directory = File::open(path).map_err(failed("open", path))?;
        return rustix::fs::syncfs(&directory).map_err(|error| failed("write", path)(error.into()));
    }
    let files = found.iter().map(|file| path.join(file)).filter(|file| !file.is_symlink());
    let sync = |file: &Path| File::open(file).and_then(|file| file.sync_all()).map_err(failed("write", file));
    // All at once: each waits for the same commit of the journal.
    at_a_time(FEW, files.collect(), sync)
}

pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(failed("read", path))
}

/// `None` where there is no such file.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    optional(fs::read(path)).map_err(failed("read", path))
}

/// The names in a directory; none where there is no directory. Names that are no UTF-8 are given with replacements.
pub fn names(path: &Path) -> Result<Names, FileError> {
    let Some(entries) = optional(fs::read_dir(path)).map_err(failed("read", path))? else {
        return Ok(Names::default());
    };
    entries.map(|entry| Ok(text(entry?.file_name()))).collect::<io::Result<_>>().map_err(failed("read", path))
}

fn text(name: OsString) -> String {
    name.into_string().unwrap_or_else(|name| name.to_string_lossy().into_owned())
}

/// The files below a directory, as relative paths; none where there is no directory. Links are not followed.
pub fn files_below(path: &Path) -> Result<Names, FileError> {
    files_below_all(path, &[""])
}

/// As [`files_below`] for several folders of `root`, as paths relative to `root`.
pub fn files_below_all(root: &Path, folders: &[&str]) -> Result<Names, FileError> {
    let mut found = Vec::new();
    let mut open: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    while let Some(prefix) = open.pop() {
        let folder = root.join(&prefix);
        let Some(entries) = optional(fs::read_dir(&folder)).map_err(failed("read", &folder))? else { continue };
        for entry in entries {
            let entry = entry.map_err(failed("read", &folder))?;
            let name = text(entry.file_name());
            let relative = if prefix.is_empty() { name } else { [&prefix, "/", &name].concat() };
            // The directory itself says what each name is: no look at every file.
            if entry.file_type().map_err(failed("read", &folder))?.is_dir() {
                open.push(relative);
            } else {
                found.push(relative);
            }
        }
    }
    Ok(found.into_iter().collect())
}

pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(failed("move a file to", to))
}

/// As [`rename`], and fine where `from` is not there.
pub fn rename_if_there(from: &Path, to: &Path) -> Result<(), FileError> {
    optional(fs::rename(from, to)).map(drop).map_err(failed("move a file to", to))
}

/// Removes a directory and all below it, or a file; fine where nothing is.
pub fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    optional(removed).map(drop).map_err(failed("remove", path))
}

/// Removes many folders, several at a time: on some disks each name that is taken away is waited for, and a build of a
/// thousand nodes leaves a hundred thousand old files.
pub fn remove_all_in(folder: &Path) -> Result<(), FileError> {
    const THREADS: usize = 8;
    at_a_time(THREADS, names(folder)?.into_iter().map(|name| folder.join(name)).collect(), remove)
}

/// Does something to many paths, several at a time, because most of it is waiting for the disk.
fn at_a_time(
    threads: usize,
    paths: Vec<PathBuf>,
    act: impl Fn(&Path) -> Result<(), FileError> + Sync,
) -> Result<(), FileError> {
    let each = paths.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let act = &act;
        let start = |part| scope.spawn(move || <[PathBuf]>::iter(part).try_for_each(|path| act(path)));
        let threads: Vec<_> = paths.chunks(each).map(start).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The number of the file system that a path is on; `None` where nothing is.
pub fn device(path: &Path) -> Result<Option<u64>, FileError> {
    let metadata = optional(fs::metadata(path)).map_err(failed("read", path))?;
    Ok(metadata.map(|metadata| metadata.dev()))
}

/// Copies a file, sharing its blocks where the file system can, else as a hard link, else byte by byte.
pub fn share_or_copy(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    let source = File::open(from).map_err(failed("read", from))?;
    let target = create_open(to, mode, 0o777)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    drop(target);
    fs::remove_file(to).map_err(failed("remove", to))?;
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map_err(failed("write", to))?;
    fs::set_permissions(to, Permissions::from_mode(mode)).map_err(failed("set the mode of", to))
}

fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Joins names that are checked to be relative and without `..`.
pub fn below(root: &Path, relative: &str) -> Option<PathBuf> {
    let plain = relative.split('/').all(|part| !matches!(part, "" | "." | ".."));
    (plain && !relative.contains('\0')).then(|| root.join(relative))
}
