//! `kubi diff [OLD] [NEW]`: what a change does to every node.

mod open;
mod operand;
mod pager;
mod secrets;

pub use open::compare;
pub use operand::Selection;

use super::clock::today;
use super::{Exit, Failure, Outcome, Ui};
use crate::diff::terminal::{Long, Style};
use crate::diff::{Diff, Options, Severity, SideError, markdown, terminal};
use crate::spec::units::Date;

const EXAMPLES: &str = "\
Examples:
  kubi diff                          the spec as it is now against the last build
  kubi diff main..HEAD               two revisions, rendered in memory; no checkout is touched
  kubi diff main                     a revision against the spec as it is now
  kubi diff ../old/out out           two builds
  kubi diff build:3 build:4          two builds of one output folder
  kubi diff sha256:1b2c... sha256:9f8e...   two bundles
  kubi diff main..HEAD --format markdown --fail-on=high    for a pull request
  kubi diff --format html > diff.html   a page: risks on top, changes side by side

A side is a folder of `kubi build`, build:NUMBER, the digest of a bundle, or a git revision.

Exit codes: 0 compared, 5 there is a risk that --fail-on refuses, others as for every command.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DiffArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// How to show it
    #[arg(long, value_enum, default_value = "terminal")]
    pub format: Format,
    /// Ends with exit code 5 when there is a risk at least this severe, or with `any` when anything differs or is a risk
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub fail_on: Option<FailOn>,
    /// Only nodes with this name; `*` stands for any text. May be given several times
    #[arg(long, value_name = "NAME")]
    pub node: Vec<String>,
    /// Shows changed lines also where fields say all, and long values in full
    #[arg(long)]
    pub lines: bool,
    /// The day by which expiry is judged; that of SOURCE_DATE_EPOCH, or today, when not given
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub today: Option<Date>,
    /// Longest markdown, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = markdown::COMMENT_LIMIT)]
    pub limit: usize,
    /// Never starts a pager
    #[arg(long)]
    pub no_pager: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Terminal,
    Markdown,
    Json,
    /// One page that needs nothing else
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    High,
    Medium,
    Low,
    Any,
}

pub(super) fn parse_date(text: &str) -> Result<Date, String> {
    text.parse()
}

pub fn run(args: &DiffArgs, ui: &Ui) -> Outcome {
    let format = if ui.is_json() { Format::Json } else { args.format };
    let bundles = matches!(format, Format::Json | Format::Html);
    let options = Options {
        nodes: args.node.clone(),
        now: Some(args.today.unwrap_or_else(today).unix_seconds()),
        bundles,
        ..Options::default()
    };
    let diff = compare(&args.selection, options, ui)?;
    let exit = if refuses(args.fail_on, &diff) { Exit::Refused } else { Exit::Done };
    match format {
        Format::Json => ui.json(&diff)?,
        Format::Markdown => ui.print(markdown::text(&diff, args.limit)),
        Format::Html => ui.print(page(args, diff.clone(), ui)?),
        Format::Terminal => show(args, &diff, exit, ui),
    }
    Ok(exit)
}

fn show(args: &DiffArgs, diff: &Diff, exit: Exit, ui: &Ui) {
    let terminal = pager::Terminal::find();
    let long = match (terminal.is_terminal, args.lines) {
        (false, _) => Long::Whole,
        (true, true) => Long::Wrap,
        (true, false) => Long::Cut,
    };
    let style = Style { colour: terminal.colour, width: terminal.width, long, lines: args.lines };
    let text = terminal::text(diff, style);
    if !args.no_pager {
        terminal.page(&text, exit as u8);
    }
    ui.print(text);
}

/// Without the list of every node's entries: it is for programs, and as long as the cluster is large.
fn page(args: &DiffArgs, mut diff: Diff, ui: &Ui) -> Result<String, Failure> {
    diff.nodes.iter_mut().for_each(|node| node.entries.clear());
    super::report::about_change(&diff, &args.selection.file, args.selection.out.as_deref(), ui)
}

fn refuses(fail_on: Option<FailOn>, diff: &Diff) -> bool {
    let worst = match fail_on {
        None => return false,
        Some(FailOn::Any) => return !diff.is_empty() || !diff.risks.is_empty(),
        Some(FailOn::High) => Severity::High,
        Some(FailOn::Medium) => Severity::Medium,
        Some(FailOn::Low) => Severity::Low,
    };
    diff.risks.iter().any(|risk| risk.severity <= worst)
}

impl From<SideError> for Failure {
    fn from(error: SideError) -> Self {
        let failure = Failure::new(if error.machine { Exit::Machine } else { Exit::Wrong }, &error);
        match error.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}
