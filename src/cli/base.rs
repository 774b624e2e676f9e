//! `kubi base`: makes or takes the operating system image that overlays build on, and pins it.

use super::fetch::folder_of;
use super::vendor::parse_architecture;
use super::{Exit, Failure, Outcome, Ui};
use crate::artifact::base::Suite;
use crate::artifact::{ImageFormat, Lock, LockedBase};
use crate::edge::base_build::{BaseRequest, BuiltBase, build};
use crate::edge::base_pin::pin;
use crate::edge::cache::Cache;
use crate::edge::lock_store::{Reading, read_lock, write_lock};
use crate::edge::scratch::Scratch;
use crate::spec::model::Architecture;
use crate::spec::units::Bytes;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  kubi base build                     Debian as ./cluster.yaml names it, with the packages that it needs
  kubi base build --suite trixie -o . the image, its kernel and its initrd, also in this directory
  kubi base add debian-13-genericcloud-amd64.qcow2 --name debian-13
                                      a stock cloud image, or one of your own
  kubi base list                      what kubi.lock pins";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BaseArgs {
    #[command(subcommand)]
    pub command: BaseCommand,
}

#[derive(Debug, clap::Subcommand)]
pub enum BaseCommand {
    /// Makes a Debian image from packages (needs mmdebstrap) and pins it
    Build(Box<BuildArgs>),
    /// Takes an image file, raw or qcow2 with an ext4 root, and pins it
    Add(AddArgs),
    /// Shows the pinned image
    List(ListArgs),
}

#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// The spec, or the directory that holds it as cluster.yaml; without one, nothing is pinned
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// Debian release: bookworm (debian-12) or trixie (debian-13); the spec's `base` when not given
    #[arg(long)]
    pub suite: Option<Suite>,
    /// Name of the image; the spec's `base`, else the release's
    #[arg(long)]
    pub name: Option<String>,
    /// amd64 or arm64; this machine's when not given
    #[arg(long, value_parser = parse_architecture)]
    pub arch: Option<Architecture>,
    /// Debian packages beside those that the spec needs
    #[arg(long, value_delimiter = ',', value_name = "PACKAGE,...", value_parser = parse_package)]
    pub packages: Vec<String>,
    /// Mirror: an address, or a whole line as in sources.list; the host's own when not given
    #[arg(long, value_name = "MIRROR")]
    pub mirror: Vec<String>,
    /// Option for the apt that installs the packages, as in apt.conf
    #[arg(long, value_name = "OPTION")]
    pub apt_option: Vec<String>,
    /// Size of the disk that the guest sees; its root file system grows with larger disks
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub size: Bytes,
    #[arg(long, value_enum, default_value = "qcow2")]
    pub format: FormatArgument,
    /// Also leave the image, its kernel and its initrd in this directory
    #[arg(short = 'o', long = "directory", alias = "output-directory", value_name = "DIR")]
    pub output_directory: Option<PathBuf>,
    /// Build although the pinned image has everything that is asked for
    #[arg(long)]
    pub force: bool,
    /// Cache of base images and artifacts; $KUBI_CACHE, or kubi in the user's cache directory when not given
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum FormatArgument {
    Raw,
    Qcow2,
}

#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// The image file; it is copied into the cache
    pub image: PathBuf,
    /// Name that the spec's `base` uses; the spec's own when not given
    #[arg(long)]
    pub name: Option<String>,
    /// amd64 or arm64, where the image does not say
    #[arg(long, value_parser = parse_architecture)]
    pub arch: Option<Architecture>,
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// A Debian package's name (Debian Policy, 5.6.1).
fn parse_package(text: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if first && text.len() > 1 && text.bytes().all(good) {
        Ok(text.to_owned())
    } else {
        Err("that is no package's name".to_owned())
    }
}

pub fn run(args: &BaseArgs, ui: &Ui) -> Outcome {
    match &args.command {
        BaseCommand::Build(args) => build_base(args, ui),
        BaseCommand::Add(args) => add(args, ui),
        BaseCommand::List(args) => list(args, ui),
    }
}

/// What the cluster's folder says about its base image; empty where there is no spec.
#[derive(Default)]
struct Wanted {
    lock: Option<Lock>,
    name: Option<String>,
    packages: BTreeSet<String>,
}

fn wanted(file: &Path, ui: &Ui) -> Result<Wanted, Failure> {
    let spec = if file.is_dir() { file.join("cluster.yaml") } else { file.to_owned() };
    if !spec.exists() && file == Path::new("cluster.yaml") {
        return Ok(Wanted::default());
    }
    let (inputs, lock) = super::lock::read(ui, file)?;
    let needs = super::lock::needs(ui, &inputs)?;
    Ok(Wanted { lock: Some(lock), name: Some(needs.base), packages: needs.packages })
}

