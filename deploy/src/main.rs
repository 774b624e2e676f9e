//! The program `kubi-deploy`: parses the command line, runs a command, ends with its exit code.

use clap::Parser as _;
use kubi_deploy::cli::{Cli, run};
use std::process::ExitCode;

/// As sysexits.h has it: 2 means something else here.
const WRONG_USAGE: u8 = 64;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => ExitCode::from(run(&cli) as u8),
        Err(message) => {
            // Help and version are no errors. A closed pipe is none either.
            let wrong = message.use_stderr();
            let _ = message.print();
            if wrong { ExitCode::from(WRONG_USAGE) } else { ExitCode::SUCCESS }
        }
    }
}
