//! Files that went although others still name them: units, configuration, kubeconfigs.

use super::compare::Sides;
use super::model::{Change, Group, State};
use super::semantic::Format;
use super::side::{SideEntry, SideError};

/// Larger files are no configuration.
const MAX_SIZE: u64 = 256 << 10;

impl Sides<'_> {
    /// Looks for the names of lost files in all that the first node of each group has now.
    pub fn add_still_named(&self, groups: &mut [Group]) -> Result<(), SideError> {
        for group in groups {
            let mut lost: Vec<&mut Change> = group.changes.iter_mut().filter(|change| lost(change).is_some()).collect();
            let (Some(node), false) = (group.nodes.names.first(), lost.is_empty()) else { continue };
            for entry in self.after.entries(node)?.iter().filter(|entry| is_read(entry)) {
                let Ok(text) = String::from_utf8(self.after.contents(node, entry)?) else { continue };
                if !names_files(Format::of(&entry.path, &text)) {
                    continue;
                }
                let naming = lost.iter_mut().filter(|change| names(&text, self::lost(change).unwrap_or_default()));
                naming.for_each(|change| change.still_named.push(entry.path.clone()));
            }
        }
        Ok(())
    }
}

/// The path that is no more, of a file.
fn lost(change: &Change) -> Option<&str> {
    match change.state {
        State::Removed => (!change.format.is_empty()).then_some(change.path.as_str()),
        State::Renamed => change.renamed_from.as_deref(),
        _ => None,
    }
}

fn is_read(entry: &SideEntry) -> bool {
    entry.kind == "file" && entry.size.is_some_and(|size| size <= MAX_SIZE)
}

/// Formats in which a path is one that is read. Other texts may only talk of it.
fn names_files(format: Format) -> bool {
    use Format::{Ini, Json, Kubeconfig, Manifest, Toml, Unit, Yaml};
    matches!(format, Unit | Ini | Yaml | Manifest | Kubeconfig | Json | Toml)
}

/// Whether a line that is no comment names the path as a whole, and neither as one that may be missing (`-/x`, `!/x`).
fn names(text: &str, path: &str) -> bool {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
    lines.into_iter().any(|line| {
        line.match_indices(path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let mut after = line[at + path.len()..].chars();
            let longer = |c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-');
            let next = after.next();
            let extension = next == Some('.') && after.next().is_some_and(char::is_alphanumeric);
            let other = |c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-' | '.' | '!');
            !before.is_some_and(other) && !next.is_some_and(longer) && !extension
        })
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn only_whole_paths_that_must_be_there_count() {
        let check = |text: &str, expected: bool| assert_eq!(names(text, "/etc/x.crt"), expected, "{text}");
        check("ExecStart=/bin/y --cert=/etc/x.crt --key=/etc/x.key", true);
        check("certificate: /etc/x.crt", true);
        check("file = \"/etc/x.crt\"", true);
        check("ReadOnlyPaths=/etc/x.crt.", true);
        check("# certificate: /etc/x.crt", false);
        check("EnvironmentFile=-/etc/x.crt", false);
        check("ConditionPathExists=!/etc/x.crt", false);
        check("a: /etc/x.crt.old /etc/x.crt/y /srv/etc/x.crt", false);
    }
}
