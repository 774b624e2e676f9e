//! `weakened(path, before, after)`: which protections a file gives up, in words. A file alone is judged by what it says.
//!
//! Settings of all formats become names with values; [`table`] says for each name what protects. Never looks at a secret:
//! comes in are public texts.

mod document;
mod flags;
mod rule;
mod sysctl;
mod table;
mod unit;

use super::semantic::Format;
use rule::{Presence, Rule};
use std::collections::BTreeMap;

/// Values by the name that a reader knows: `[Service] NoNewPrivileges`, `--anonymous-auth`, `readOnlyPort`.
type Settings = BTreeMap<String, Vec<String>>;

/// What both sides' texts give up; a text is `None` where there is no such file.
pub fn weakened(path: &str, format: Format, before: Option<&str>, after: Option<&str>) -> Vec<String> {
    let presence = match (before, after) {
        (Some(_), Some(_)) => Presence::Both,
        // Part of something that is there without it.
        (None, Some(_)) if is_drop_in(path) => Presence::PartAdded,
        (Some(_), None) if is_drop_in(path) => Presence::PartRemoved,
        (None, Some(_)) => Presence::Added,
        _ => return Vec::new(),
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let (before, after) = (text(before), text(after));
    match format {
        Format::Unit | Format::Ini => unit::weakened(&before, &after, presence),
        Format::Sysctl => sysctl::weakened(&before, &after, presence),
        Format::Yaml | Format::Manifest | Format::Kubeconfig | Format::Json | Format::Toml => {
            document::weakened(format, &before, &after, presence)
        }
        _ => Vec::new(),
    }
}

/// What a file by itself leaves unprotected.
pub fn weak(path: &str, bytes: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    weakened(path, Format::of(path, text), None, Some(text))
}

/// `x.service.d/y.conf`, `/etc/sysctl.d/y.conf`: joined with others of its kind.
fn is_drop_in(path: &str) -> bool {
    path.contains(".d/")
}

/// Judges every setting that a rule of `rules` is for. `name` finds a setting's rule.
fn judge<'a>(
    before: &Settings,
    after: &Settings,
    presence: Presence,
    rule: impl Fn(&str) -> Option<&'a Rule>,
) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let weaker = |name: &&String| {
        let rule = rule(name)?;
        let (old, new) = (before.get(*name).map(Vec::as_slice), after.get(*name).map(Vec::as_slice));
        Some(format!("{name}: {}", rule.weaker(old, new, presence)?))
    };
    names.iter().filter_map(weaker).collect()
}

#[cfg(test)]
mod tests;
