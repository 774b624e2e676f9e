//! What a command says: its result on standard output, everything else on standard error.

use super::Failure;
use crate::apply::{Event, Report};
use serde::Serialize;
use std::io::{IsTerminal, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    Text,
    Json,
}

#[derive(Debug)]
pub struct Ui {
    format: OutputFormat,
}

impl Ui {
    pub fn new(format: OutputFormat) -> Self {
        Self { format }
    }

    pub fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Text that brings its own line ends. A closed pipe is no error: the reader has seen enough.
    pub fn print(&self, text: impl AsRef<[u8]>) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_ref()).and_then(|()| out.flush());
    }

    /// One JSON document.
    pub fn json<T: Serialize>(&self, value: &T) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            self.print(text + "\n");
        }
    }

    pub fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
    }

    pub fn failure(&self, failure: &Failure) {
        if self.is_json() {
            let value = serde_json::json!({"error": failure.message, "exitCode": failure.exit as u8});
            self.print(format!("{value}\n"));
        } else {
            self.note(format!("error: {}", failure.message));
        }
    }

    /// A line of the person at the terminal; `None` without one.
    pub fn ask(&self, question: &str) -> Option<String> {
        if !std::io::stdin().is_terminal() || self.is_json() {
            return None;
        }
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{question} ").and_then(|()| err.flush());
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned())
    }
}

/// While a plan is carried out: a line an event; with `--output json`, a JSON document a line.
impl Report for Ui {
    fn event(&self, event: Event) {
        let line = match self.format {
            OutputFormat::Text => format!("{}: {}", event.subject, event.message),
            OutputFormat::Json => serde_json::to_string(&event).unwrap_or_default(),
        };
        self.print(line + "\n");
    }
}
