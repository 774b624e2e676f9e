//! `kubi fetch`: brings every pinned artifact into the cache.

use super::{Exit, Failure, Outcome, Ui};
use crate::artifact::{LockedArtifact, file_name};
use crate::edge::cache::Cache;
use crate::edge::download::{FetchError, Fetched, Options, Watch, fetch};
use crate::edge::lock_store::{Reading, read_catalog, read_lock};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const EXAMPLES: &str = "\
Examples:
  kubi fetch                               everything that ./kubi.lock pins and the cache lacks
  kubi fetch --mirror https://mirror/kubi  asks PREFIX/HOST/PATH, then PREFIX/FILE, instead of the sources
  kubi fetch --mirror file:///media/usb    the same from a directory

An interrupted fetch goes on where it stopped. What cannot be fetched is named with its digest:
bring the file by other means and run `kubi vendor add FILE`.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FetchArgs {
    /// The spec, or the directory that holds it as cluster.yaml; its kubi.lock is read
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// Address prefix to ask instead of the artifacts' own sources
    #[arg(long, value_name = "PREFIX")]
    pub mirror: Option<String>,
    /// Files to fetch at a time
    #[arg(short, long, value_name = "N", default_value_t = 4)]
    pub jobs: usize,
    /// Cache of base images and artifacts; $KUBI_CACHE, or kubi in the user's cache directory when not given
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    present: usize,
    fetched: usize,
    bytes: u64,
    missing: Vec<Missing>,
}

/// A file that could not be had, and all that is needed to get it by other means.
#[derive(Serialize)]
struct Missing {
    artifact: String,
    digest: String,
    source: String,
    problem: String,
}

pub fn run(args: &FetchArgs, ui: &Ui) -> Outcome {
    let folder = folder_of(&args.file);
    let lock = read_lock(&folder, Reading::Strict).map_err(Failure::wrong)?;
    lock.check(&read_catalog(&folder).map_err(Failure::wrong)?).map_err(Failure::wrong)?;
    if lock.artifacts.is_empty() {
        ui.note("kubi.lock pins no artifacts: nothing to fetch");
    }
    let cache = Cache::find(args.cache.as_deref()).map_err(Failure::machine)?;
    let options = Options { mirror: args.mirror.clone(), jobs: args.jobs, ..Options::default() };
    let bars = Bars::new(ui, &lock.artifacts);
    let results = fetch(&lock.artifacts, &cache, &options, &bars).map_err(Failure::machine)?;
    let report = report(&lock.artifacts, &results);
    if ui.is_json() {
        ui.json(&report)?;
    } else {
        show(ui, &report, &cache);
    }
    Ok(if report.missing.is_empty() { Exit::Done } else { Exit::Machine })
}

/// The directory of a spec that is named by itself or by its directory.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    if file.is_dir() {
        return file.to_owned();
    }
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn report(artifacts: &[LockedArtifact], results: &[Result<Fetched, FetchError>]) -> Report {
    let mut report = Report { present: 0, fetched: 0, bytes: 0, missing: vec![] };
    for (artifact, result) in artifacts.iter().zip(results) {
        match result {
            Ok(Fetched::Present) => report.present += 1,
            Ok(Fetched::Downloaded(bytes)) => {
                report.fetched += 1;
                report.bytes += bytes;
            }
            Err(error) => report.missing.push(Missing {
                artifact: artifact.to_string(),
                digest: artifact.digest.to_string(),
                source: artifact.source.clone(),
                problem: error.to_string(),
            }),
        }
    }
    report
}

fn show(ui: &Ui, report: &Report, cache: &Cache) {
    let megabytes = report.bytes.div_ceil(1 << 20);
    ui.note(format!(
        "{}: {} artifacts were there, {} fetched ({megabytes} MiB)",
        cache.root().display(),
        report.present,
        report.fetched
    ));
    if report.missing.is_empty() {
        return;
    }
    ui.line(format!("{} could not be had:", report.missing.len()));
    for missing in &report.missing {
        ui.line(format!("  {}", missing.artifact));
        ui.line(format!("    {}", missing.problem));
        ui.line(format!("    file {} with {}", file_name(&missing.source), missing.digest));
    }
    ui.line("Get these files by other means, on this machine or another, then: kubi vendor add FILE...");
}

/// One bar for each running transfer. Hidden unless standard error is a terminal.
struct Bars {
    all: MultiProgress,
    names: Vec<String>,
    running: Mutex<Vec<Option<ProgressBar>>>,
}

impl Bars {
    fn new(ui: &Ui, artifacts: &[LockedArtifact]) -> Self {
        let all = MultiProgress::new();
        if !ui.shows_progress() {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        let names = artifacts.iter().map(|artifact| format!("{} {}", artifact.name, artifact.version)).collect();
        Self { all, names, running: Mutex::new(vec![None; artifacts.len()]) }
    }

    fn with(&self, index: usize, act: impl FnOnce(&mut Option<ProgressBar>)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = running.get_mut(index) {
            act(slot);
        }
    }
}

impl Watch for Bars {
    fn start(&self, index: usize, total: Option<u64>, have: u64) {
        self.with(index, |slot| {
            let bar = slot.get_or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(0));
                let template = "{msg:32} [{bar:24}] {bytes:>11}/{total_bytes:11} {bytes_per_sec}";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_message(self.names.get(index).cloned().unwrap_or_default());
                bar
            });
            bar.set_length(total.unwrap_or(0));
            bar.set_position(have);
        });
    }

    fn advance(&self, index: usize, bytes: u64) {
        self.with(index, |slot| slot.iter().for_each(|bar| bar.inc(bytes)));
    }

    fn end(&self, index: usize) {
        self.with(index, |slot| slot.take().into_iter().for_each(|bar| bar.finish_and_clear()));
    }
}
