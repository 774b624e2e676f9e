//! `status`: one screen.

use super::{Cli, Exit, Outcome, Ui};
use crate::edge::Session;
use crate::render::status_text;
use crate::status::{Status, status};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Shows it again and again, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub interval: u64,
}

/// Clears the screen and goes to its first line.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

pub fn run(cli: &Cli, args: &StatusArgs, ui: &Ui) -> Outcome {
    loop {
        let status = match look(cli) {
            Ok(status) => status,
            // A build is being published, or a file is written anew: the next look may see more.
            Err(failure) if args.watch => {
                ui.failure(&failure);
                std::thread::sleep(Duration::from_secs(args.interval));
                continue;
            }
            Err(failure) => return Err(failure),
        };
        match (ui.is_json(), args.watch) {
            // One document a line, for programs that read along.
            (true, true) => ui.print(serde_json::to_string(&status).unwrap_or_default() + "\n"),
            (true, false) => ui.json(&status),
            (false, true) => ui.print(format!("{CLEAR}{}", status_text(&status))),
            (false, false) => ui.print(status_text(&status)),
        }
        if !args.watch {
            return Ok(Exit::Done);
        }
        std::thread::sleep(Duration::from_secs(args.interval));
    }
}

fn look(cli: &Cli) -> Result<Status, super::Failure> {
    let folder = cli.folder()?;
    let build = folder.build()?;
    let credentials = folder.credentials(&build)?;
    let session = Session::open(folder, build)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    Ok(status(&session.build, &session.observe(), &session.services, &credentials, now))
}
