//! A problem at one place of a YAML text: line, column, the line itself.

use std::fmt;

/// What is wrong, where, and the line that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// From 1; 0 when the parser gave no place.
    pub line: usize,
    /// From 1; 0 when the parser gave no place.
    pub column: usize,
    pub message: String,
    /// The text of that line, empty when there is none.
    pub snippet: String,
}

impl TextError {
    /// Takes the parser's error for `text`.
    pub fn from_yaml(text: &str, error: &serde_saphyr::Error) -> Self {
        let error = error.without_snippet();
        let (line, column) = match error.location() {
            Some(at) => (at.line() as usize, at.column() as usize),
            None => (0, 0),
        };
        // The parser repeats the place at the end of its message; it is shown once, in front.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).lines().next().unwrap_or("").to_owned();
        Self::at(text, line, column, message)
    }

    /// A problem at a known place.
    pub fn at(text: &str, line: usize, column: usize, message: String) -> Self {
        let snippet = line.checked_sub(1).and_then(|index| text.lines().nth(index)).unwrap_or("").to_owned();
        Self { line, column, message, snippet }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        f.write_str(&self.message)?;
        if !self.snippet.trim().is_empty() {
            write!(f, "\n  {} | {}", self.line, self.snippet)?;
        }
        Ok(())
    }
}