fn build_base(args: &BuildArgs, ui: &Ui) -> Outcome {
    let wanted = wanted(&args.file, ui)?;
    let by_name = wanted.name.as_deref().and_then(|name| name.parse().ok());
    let suite = args.suite.or(by_name).ok_or_else(|| {
        Failure::wrong("which Debian release?").help("say --suite trixie, or write `base: debian-13` in the spec")
    })?;
    let name = args.name.clone().or(wanted.name).unwrap_or_else(|| suite.base_name().to_owned());
    let host = if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::Amd64 };
    let packages: BTreeSet<String> = wanted.packages.into_iter().chain(args.packages.iter().cloned()).collect();
    let request = BaseRequest {
        name,
        suite,
        architecture: args.arch.unwrap_or(host),
        packages: packages.into_iter().collect(),
        mirrors: args.mirror.clone(),
        apt_options: args.apt_option.clone(),
        format: match args.format {
            FormatArgument::Raw => ImageFormat::Raw,
            FormatArgument::Qcow2 => ImageFormat::Qcow2,
        },
        disk_size: args.size.0,
    };
    let cache = Cache::find(args.cache.as_deref()).map_err(Failure::machine)?;
    let pinned = wanted.lock.as_ref().and_then(|lock| lock.base.as_ref());
    let again = args.force || args.output_directory.is_some();
    if let Some(base) = pinned.filter(|base| !again && satisfies(base, &request, &cache)) {
        ui.note("the pinned image has everything that is asked for; --force builds it again");
        return show(base, &cache, ui);
    }
    let base = build_and_pin(&request, args.output_directory.as_deref(), &cache, ui)?;
    match wanted.lock {
        Some(_) => write(&folder_of(&args.file), &base)?,
        None => ui.note("there is no cluster.yaml here: the image is in the cache, but no kubi.lock pins it"),
    }
    show(&base, &cache, ui)
}

/// Whether the pinned image can stay.
fn satisfies(base: &LockedBase, request: &BaseRequest, cache: &Cache) -> bool {
    let kind = base.name == request.name && base.architecture == request.architecture && base.format == request.format;
    let packages = request.packages.iter().all(|package| base.packages.contains_key(package));
    kind && packages && base.virtual_size == request.disk_size && cache.has(&base.digest)
}

fn build_and_pin(request: &BaseRequest, output: Option<&Path>, cache: &Cache, ui: &Ui) -> Result<LockedBase, Failure> {
    std::fs::create_dir_all(cache.root()).map_err(Failure::machine)?;
    let scratch = Scratch::new_in(cache.root(), ".base-").map_err(Failure::machine)?;
    let directory = output.unwrap_or(scratch.path());
    std::fs::create_dir_all(directory).map_err(Failure::machine)?;
    let BuiltBase { image, .. } =
        build(request, directory, &|step| ui.note(format!("{}: {step}", request.name))).map_err(Failure::machine)?;
    pin(&image, &request.name, Some(request.architecture), cache).map_err(Failure::machine)
}

/// Reads the lock again: making an image takes a minute, in which something else may have been pinned.
fn write(folder: &Path, base: &LockedBase) -> Result<(), Failure> {
    let mut lock = read_lock(folder, Reading::Edited).map_err(Failure::wrong)?;
    lock.base = Some(base.clone());
    write_lock(folder, &lock).map(drop).map_err(Failure::machine)
}

fn add(args: &AddArgs, ui: &Ui) -> Outcome {
    let folder = folder_of(&args.file);
    let name = match &args.name {
        Some(name) => name.clone(),
        None => wanted(&args.file, ui)?.name.ok_or_else(|| {
            Failure::wrong("what is the image called?").help("say --name, as the spec's `base` has it")
        })?,
    };
    let cache = Cache::find(args.cache.as_deref()).map_err(Failure::machine)?;
    let base = pin(&args.image, &name, args.arch, &cache).map_err(Failure::machine)?;
    write(&folder, &base)?;
    show(&base, &cache, ui)
}

fn list(args: &ListArgs, ui: &Ui) -> Outcome {
    let lock = read_lock(&folder_of(&args.file), Reading::Strict).map_err(Failure::wrong)?;
    let cache = Cache::find(args.cache.as_deref()).map_err(Failure::machine)?;
    match &lock.base {
        Some(base) => show(base, &cache, ui),
        None if ui.is_json() => ui.json(&serde_json::Value::Null).map(|()| Exit::Done),
        None => {
            ui.note("kubi.lock pins no base image: run `kubi base build` or `kubi base add IMAGE`");
            Ok(Exit::Done)
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    base: &'a LockedBase,
    file: PathBuf,
    cached: bool,
}

fn show(base: &LockedBase, cache: &Cache, ui: &Ui) -> Outcome {
    let shown = Shown { base, file: cache.path(&base.digest), cached: cache.has(&base.digest) };
    if ui.is_json() {
        ui.json(&shown)?;
        return Ok(Exit::Done);
    }
    ui.line(format!("name          {} ({})", base.name, base.architecture.name()));
    ui.line(format!("digest        {}", base.digest));
    ui.line(format!("disk          {}, {} packages", Bytes(base.virtual_size), base.packages.len()));
    ui.line(format!("root          {}", base.root));
    let cached = if shown.cached { "" } else { " (missing)" };
    ui.line(format!("file          {}{cached}", shown.file.display()));
    for (kind, digest) in [("kernel", &base.kernel), ("initrd", &base.initrd)] {
        if let Some(digest) = digest {
            ui.line(format!("{kind:13} {}", cache.path(digest).display()));
        }
    }
    Ok(Exit::Done)
}
