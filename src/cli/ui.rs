//! What a command says: text or JSON on standard output, everything else on standard error.

use super::failure::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    Text,
    Json,
}

/// Decided once per run: format, colours, progress.
#[derive(Debug)]
pub struct Ui {
    pub format: OutputFormat,
    quiet: bool,
    /// Colours on standard error.
    pub colour: bool,
    terminal: bool,
}

impl Ui {
    /// Colours and progress bars are for terminals; `NO_COLOR` (no-color.org) turns colours off there too.
    pub fn new(format: OutputFormat, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { format, quiet, colour: terminal && !no_colour, terminal }
    }

    pub fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// A line of the command's result. A closed pipe is no error: the reader has seen enough.
    pub fn line(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stdout().lock(), "{}", text.as_ref());
    }

    /// Text that brings its own line ends.
    pub fn print(&self, text: impl AsRef<[u8]>) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_ref()).and_then(|()| out.flush());
    }

    /// One JSON document.
    pub fn json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(Failure::machine)?;
        self.line(text);
        Ok(())
    }

    /// Something that went on beside the result.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// A report on what is wrong, with its own line ends and colours.
    pub fn report(&self, text: impl AsRef<str>) {
        let _ = write!(std::io::stderr().lock(), "{}", text.as_ref());
    }

    pub fn warning(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr().lock(), "{} {}", self.paint("warning:", "33;1"), text.as_ref());
    }

    pub fn failure(&self, failure: &Failure) {
        if self.is_json() {
            let value =
                serde_json::json!({"error": failure.message, "help": failure.help, "exitCode": failure.exit as u8});
            self.line(value.to_string());
            return;
        }
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, "{} {}", self.paint("error:", "31;1"), failure.message);
        if let Some(help) = &failure.help {
            let _ = writeln!(err, "  {} {help}", self.paint("help:", "36;1"));
        }
    }

    /// Text in an SGR colour, when colours are on.
    pub fn paint(&self, text: &str, sgr: &str) -> String {
        if self.colour { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Whether progress is for anybody to see.
    pub fn shows_progress(&self) -> bool {
        self.terminal && !self.quiet && !self.is_json()
    }

    /// A bar that shows only on terminals, and only once the work takes a while.
    pub fn progress(&self, total: u64, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::new(total);
        let shown = self.shows_progress();
        bar.set_draw_target(if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        bar
    }
}
