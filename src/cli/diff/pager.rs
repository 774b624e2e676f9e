//! The terminal that a diff is shown on: its width, whether colours are welcome, and a pager for long texts.

use std::fs::File;
use std::io::{IsTerminal, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// For output that is no terminal, such as a file or a log.
const WIDTH: usize = 120;

#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    pub colour: bool,
    pub width: usize,
    height: usize,
    pub is_terminal: bool,
}

impl Terminal {
    pub fn find() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let forced = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
        let size = terminal_size::terminal_size().filter(|_| is_terminal);
        let width = forced.or(size.map(|(width, _)| usize::from(width.0))).unwrap_or(WIDTH);
        Self {
            colour: is_terminal && !set("NO_COLOR"),
            width: width.clamp(40, 400),
            height: size.map_or(0, |(_, height)| usize::from(height.0)),
            is_terminal,
        }
    }

    /// Shows a text that does not fit the screen in `KUBI_PAGER`, `PAGER` or less, which takes this process's place and
    /// ends with its exit code: who interrupts a search in the pager interrupts nothing else. Comes back only where that is
    /// not to be done or cannot be.
    pub fn page(&self, text: &str, exit: u8) {
        if !self.is_terminal || text.lines().count() < self.height {
            return;
        }
        let chosen = ["KUBI_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
        let pager = chosen.unwrap_or_else(|| "less".to_owned());
        let Ok(file) = unnamed(text) else { return };
        if pager.is_empty() || pager == "cat" {
            return;
        }
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, &pager, &exit.to_string()]).stdin(file);
        if std::env::var_os("LESS").is_none() {
            // Colours pass, short texts end at once, and the text stays on the screen.
            command.env("LESS", "FRX");
        }
        let _cannot_be = command.exec();
    }
}

/// Runs the pager, and shows the text all the same where there is none (127) or it cannot be run (126).
const SCRIPT: &str = r#"trap : INT; sh -c "$0"; case $? in 126|127) cat;; esac; exit "$1""#;

/// A file without a name that has the text.
fn unnamed(text: &str) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
