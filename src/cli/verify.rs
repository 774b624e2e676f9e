//! `kubi verify`: is everything below the output folder as its builds made it?

use super::{Exit, Outcome, Ui};
use crate::edge::output::Output;
use crate::edge::verify::{Verification, verify};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kubi verify                 all clusters and the whole store
  kubi verify dev             one cluster and what it needs of the store

Every object is compared with the digest that names it. Damaged, missing and extra objects are listed, one a line.
To mend: remove damaged objects and run `kubi build`; `kubi gc` removes what is extra in the store and among images.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// A cluster's name; all clusters when not given
    pub cluster: Option<String>,
    /// The folder that `kubi build` writes to
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    #[serde(flatten)]
    verification: &'a Verification,
}

pub fn run(args: &VerifyArgs, ui: &Ui) -> Outcome {
    let output = Output::open(&args.out)?;
    let verification = verify(&output, args.cluster.as_deref())?;
    let ok = verification.findings.is_empty();
    if ui.is_json() {
        ui.json(&Report { ok, verification: &verification })?;
    } else {
        for finding in &verification.findings {
            ui.line(format!("{} {}", finding.object, finding.problem));
        }
        let Verification { nodes, blobs, images, files, bytes, .. } = verification;
        let mebibytes = bytes.div_ceil(1 << 20);
        ui.note(format!("{nodes} nodes: {blobs} blobs, {images} images and {files} files, {mebibytes} MiB read"));
        match verification.findings.len() {
            0 => ui.note("all as it was built"),
            1 => ui.note("1 problem"),
            several => ui.note(format!("{several} problems")),
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Wrong })
}
