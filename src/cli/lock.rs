//! `kubi lock`: pins every artifact that the spec needs.

use super::{Exit, Failure, Outcome, Ui};
use crate::artifact::{Lock, LockedArtifact, Needed, resolve};
use crate::build::Prepared;
use crate::edge::inputs::Inputs;
use crate::edge::lock_store::{LOCK, Reading, read_catalog, read_lock, write_lock};
use crate::plan::Pins;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  kubi lock            pins what ./cluster.yaml needs in ./kubi.lock; commit that file
  kubi lock --check    changes nothing; fails when the lock does not fit the spec

The base image's entry stays: `kubi base build` and `kubi base add` write it.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LockArgs {
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// Write nothing; fail when the lock would change
    #[arg(long)]
    pub check: bool,
}

/// What a spec needs, whatever is pinned.
pub(super) struct Needs {
    pub artifacts: Vec<Needed>,
    pub packages: BTreeSet<String>,
    /// The base image's name.
    pub base: String,
}

/// Plans the spec without a lock's help.
pub(super) fn needs(ui: &Ui, inputs: &Inputs) -> Result<Needs, Failure> {
    let failed = |error| super::build::failure(ui, &inputs.file, &inputs.text, error);
    let prepared = Prepared::new(inputs).map_err(failed)?;
    let plan = prepared.plan(Pins::Open).map_err(failed)?;
    Ok(Needs { artifacts: plan.artifacts(), packages: plan.packages(), base: prepared.cluster.spec.base.clone() })
}

/// Reads a cluster's folder for a command that writes its lock again: an edited lock is no obstacle.
pub(super) fn read(ui: &Ui, file: &Path) -> Result<(Inputs, Lock), Failure> {
    let mut inputs = Inputs::read(file).map_err(|error| super::build::failure(ui, file, "", error.into()))?;
    let lock = read_lock(&inputs.folder, Reading::Edited).map_err(Failure::wrong)?;
    inputs.lock_text = lock.to_text();
    Ok((inputs, lock))
}

#[derive(Serialize)]
struct Report {
    changed: bool,
    artifacts: usize,
    added: Vec<String>,
    removed: Vec<String>,
}

pub fn run(args: &LockArgs, ui: &Ui) -> Outcome {
    let (inputs, previous) = read(ui, &args.file)?;
    let needs = needs(ui, &inputs)?;
    let catalog = read_catalog(&inputs.folder).map_err(Failure::wrong)?;
    let artifacts = resolve(&needs.artifacts, &catalog, &previous).map_err(Failure::wrong)?;
    let lock = Lock { base: previous.base.clone(), artifacts };
    let path = inputs.folder.join(LOCK);
    let changed = if args.check {
        std::fs::read_to_string(&path).unwrap_or_default() != lock.to_text()
    } else {
        write_lock(&inputs.folder, &lock).map_err(Failure::machine)?
    };
    let lacking = |one: &[LockedArtifact], other: &[LockedArtifact]| -> Vec<String> {
        one.iter().filter(|artifact| !other.contains(artifact)).map(ToString::to_string).collect()
    };
    let report = Report {
        changed,
        artifacts: lock.artifacts.len(),
        added: lacking(&lock.artifacts, &previous.artifacts),
        removed: lacking(&previous.artifacts, &lock.artifacts),
    };
    show(ui, &report, &path)?;
    match &lock.base {
        Some(base) if base.name == needs.base => {}
        base => {
            let pinned = base.as_ref().map_or("none".to_owned(), |base| base.name.clone());
            ui.warning(format!(
                "the spec asks for base image {}, pinned is {pinned}: run `kubi base build` or `kubi base add`",
                needs.base
            ));
        }
    }
    Ok(if args.check && changed { Exit::Wrong } else { Exit::Done })
}

fn show(ui: &Ui, report: &Report, path: &Path) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.json(report);
    }
    for (sign, artifacts) in [("-", &report.removed), ("+", &report.added)] {
        artifacts.iter().for_each(|artifact| ui.line(format!("{sign} {artifact}")));
    }
    let state = if report.changed { "" } else { ", nothing changed" };
    ui.note(format!("{}: {} artifacts{state}", path.display(), report.artifacts));
    Ok(())
}
