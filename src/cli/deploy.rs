//! `kubi deploy ...`: runs the separate program `kubi-deploy`, as git runs its subcommands.

use super::{Exit, Failure, Outcome, Ui};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

const PROGRAM: &str = "kubi-deploy";

#[derive(Debug, clap::Args)]
pub struct DeployArgs {
    /// What kubi-deploy is told; `kubi deploy help` says what it understands
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub arguments: Vec<OsString>,
}

/// Comes back only when the program could not be started: otherwise its exit code is kubi's.
pub fn run(args: &DeployArgs, ui: &Ui) -> Outcome {
    let program = beside_kubi().unwrap_or_else(|| PathBuf::from(PROGRAM));
    let mut command = Command::new(program);
    if ui.is_json() {
        command.args(["--output", "json"]);
    }
    let error = command.args(&args.arguments).exec();
    let failure = Failure::new(Exit::Machine, format!("{PROGRAM} could not be started: {error}"));
    Err(match error.kind() {
        ErrorKind::NotFound => failure.help(format!(
            "it is a program of its own: `make deploy` in kubi's sources builds it; put it beside kubi or into a folder of PATH as {PROGRAM}"
        )),
        _ => failure,
    })
}

/// The one that came with this kubi, before any other.
fn beside_kubi() -> Option<PathBuf> {
    let kubi = std::env::current_exe().ok()?;
    let program = kubi.parent()?.join(PROGRAM);
    program.is_file().then_some(program)
}
