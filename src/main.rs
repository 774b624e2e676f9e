//! The `kubi` program: parses the command line and runs one command.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = kubi::cli::Cli::parse();
    ExitCode::from(kubi::cli::run(&cli) as u8)
}
