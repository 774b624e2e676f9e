//! `kubi check`: reads a spec and reports everything that is wrong with it.

use super::{Exit, Failure, Outcome, Ui};
use crate::spec::{Facts, Problem, Report, read};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubi check\n  kubi check -f staging/cluster.yaml --output json")]
pub struct CheckArgs {
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
}

pub fn run(args: &CheckArgs, ui: &Ui) -> Outcome {
    let file = spec_file(&args.file);
    let text = read_spec(&file)?;
    let problems = read(&text, &Facts::default()).map_or_else(|problems| problems, |(_, warnings)| warnings);
    let exit = show_problems(ui, &file, &text, problems);
    if exit == Exit::Done && !ui.is_json() {
        ui.note(format!("{}: no errors", file.display()));
    }
    Ok(exit)
}

/// A directory stands for the `cluster.yaml` in it.
pub fn spec_file(given: &Path) -> PathBuf {
    if given.is_dir() { given.join("cluster.yaml") } else { given.to_owned() }
}

/// The text of a spec.
pub fn read_spec(file: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        let failure = Failure::machine(format!("{} cannot be read: {error}", file.display()));
        match error.kind() {
            std::io::ErrorKind::NotFound => failure.help("name the spec with -f, or write one with `kubi init DIR`"),
            _ => failure,
        }
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::wrong(format!("{}: line {line} is no UTF-8 text", file.display()))
    })
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
