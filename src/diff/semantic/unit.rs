//! systemd units and INI files: sections and keys, command lines flag by flag, lists of names word by word.

use super::super::model::FieldChange;
use super::{list, words};
use std::collections::BTreeMap;

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

/// Command lines are paired up to so many comparisons.
const MAX_PAIRS: usize = 10_000;

/// A key of a section and all values that it is given, in order.
pub type Settings = Vec<(String, Vec<String>)>;

/// `None` where a line is neither a section, a setting nor a comment.
pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let (before, after) = (parse(before)?, parse(after)?);
    let mut changes = Vec::new();
    let index = |settings: &Settings| -> BTreeMap<String, Vec<String>> { settings.iter().cloned().collect() };
    let (old, new) = (index(&before), index(&after));
    for (key, values) in &before {
        changes.extend(setting(key, values, new.get(key).map_or(&[], Vec::as_slice)));
    }
    for (key, values) in after.iter().filter(|(key, _)| !old.contains_key(key)) {
        changes.extend(setting(key, &[], values));
    }
    Some(changes)
}

fn setting(path: &str, before: &[String], after: &[String]) -> Vec<FieldChange> {
    let key = path.rsplit(' ').next().unwrap_or(path);
    if WORD_LISTS.contains(&key) {
        let all = |values: &[String]| -> Vec<String> { values.iter().flat_map(|value| words::split(value)).collect() };
        return list::compare(path, &all(before), &all(after));
    }
    if key.starts_with("Exec") { commands(path, before, after) } else { list::compare(path, before, after) }
}

/// Command lines flag by flag: those that went beside those that came for the same program, the others as they are.
fn commands(path: &str, before: &[String], after: &[String]) -> Vec<FieldChange> {
    if before.len() == after.len() && before.len() == 1 {
        return before.iter().zip(after).flat_map(|(old, new)| words::compare(path, old, new)).collect();
    }
    let mut gone = list::missing(before, after);
    let mut came = list::missing(after, before);
    if gone.len() * came.len() > MAX_PAIRS {
        return list::compare(path, before, after);
    }
    let program = |command: &String| words::split(command).first().cloned();
    let mut changes = Vec::new();
    gone.retain(|old| match came.iter().position(|new| program(new) == program(old)) {
        Some(at) => {
            changes.extend(words::compare(path, old, &came.remove(at)));
            false
        }
        None => true,
    });
    // What was edited is told; what is left came, went, or stands at another place.
    let settled = |list: &[String], rest: &[String], other: &[String]| -> Vec<String> {
        list.iter().filter(|value| rest.contains(value) || other.contains(value)).cloned().collect()
    };
    changes.extend(list::compare(path, &settled(before, &gone, after), &settled(after, &came, before)));
    changes
}

/// Settings as `[Section] Key`, in order of first appearance.
pub fn parse(text: &str) -> Option<Settings> {
    let mut settings = Settings::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
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
        match places.get(&path) {
            Some(at) => settings[*at].1.push(value),
            None => {
                places.insert(path.clone(), settings.len());
                settings.push((path, vec![value]));
            }
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
