//! `kubi build`: from the spec to bundles, review trees, overlays and libvirt files.

use super::clock::{today, validity_warning};
use super::watchdog::Watchdog;
use super::{Exit, Failure, Outcome, Ui};
use crate::build::{self, BuildError, Images, Progress, Request, Summary};
use crate::edge::cache::Cache;
use crate::edge::inputs::Inputs;
use crate::spec::{Cluster, Problem, Report};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const EXAMPLES: &str = "\
Examples:
  kubi build                       builds ./cluster.yaml into ./out
  kubi build -f lab --images=always  also fails when an image cannot be written
  kubi build --output json         a summary for programs

Two runs with the same spec, lock, recipes, base image and root secret give the same bytes.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BuildArgs {
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// Output directory; `out` beside the spec when not given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Which disk images to write
    #[arg(long, value_enum, default_value = "auto")]
    pub images: Images,
    /// Cache of base images and artifacts; $KUBI_CACHE, or kubi in the user's cache directory when not given
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Threads; all processors when not given. The output does not depend on it
    #[arg(short = 'j', long, value_name = "N")]
    pub threads: Option<usize>,
}

pub fn run(args: &BuildArgs, ui: &Ui) -> Outcome {
    if let Some(threads) = args.threads {
        // Fails only when the pool exists already, which it does not: a process runs one command.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
    }
    let inputs = Inputs::read(&args.file).map_err(|e| failure(ui, &args.file, "", e.into()))?;
    let cache = Cache::find(args.cache.as_deref()).map_err(Failure::machine)?;
    let progress =
        Bar { ui, inputs: &inputs, bar: OnceLock::new(), keys: OnceLock::new(), watchdog: Watchdog::default() };
    let request = Request {
        inputs: &inputs,
        out: args.out.clone().unwrap_or_else(|| inputs.folder.join("out")),
        cache: &cache,
        images: args.images,
        progress: &progress,
    };
    let built = build::build(&request);
    progress.finish();
    match built {
        Ok(summary) => show(ui, &summary),
        Err(error) => Err(failure(ui, &inputs.file, &inputs.text, error)),
    }
}

/// Shows spec problems as `kubi check` does; everything else becomes a message with help.
pub(super) fn failure(ui: &Ui, file: &Path, text: &str, error: BuildError) -> Failure {
    let exit = match &error {
        BuildError::Spec(_) | BuildError::Recipe(_) | BuildError::Template(_) | BuildError::Render(_) => Exit::Wrong,
        BuildError::Keys(_) | BuildError::Fill(_) => Exit::Secret,
        BuildError::Node { source, .. } if matches!(**source, BuildError::Render(_)) => Exit::Wrong,
        _ => Exit::Machine,
    };
    if let BuildError::Spec(problems) = error {
        super::check::show_problems(ui, file, text, problems);
        return Failure::reported(exit);
    }
    let failure = Failure::new(exit, &error);
    match error.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}

fn show(ui: &Ui, summary: &Summary) -> Outcome {
    if ui.is_json() {
        ui.json(summary)?;
        return Ok(Exit::Done);
    }
    if !summary.changed {
        ui.note(format!("{}: nothing to do, build {} is up to date", summary.cluster, summary.build));
        return Ok(Exit::Done);
    }
    for node in summary.nodes.iter().filter(|node| node.state != "same") {
        let overlay = node.overlay.as_deref().unwrap_or("no overlay");
        ui.line(format!("{:8} {}  {}  {}", node.state, node.name, &node.bundle[..19], short(overlay)));
    }
    for name in &summary.removed {
        ui.line(format!("removed  {name}"));
    }
    let same = summary.nodes.iter().filter(|node| node.state == "same").count();
    let total = summary.nodes.len();
    ui.note(format!(
        "{}: build {} of {total} nodes, {same} unchanged, in {}",
        summary.cluster, summary.build, summary.directory
    ));
    for missing in &summary.missing_images {
        ui.warning(format!("without images: {missing}"));
    }
    Ok(Exit::Done)
}

/// `node-<64 hex>.qcow2` with fewer digits, for people.
fn short(file: &str) -> String {
    match file.rsplit_once('-') {
        Some((name, rest)) if rest.len() > 20 => format!("{name}-{}….qcow2", &rest[..12]),
        _ => file.to_owned(),
    }
}

struct Bar<'a> {
    ui: &'a Ui,
    inputs: &'a Inputs,
    bar: OnceLock<ProgressBar>,
    keys: OnceLock<ProgressBar>,
    watchdog: Watchdog,
}

impl Bar<'_> {
    fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar<'_> {
    fn warnings(&self, problems: &[Problem]) {
        if !problems.is_empty() && !self.ui.is_json() {
            let name = self.inputs.file.display().to_string();
            self.ui.report(Report::new(&name, &self.inputs.text, problems.to_vec()).text(self.ui.colour));
        }
    }
    fn checked(&self, cluster: &Cluster) {
        if let Some(warning) = validity_warning(cluster, today()) {
            self.ui.warning(warning);
        }
    }
    fn waiting(&self, out: &Path) {
        self.ui.note(format!("waiting for another build that writes to {}", out.display()));
    }
    fn nodes(&self, total: usize) {
        drop(self.bar.set(self.ui.progress(total as u64, "nodes")));
    }
    fn keys(&self, done: usize, total: usize) {
        let bar = self.keys.get_or_init(|| self.ui.progress(total as u64, "RSA keys"));
        bar.set_position(done as u64);
        if done == total {
            bar.finish_and_clear();
        }
    }
    fn node_started(&self, node: &str) {
        self.watchdog.started(node);
    }
    fn node_done(&self, node: &str) {
        self.watchdog.done(node);
        if let Some(bar) = self.bar.get() {
            bar.inc(1);
        }
    }
}
