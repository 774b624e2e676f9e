//! systemd units and INI files: sections and keys, command lines flag by flag, lists of names word by word.

use super::super::model::FieldChange;
use super::{list, words};

/// Keys whose value is a list of words, where order says nothing (systemd.unit(5), systemd.exec(5)).
const WORD_LISTS: [&str; 22] = [
    "After",
    "Before",
    "Wants",
    "Requires",
    "Requisite",
    "BindsTo",
    "PartOf",
    "Upholds",
    "Conflicts",
    "OnFailure",
    "WantedBy",
    "RequiredBy",
    "Also",
    "RequiresMountsFor",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "SystemCallFilter",
    "RestrictAddressFamilies",
    "SupplementaryGroups",
];

/// A key of a section and all values that it is given, in order.
pub type Settings = Vec<(String, Vec<String>)>;

/// `None` where a line is neither a section, a setting nor a comment.
pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let (before, after) = (parse(before)?, parse(after)?);
    let mut changes = Vec::new();
    for (key, values) in &before {
        let others = find(&after, key);
        changes.extend(setting(key, values, others));
    }
    for (key, values) in after.iter().filter(|(key, _)| find(&before, key).is_empty()) {
        changes.extend(setting(key, &[], values));
    }
    Some(changes)
}

fn find<'a>(settings: &'a Settings, key: &str) -> &'a [String] {
    settings.iter().find(|(other, _)| other == key).map_or(&[], |(_, values)| values.as_slice())
}

fn setting(path: &str, before: &[String], after: &[String]) -> Vec<FieldChange> {
    let key = path.rsplit(' ').next().unwrap_or(path);
    if WORD_LISTS.contains(&key) {
        let all = |values: &[String]| -> Vec<String> { values.iter().flat_map(|value| words::split(value)).collect() };
        return list::compare(path, &all(before), &all(after));
    }
    if key.starts_with("Exec") && !before.is_empty() && before.len() == after.len() {
        return before.iter().zip(after).flat_map(|(old, new)| words::compare(path, old, new)).collect();
    }
    list::compare(path, before, after)
}

/// Settings as `[Section] Key`, in order of first appearance.
pub fn parse(text: &str) -> Option<Settings> {
    let mut settings = Settings::new();
    let mut section = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = format!("[{name}] ");
            continue;
        }
        let (key, value) = line.split_once('=')?;
        let value = continued(value.trim(), &mut lines);
        let path = format!("{section}{}", key.trim());
        match settings.iter_mut().find(|(other, _)| *other == path) {
            Some((_, values)) => values.push(value),
            None => settings.push((path, vec![value])),
        }
    }
    Some(settings)
}

/// Joins lines that end with a backslash; comments between them are not part of the value (systemd.syntax(7)).
fn continued(first: &str, lines: &mut std::str::Lines<'_>) -> String {
    let mut value = first.to_owned();
    while let Some(open) = value.strip_suffix('\\') {
        value = open.trim_end().to_owned();
        let Some(next) = lines.by_ref().map(str::trim).find(|line| !line.starts_with(['#', ';'])) else { break };
        value.push(' ');
        value.push_str(next);
    }
    value
}
