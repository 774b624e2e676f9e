//! One thing that is wrong with a spec, in words for the person who wrote it, with its place.

use super::path::SpecPath;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is built.
    Error,
    /// Built all the same.
    Warning,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A problem with the spec.
///
/// `code` names the kind of problem and stays the same from release to release. `message` says what is wrong, `help` what
/// to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    pub code: &'static str,
    pub path: SpecPath,
    pub message: String,
    pub help: Option<String>,
    pub place: Place,
}

/// Where in the text a problem is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// At the value that `path` leads to, or what comes nearest to it in the text.
    #[default]
    Value,
    /// Like `Value` if the text has such a place, else at this other one, which is to blame as well.
    ValueOr(SpecPath),
    /// At the key that `path` ends with.
    Key,
    /// At these bytes.
    Bytes(Range<usize>),
}

impl Problem {
    pub fn error(code: &'static str, path: SpecPath, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, path, message.into())
    }

    pub fn warning(code: &'static str, path: SpecPath, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, path, message.into())
    }

    fn new(severity: Severity, code: &'static str, path: SpecPath, message: String) -> Self {
        Self { severity, code, path, message, help: None, place: Place::Value }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Shows the problem at this other place when the text does not have its own.
    #[must_use]
    pub fn or_at(mut self, path: SpecPath) -> Self {
        self.place = Place::ValueOr(path);
        self
    }

    /// Shows the problem at the key that the path ends with, not at its value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.place = Place::Key;
        self
    }

    /// Shows the problem at these bytes of the text.
    #[must_use]
    pub fn at(mut self, bytes: Range<usize>) -> Self {
        self.place = Place::Bytes(bytes);
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
