//! The command line: one file a command. Turns typed errors into messages, help lines and exit codes.

#![allow(clippy::disallowed_methods, reason = "commands are part of the edge")]

mod base;
mod build;
mod check;
mod clock;
mod completion;
mod deploy;
mod diff;
mod explain;
mod failure;
mod fetch;
mod gc;
mod graph;
mod init;
mod lock;
mod out;
mod report;
pub mod schema;
mod show;
mod ui;
mod vendor;
mod verify;
mod watchdog;
mod why_changed;

pub use failure::{Exit, Failure, Outcome};
pub use ui::{OutputFormat, Ui};

use clap::{Parser, Subcommand};

const AFTER_HELP: &str = "\
Examples:
  kubi init lab                 a commented spec, a root secret, a .gitignore
  kubi check                    every problem of cluster.yaml, and what to do
  kubi build                    file trees, bundles and overlays, into out/
  kubi diff                     what a change does to every node, and its risks
  kubi explain c1:/etc/hosts    which recipe and spec keys made a file

Exit codes:
  0 done    1 the spec or the output is wrong    2 wrong usage
  3 a file, a tool or the machine failed    4 a secret could not be opened
  5 `kubi diff --fail-on` found what it refuses
  130 interrupted";

/// Kubernetes nodes as reviewed, reproducible disk images: one cluster spec in, every node's whole file tree out.
#[derive(Debug, Parser)]
#[command(name = "kubi", version, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    /// `json` prints one JSON document for programs; `text` is for people
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: OutputFormat,
    /// Says less: no progress, no summary
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a commented spec, a sealed root secret and a .gitignore
    Init(init::InitArgs),
    /// Reports every problem of a cluster spec, with its place and what to write instead
    Check(check::CheckArgs),
    /// Pins every artifact that the spec needs, in kubi.lock
    Lock(lock::LockArgs),
    /// Brings every pinned artifact into the cache
    Fetch(fetch::FetchArgs),
    /// Brings files of your own instead of fetching them
    Vendor(vendor::VendorArgs),
    /// Makes or takes the base image, and pins it
    Base(base::BaseArgs),
    /// Builds every node's file tree, bundle and overlay
    Build(build::BuildArgs),
    /// Shows what a change does to every node, and its risks
    Diff(diff::DiffArgs),
    /// Runs kubi-deploy: plan, apply, status, rollback, destroy, console, kubeconfig
    #[command(disable_help_flag = true)]
    Deploy(deploy::DeployArgs),
    /// Prints the JSON schema of a cluster spec, for editors
    Schema(schema::SchemaArgs),
    /// Lists the files in a node's bundle, or prints one
    Show(show::ShowArgs),
    /// Says which inputs changed a node's bundle
    WhyChanged(why_changed::WhyChangedArgs),
    /// Says which recipe, template line and spec keys made a file, or what a spec key reaches
    Explain(explain::ExplainArgs),
    /// Draws the cluster's topology
    Graph(graph::GraphArgs),
    /// Writes a page about the newest build: topology, nodes and files, certificates
    Report(report::ReportArgs),
    /// Checks everything that was built against its digests
    Verify(verify::VerifyArgs),
    /// Removes bundles and images that nothing needs any more
    Gc(gc::GcArgs),
    /// Prints the completion script for a shell
    Completion(completion::CompletionArgs),
}

/// Runs a command; the process's exit code says how it went.
pub fn run(cli: &Cli) -> Exit {
    let ui = Ui::new(cli.output, cli.quiet);
    show_events();
    let outcome = match &cli.command {
        Command::Check(args) => check::run(args, &ui),
        Command::Init(args) => init::run(args, &ui),
        Command::Lock(args) => lock::run(args, &ui),
        Command::Fetch(args) => fetch::run(args, &ui),
        Command::Vendor(args) => vendor::run(args, &ui),
        Command::Base(args) => base::run(args, &ui),
        Command::Build(args) => build::run(args, &ui),
        Command::Diff(args) => diff::run(args, &ui),
        Command::Deploy(args) => deploy::run(args, &ui),
        Command::Schema(args) => schema::run(args, &ui),
        Command::Show(args) => show::run(args, &ui),
        Command::WhyChanged(args) => why_changed::run(args, &ui),
        Command::Explain(args) => explain::run(args, &ui),
        Command::Graph(args) => graph::run(args, &ui),
        Command::Report(args) => report::run(args, &ui),
        Command::Verify(args) => verify::run(args, &ui),
        Command::Gc(args) => gc::run(args, &ui),
        Command::Completion(args) => completion::run(args, &ui),
    };
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.reported {
                ui.failure(&failure);
            }
            failure.exit
        }
    }
}

/// Warnings from below the commands go to standard error; `KUBI_LOG=debug` shows more (tracing's filter syntax).
fn show_events() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("KUBI_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let events = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours would need another feature of the crate, which complains on every terminal without it.
    // Fails only when a subscriber is set already, which then shows them.
    let _ = events.with_ansi(false).without_time().with_target(false).try_init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
