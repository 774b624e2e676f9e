//! `kubi vendor`: files that the user brings instead of fetching them.

use super::fetch::folder_of;
use super::{Exit, Failure, Outcome, Ui};
use crate::artifact::{Catalog, Lock, LockedArtifact, VENDORED, packing};
use crate::edge::base_pin::pin;
use crate::edge::cache::Cache;
use crate::edge::cache_write::digest_file;
use crate::edge::lock_store::{Reading, read_catalog, read_lock, write_lock};
use crate::spec::model::Architecture;
use crate::tree::Digest;
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  kubi vendor add ~/Downloads            every file there that is known, by its digest
  kubi vendor add kubelet --name kubelet --version 1.36.4 --arch amd64 --trust
                                         a build of your own: pins it in kubi.lock
  kubi vendor list                       what is pinned, and what the cache lacks
  kubi vendor remove kubelet 1.36.4      forgets a build of your own; `kubi lock` pins the published one

A known file needs no flags: its digest says what it is. A file that nobody published is pinned only
with --trust, because from then on every node runs it.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct VendorArgs {
    #[command(subcommand)]
    pub command: VendorCommand,
}

#[derive(Debug, clap::Subcommand)]
pub enum VendorCommand {
    /// Puts files into the cache; a build of your own is also pinned in kubi.lock
    #[command(disable_version_flag = true)] // `--version` is the artifact's
    Add(AddArgs),
    /// Lists the pinned artifacts and whether the cache has them
    List(ListArgs),
    /// Takes a build of your own out of kubi.lock
    #[command(disable_version_flag = true)]
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
pub struct Place {
    /// The spec, or the directory that holds it as cluster.yaml; its kubi.lock is used
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// Cache of base images and artifacts; $KUBI_CACHE, or kubi in the user's cache directory when not given
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct AddArgs {
    #[command(flatten)]
    pub place: Place,
    /// Files, or directories whose files are looked at
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Artifact that the file is a build of, as in the catalog
    #[arg(long, requires_all = ["version", "trust"])]
    pub name: Option<String>,
    /// Version that the spec asks for
    #[arg(long, requires = "name")]
    pub version: Option<String>,
    /// Architecture that the file is for: amd64 or arm64
    #[arg(long, requires = "name", value_parser = parse_architecture)]
    pub arch: Option<Architecture>,
    /// Yes, pin this file although nobody published its digest
    #[arg(long, requires = "name")]
    pub trust: bool,
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    pub place: Place,
    pub name: String,
    pub version: String,
    /// Architecture; both when not given
    #[arg(long, value_parser = parse_architecture)]
    pub arch: Option<Architecture>,
}

/// Reads an architecture's name.
pub(super) fn parse_architecture(text: &str) -> Result<Architecture, String> {
    let known = [Architecture::Amd64, Architecture::Arm64];
    known.into_iter().find(|known| known.name() == text).ok_or_else(|| "write amd64 or arm64".to_owned())
}

pub fn run(args: &VendorArgs, ui: &Ui) -> Outcome {
    match &args.command {
        VendorCommand::Add(args) => add(args, ui),
        VendorCommand::List(args) => list(args, ui),
        VendorCommand::Remove(args) => remove(args, ui),
    }
}

struct Context {
    folder: PathBuf,
    lock: Lock,
    catalog: Catalog,
    cache: Cache,
}

fn context(place: &Place, reading: Reading) -> Result<Context, Failure> {
    let folder = folder_of(&place.file);
    let lock = read_lock(&folder, reading).map_err(Failure::wrong)?;
    let catalog = read_catalog(&folder).map_err(Failure::wrong)?;
    let cache = Cache::find(place.cache.as_deref()).map_err(Failure::machine)?;
    Ok(Context { folder, lock, catalog, cache })
}

#[derive(Serialize)]
struct Added {
    file: String,
    digest: String,
    /// What it is; null for a file that nothing knows.
    artifact: Option<String>,
}

fn add(args: &AddArgs, ui: &Ui) -> Outcome {
    let mut context = context(&args.place, Reading::Strict)?;
    let added = match (&args.name, &args.version) {
        (Some(name), Some(version)) => vec![add_own(args, name, version, &mut context)?],
        _ => add_known(args, &context)?,
    };
    if ui.is_json() {
        ui.json(&added)?;
    } else {
        for file in &added {
            let what = file.artifact.as_deref().unwrap_or("unknown, left alone");
            ui.line(format!("{}: {what}", file.file));
        }
    }
    if added.iter().any(|file| file.artifact.is_some()) {
        return Ok(Exit::Done);
    }
    Err(Failure::wrong("no file has a digest that kubi.lock or the catalog knows").help(
        "compare it with the one that `kubi fetch` names; to use a build of your own, say what it is: --name NAME \
         --version VERSION --arch ARCH --trust",
    ))
}

fn add_known(args: &AddArgs, context: &Context) -> Result<Vec<Added>, Failure> {
    let mut added = vec![];
    for path in files_of(&args.files)? {
        let failed = |error| Failure::machine(format!("{}: {error}", path.display()));
        let digest = digest_file(&path).map_err(failed)?;
        let artifact = recognise(&digest, context);
        match context.lock.base.as_ref().filter(|base| base.digest == digest) {
            // Its kernel and initrd, for direct kernel boot, come with it.
            Some(base) => drop(pin(&path, &base.name, None, &context.cache).map_err(Failure::machine)?),
            None if artifact.is_some() => drop(context.cache.add(&path).map_err(failed)?),
            None => {}
        }
        added.push(Added { file: path.display().to_string(), digest: digest.to_string(), artifact });
    }
    Ok(added)
}

/// What has this digest: in the lock first, which may pin the user's own builds, then in the catalog.
fn recognise(digest: &Digest, context: &Context) -> Option<String> {
    let base = context.lock.base.as_ref().filter(|base| base.digest == *digest);
    let base = base.map(|base| format!("base image {}", base.name));
    let pinned = context.lock.artifacts.iter().find(|artifact| artifact.digest == *digest).map(ToString::to_string);
    let known = context.catalog.recognise(digest);
    base.or(pinned)
        .or_else(|| known.map(|(name, version, platform)| format!("{name} {version} for {}", platform.name())))
}

/// The files given, and those directly in the directories given, sorted.
fn files_of(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = vec![];
    for path in given {
        let failed = |error: std::io::Error| Failure::machine(format!("{}: {error}", path.display()));
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(failed)?;
        let mut inside = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
        inside.retain(|path| path.is_file());
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn add_own(args: &AddArgs, name: &str, version: &str, context: &mut Context) -> Result<Added, Failure> {
    let [file] = args.files.as_slice() else {
        return Err(Failure::wrong("--name says what one file is: add one file at a time"));
    };
    if context.catalog.get(name).is_none() {
        let known: Vec<&str> = context.catalog.artifacts().keys().map(String::as_str).collect();
        return Err(Failure::wrong(format!("no artifact is called {name:?}")).help(format!(
            "known: {}; a new one needs an entry in the cluster's own vendor/catalog.yaml, which says where its files go",
            known.join(", ")
        )));
    }
    let failed = |error| Failure::machine(format!("{}: {error}", file.display()));
    let platform = match (args.arch, elf_architecture(file).map_err(failed)?) {
        (Some(wanted), Some(found)) if wanted != found => {
            return Err(Failure::wrong(format!("{} is a program for {}", file.display(), found.name())));
        }
        (Some(wanted), _) => wanted,
        (None, Some(found)) => found,
        (None, None) => return Err(Failure::wrong("which architecture is it for?").help("say --arch amd64 or arm64")),
    };
    check_packing(file, name, version, platform, &context.catalog)?;
    let digest = context.cache.add(file).map_err(failed)?;
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let artifact = LockedArtifact {
        name: name.to_owned(),
        version: version.to_owned(),
        platform,
        digest,
        source: format!("{VENDORED}{file_name}"),
    };
    let shown = format!("{artifact}, pinned as a build of your own");
    context.lock.put(artifact);
    context.lock.check(&context.catalog).map_err(Failure::wrong)?;
    write_lock(&context.folder, &context.lock).map_err(Failure::machine)?;
    Ok(Added { file: file.display().to_string(), digest: digest.to_string(), artifact: Some(shown) })
}

/// Refuses an archive that lacks what the catalog installs from it: better now than when a disk is made from it.
fn check_packing(
    file: &Path,
    name: &str,
    version: &str,
    platform: Architecture,
    catalog: &Catalog,
) -> Result<(), Failure> {
    let Some(known) = catalog.get(name) else { return Ok(()) };
    let shown = file.display();
    let input = std::fs::File::open(file).map_err(|error| Failure::machine(format!("{shown}: {error}")))?;
    packing::check(known, version, platform, std::io::BufReader::new(input)).map_err(|error| {
        let members: Vec<&str> = known.install.keys().map(String::as_str).collect();
        let (members, format) = (members.join(", "), known.format.name());
        Failure::wrong(format!("{shown}: {error}")).help(format!("{name} is a {format} archive with {members}"))
    })
}

/// Which machine a program is for; `None` when the file is no ELF program of an architecture that kubi knows.
fn elf_architecture(path: &Path) -> std::io::Result<Option<Architecture>> {
    use std::io::Read as _;
    let mut header = vec![];
    std::fs::File::open(path)?.take(20).read_to_end(&mut header)?;
    if header.len() < 20 || !header.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    // e_machine (System V ABI): EM_X86_64 and EM_AARCH64.
    Ok(match u16::from_le_bytes([header[18], header[19]]) {
        62 => Some(Architecture::Amd64),
        183 => Some(Architecture::Arm64),
        _ => None,
    })
}

#[derive(Serialize)]
struct Listed<'a> {
    artifact: String,
    digest: &'a Digest,
    source: &'a str,
    own: bool,
    cached: bool,
}

fn list(args: &ListArgs, ui: &Ui) -> Outcome {
    let context = context(&args.place, Reading::Strict)?;
    let listed = context.lock.artifacts.iter().map(|artifact| Listed {
        artifact: artifact.to_string(),
        digest: &artifact.digest,
        source: &artifact.source,
        own: artifact.is_vendored(),
        cached: context.cache.has(&artifact.digest),
    });
    let listed: Vec<_> = listed.collect();
    if ui.is_json() {
        ui.json(&listed)?;
        return Ok(Exit::Done);
    }
    for item in &listed {
        let cached = if item.cached { "cached " } else { "missing" };
        let own = if item.own { ", your own build" } else { "" };
        ui.line(format!("{cached}  {}{own}", item.artifact));
    }
    Ok(Exit::Done)
}

fn remove(args: &RemoveArgs, ui: &Ui) -> Outcome {
    let mut context = context(&args.place, Reading::Edited)?;
    let wanted = |artifact: &LockedArtifact| {
        let (name, version, platform) = artifact.key();
        artifact.is_vendored()
            && name == args.name
            && version == args.version
            && args.arch.is_none_or(|arch| arch == platform)
    };
    let before = context.lock.artifacts.len();
    context.lock.artifacts.retain(|artifact| !wanted(artifact));
    if context.lock.artifacts.len() == before {
        return Err(Failure::wrong(format!("kubi.lock pins no own build of {} {}", args.name, args.version))
            .help("`kubi vendor list` shows what it pins"));
    }
    write_lock(&context.folder, &context.lock).map_err(Failure::machine)?;
    ui.note("removed; run `kubi lock` to pin the published release");
    Ok(Exit::Done)
}
