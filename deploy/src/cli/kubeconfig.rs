//! `kubeconfig`: prints the admin kubeconfig, or merges it into another one.

use super::{Cli, Exit, Failure, Outcome, Ui};
use crate::services::merge_kubeconfig;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct KubeconfigArgs {
    /// Adds it to this file, and makes its context the current one; entries of the same names are replaced
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "")]
    pub merge: Option<String>,
}

pub fn run(cli: &Cli, args: &KubeconfigArgs, ui: &Ui) -> Outcome {
    let folder = cli.folder()?;
    let build = folder.build()?;
    let path = folder.kubeconfig(&build);
    let path = path.ok_or_else(|| Failure::new(Exit::Blocked, "the build has no operator's kubeconfig"))?;
    let own = std::fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
    let Some(target) = &args.merge else {
        ui.print(own);
        return Ok(Exit::Done);
    };
    let target = target_path(target)?;
    let there = match std::fs::read_to_string(&target) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&target, &error)),
    };
    // A link is followed once, here: what is replaced is the file, and what was there keeps being one.
    let target = std::fs::canonicalize(&target).unwrap_or(target);
    let merged = merge_kubeconfig(&there, &own).map_err(|error| failed(&target, &error))?;
    replace(&target, &merged).map_err(|error| failed(&target, &error))?;
    ui.note(format!("merged into {}", target.display()));
    Ok(Exit::Done)
}

/// What kubectl would read: the first file of KUBECONFIG, else the one in the home directory.
fn target_path(named: &str) -> Result<PathBuf, Failure> {
    if !named.is_empty() {
        return Ok(PathBuf::from(named));
    }
    if let Some(list) = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty())
        && let Some(first) = std::env::split_paths(&list).next()
    {
        return Ok(first);
    }
    let home =
        std::env::var_os("HOME").ok_or_else(|| Failure::new(Exit::Failed, "HOME is not set: say --merge FILE"))?;
    Ok(Path::new(&home).join(".kube/config"))
}

/// The file holds keys: it is its owner's alone from the start.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".kubi-new-{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    // Never a file that somebody else has put there, and never through a link.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = write_and_rename(&mut file, text, &temporary, path);
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_and_rename(file: &mut std::fs::File, text: &str, temporary: &Path, path: &Path) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(temporary, path)
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}
