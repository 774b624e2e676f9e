//! `kubi completion SHELL`: prints a completion script.

use super::{Cli, Exit, Outcome, Ui};
use clap::CommandFactory;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kubi completion bash > /etc/bash_completion.d/kubi")]
pub struct CompletionArgs {
    /// The shell to complete for
    pub shell: Shell,
}

pub fn run(args: &CompletionArgs, ui: &Ui) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kubi", &mut script);
    ui.print(script);
    Ok(Exit::Done)
}
