//! `kubi verify`: is everything below the output folder as its builds made it?

use super::{Exit, Outcome, Ui};
use crate::build::{Images, OverlayProof, Progress, Request, prove_overlays};
use crate::edge::cache::Cache;
use crate::edge::inputs::Inputs;
use crate::edge::output::Output;
use crate::edge::verify::{Finding, Verification, verify};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::OnceLock;

const EXAMPLES: &str = "\
Examples:
  kubi verify                 all clusters and the whole store
  kubi verify dev             one cluster and what it needs of the store

Every object is compared with the digest that names it. Damaged, missing and extra objects are listed, one a line.
Where the cluster's spec and the identity that opens its secrets are at hand, each overlay is also made again and read
back: it must be the base image and exactly its bundle.

To mend: remove the damaged objects and the cluster's build.json (OUT/CLUSTER/build.json), and run `kubi build`: without
its record it makes everything again, and leaves alone what is right. `kubi gc` removes what is extra in the store and
among images. A build that is going on is waited for.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// A cluster's name; all clusters when not given
    pub cluster: Option<String>,
    /// The folder that `kubi build` writes to
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
    /// The spec of the cluster whose overlays are to be read back
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// Cache of base images; $KUBI_CACHE, or kubi in the user's cache directory when not given
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    #[serde(flatten)]
    verification: &'a Verification,
    overlays: Overlays,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overlays {
    /// How many were read back.
    proved: usize,
    /// Why others were only compared with their digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest_only: Option<String>,
}

pub fn run(args: &VerifyArgs, ui: &Ui) -> Outcome {
    let output = Output::open(&args.out)?;
    let mut verification = verify(&output, args.cluster.as_deref())?;
    let overlays = read_back(args, ui, &output, &mut verification);
    let ok = verification.findings.is_empty();
    if ui.is_json() {
        ui.json(&Report { ok, verification: &verification, overlays })?;
    } else {
        show(ui, &verification, &overlays);
    }
    Ok(if ok { Exit::Done } else { Exit::Wrong })
}

fn show(ui: &Ui, verification: &Verification, overlays: &Overlays) {
    for finding in &verification.findings {
        ui.line(format!("{} {}", finding.object, finding.problem));
    }
    let Verification { nodes, blobs, images, files, bytes, .. } = verification;
    let mebibytes = bytes.div_ceil(1 << 20);
    ui.note(format!("{nodes} nodes: {blobs} blobs, {images} images and {files} files, {mebibytes} MiB read"));
    if overlays.proved > 0 {
        ui.note(format!("{} overlays were made again and read back", overlays.proved));
    }
    if let Some(reason) = &overlays.digest_only {
        ui.note(format!("overlays were compared with their digests only: {reason}"));
    }
    match verification.findings.len() {
        0 => ui.note("all as it was built"),
        1 => ui.note("1 problem"),
        several => ui.note(format!("{several} problems")),
    }
}

/// Reads the overlays of the spec's cluster back, as far as that can be done here.
fn read_back(args: &VerifyArgs, ui: &Ui, output: &Output, verification: &mut Verification) -> Overlays {
    let only = |reason: String| Overlays { proved: 0, digest_only: Some(reason) };
    if !args.file.exists() {
        return only(format!("there is no {} here (name it with -f)", args.file.display()));
    }
    let proof = Inputs::read(&args.file).map_err(|error| error.to_string()).and_then(|inputs| {
        let cache = Cache::find(args.cache.as_deref()).map_err(|error| error.to_string())?;
        let (out, progress) = (args.out.clone(), Bar(OnceLock::new(), ui));
        let request = Request { inputs: &inputs, out, cache: &cache, images: Images::Auto, progress: &progress };
        prove_overlays(&request, output, args.cluster.as_deref()).map_err(|error| error.to_string())
    });
    match proof {
        Ok(OverlayProof { proved, skipped, mismatches }) => {
            for (path, problem) in mismatches {
                verification.findings.push(Finding { object: path, problem });
            }
            verification.findings.sort();
            Overlays { proved, digest_only: skipped }
        }
        Err(reason) => only(reason),
    }
}

struct Bar<'a>(OnceLock<ProgressBar>, &'a Ui);

impl Progress for Bar<'_> {
    fn nodes(&self, total: usize) {
        drop(self.0.set(self.1.progress(total as u64, "overlays")));
    }
    fn node_done(&self, _: &str) {
        if let Some(bar) = self.0.get() {
            bar.inc(1);
        }
    }
}
