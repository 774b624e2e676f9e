//! Why a command failed, and the exit code that says so.

use std::fmt;

/// Exit codes, as `kubi --help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    /// The spec, a recipe or the output is wrong.
    Wrong = 1,
    /// A file, a tool or the machine failed.
    Machine = 3,
    /// A secret could not be opened.
    Secret = 4,
    /// `kubi diff --fail-on` found what it refuses.
    Refused = 5,
    Interrupted = 130,
}

/// How a command ended.
pub type Outcome = Result<Exit, Failure>;

/// A message for people: what failed, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    pub help: Option<String>,
    /// Everything has been said already.
    pub reported: bool,
}

impl Failure {
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), help: None, reported: false }
    }

    /// The spec, a recipe, a lock or the output is wrong.
    pub fn wrong(message: impl fmt::Display) -> Self {
        Self::new(Exit::Wrong, message)
    }

    /// A file, a tool or the machine failed.
    pub fn machine(message: impl fmt::Display) -> Self {
        Self::new(Exit::Machine, message)
    }

    /// A secret could not be opened.
    pub fn secret(message: impl fmt::Display) -> Self {
        Self::new(Exit::Secret, message)
    }

    /// Ends with `exit` and says no more.
    pub fn reported(exit: Exit) -> Self {
        Self { reported: true, ..Self::new(exit, "") }
    }

    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }
}
