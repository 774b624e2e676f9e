//! `kubi check`: reads a spec and reports everything that is wrong with it.

use super::clock::{today, validity_warning};
use super::{Exit, Outcome, Ui};
use crate::build::{BuildError, Prepared};
use crate::edge::inputs::Inputs;
use crate::plan::Pins;
use crate::spec::{Problem, Report, SpecPath};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubi check\n  kubi check -f staging/cluster.yaml --output json")]
pub struct CheckArgs {
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
}

pub fn run(args: &CheckArgs, ui: &Ui) -> Outcome {
    let inputs = Inputs::read(&args.file).map_err(|error| super::build::failure(ui, &args.file, "", error.into()))?;
    let problems = match problems(&inputs, ui) {
        Ok(problems) | Err(BuildError::Spec(problems)) => problems,
        Err(error) => return Err(super::build::failure(ui, &inputs.file, &inputs.text, error)),
    };
    let exit = show_problems(ui, &inputs.file, &inputs.text, problems);
    if exit == Exit::Done && !ui.is_json() {
        ui.note(format!("{}: no errors", inputs.file.display()));
    }
    Ok(exit)
}

/// The spec's own problems and, where those allow a plan, what recipes and lock say.
fn problems(inputs: &Inputs, ui: &Ui) -> Result<Vec<Problem>, BuildError> {
    let prepared = Prepared::new(inputs)?;
    if let Some(warning) = validity_warning(&prepared.cluster, today()) {
        ui.warning(warning);
    }
    // Without a lock every component would be missing from it: one warning says the same.
    let pins = if inputs.lock_text.is_empty() { Pins::Open } else { Pins::Required };
    let mut problems = prepared.plan(pins)?.warnings;
    if pins == Pins::Open {
        let message = "there is no kubi.lock yet: nothing is pinned";
        problems.push(Problem::warning("no-lock", SpecPath::of("spec"), message).at_key().help("run `kubi lock`"));
    }
    Ok(problems)
}

/// Reports problems: JSON on standard output even when there is none, text on standard error.
pub fn show_problems(ui: &Ui, file: &Path, text: &str, problems: Vec<Problem>) -> Exit {
    let name = file.display().to_string();
    let report = Report::new(&name, text, problems);
    if ui.is_json() {
        ui.print(report.json());
    } else {
        ui.report(report.text(ui.colour));
    }
    if report.counts().0 == 0 { Exit::Done } else { Exit::Wrong }
}
