//! Runs the few programs that kubi does not replace. Arguments never carry secrets.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// An external program and the Debian package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    pub name: &'static str,
    pub package: &'static str,
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("{0} is not installed\n  help: apt-get install {1}")]
    Missing(&'static str, &'static str),
    #[error("{program} failed ({status}):\n{output}")]
    Failed { program: &'static str, status: std::process::ExitStatus, output: String },
    #[error("{program} could not be run: {error}")]
    Run { program: &'static str, error: std::io::Error },
}

/// How many of its last lines a failed program is quoted with.
const QUOTED_LINES: usize = 25;

impl Program {
    /// Whether it can be found; the error names the package.
    pub fn find(&self) -> Result<(), ProcessError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian's administration tools are not in every user's PATH.
        let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        let found = directories.into_iter().any(|directory| directory.join(self.name).is_file());
        if found { Ok(()) } else { Err(ProcessError::Missing(self.name, self.package)) }
    }

    /// Runs it to its end; returns its standard output. `variables` are added to the environment.
    ///
    /// # Errors
    /// When it is missing or fails; then with the end of what it said.
    pub fn run<I, A>(&self, arguments: I, variables: &[(&str, String)], input: &[u8]) -> Result<Vec<u8>, ProcessError>
    where
        I: IntoIterator<Item = A>,
        A: Into<OsString>,
    {
        self.find()?;
        let run = |error| ProcessError::Run { program: self.name, error };
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":/usr/sbin:/sbin");
        let mut child = Command::new(self.name)
            .args(arguments.into_iter().map(Into::into))
            .env("PATH", path)
            .env("LC_ALL", "C")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(run)?;
        // Inputs are shorter than a pipe holds, so writing them before reading cannot block for ever.
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(input) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(run(error)),
                _ => {}
            }
        }
        let output = child.wait_with_output().map_err(run)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let quoted = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n");
        Err(ProcessError::Failed { program: self.name, status: output.status, output: quoted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_install_and_what_went_wrong() {
        let missing = Program { name: "kubi-no-such-program", package: "nothing" };
        let error = missing.run(["x"], &[], b"").unwrap_err().to_string();
        assert!(error.contains("apt-get install nothing"), "{error}");
        let shell = Program { name: "sh", package: "dash" };
        let variable = ("GREETING", "hello".to_owned());
        assert_eq!(shell.run(["-c", "echo $GREETING; cat"], &[variable], b"you").unwrap(), b"hello\nyou");
        let error = shell.run(["-c", "echo why >&2; exit 3"], &[], b"").unwrap_err().to_string();
        assert!(error.contains("why") && error.contains('3'), "{error}");
    }
}
