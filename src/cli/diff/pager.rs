//! The terminal that a diff is shown on: its width, whether colours are welcome, and a pager for long texts.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

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

    /// Shows a text that does not fit the screen in `KUBI_PAGER`, `PAGER` or less; `false` where that is not to be done
    /// or cannot be.
    pub fn page(&self, text: &str) -> bool {
        if !self.is_terminal || text.lines().count() < self.height {
            return false;
        }
        let chosen = ["KUBI_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
        let pager = chosen.unwrap_or_else(|| "less".to_owned());
        if pager.is_empty() || pager == "cat" {
            return false;
        }
        let mut command = Command::new("sh");
        command.args(["-c", &pager]).stdin(Stdio::piped());
        if std::env::var_os("LESS").is_none() {
            // Colours pass, short texts end at once, and the text stays on the screen.
            command.env("LESS", "FRX");
        }
        let Ok(mut child) = command.spawn() else { return false };
        if let Some(mut stdin) = child.stdin.take() {
            // Who leaves the pager has seen enough.
            let _ = stdin.write_all(text.as_bytes());
        }
        // The shell says 127 when there is no such pager, and 126 when it cannot be run.
        child.wait().is_ok_and(|status| !matches!(status.code(), Some(126 | 127)))
    }
}
