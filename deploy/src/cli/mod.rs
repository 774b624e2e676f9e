//! The command line: one file a command. Turns typed errors into messages and exit codes.

#![allow(clippy::disallowed_methods, reason = "commands are part of the edge")]

mod apply;
mod console;
mod destroy;
mod failure;
mod kubeconfig;
mod plan;
mod rollback;
mod status;
mod tidy;
mod ui;

pub use failure::{Exit, Failure, Outcome};
pub use ui::{OutputFormat, Ui};

use crate::edge::{Folder, FolderError};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  kubi-deploy plan                  what would change, and why
  kubi-deploy apply                 does it, node by node, after asking
  kubi-deploy status --watch        what runs, and how it is
  kubi-deploy rollback              back to the build before

Exit codes:
  0 done, or nothing to do    1 something is in the way    2 plan: there is something to do
  3 libvirt, a file or a service failed    4 not confirmed    5 a node did not become healthy
  64 wrong usage    130 interrupted";

/// Runs what `kubi build` made, on libvirt: plans, replaces nodes one by one, shows how they are.
#[derive(Debug, Parser)]
#[command(name = "kubi-deploy", version, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    /// `json` is for programs; `text` is for people
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: OutputFormat,
    /// The folder that `kubi build` writes to
    #[arg(long, global = true, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
    /// The cluster, where the folder has several
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints what apply would do; touches nothing
    Plan(plan::PlanArgs),
    /// Makes what runs the same as what was built
    Apply(apply::ApplyArgs),
    /// Shows what runs against what was built, and how it is
    Status(status::StatusArgs),
    /// Goes back to a build that was deployed before
    Rollback(rollback::RollbackArgs),
    /// Removes the cluster's domains, networks and throw-away volumes
    Destroy(destroy::DestroyArgs),
    /// Shows what a node prints on its console
    Console(console::ConsoleArgs),
    /// Prints the admin kubeconfig, or merges it into another one
    Kubeconfig(kubeconfig::KubeconfigArgs),
}

/// Runs a command; the process's exit code says how it went.
pub fn run(cli: &Cli) -> Exit {
    let ui = Ui::new(cli.output);
    let outcome = match &cli.command {
        Command::Plan(args) => plan::run(cli, args, &ui),
        Command::Apply(args) => apply::run(cli, args, &ui),
        Command::Status(args) => status::run(cli, args, &ui),
        Command::Rollback(args) => rollback::run(cli, args, &ui),
        Command::Destroy(args) => destroy::run(cli, args, &ui),
        Command::Console(args) => console::run(cli, args, &ui),
        Command::Kubeconfig(args) => kubeconfig::run(cli, args, &ui),
    };
    outcome.unwrap_or_else(|failure| {
        ui.failure(&failure);
        failure.exit
    })
}

impl Cli {
    fn folder(&self) -> Result<Folder, FolderError> {
        Folder::find(&self.out, self.cluster.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
