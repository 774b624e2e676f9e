//! A command line's words: the program, flags by name, and what else there is.

use super::super::model::{ChangeKind, FieldChange};
use super::list;
use std::collections::BTreeMap;

/// Compares two command lines flag by flag. `path` names the setting they stand in.
pub fn compare(path: &str, before: &str, after: &str) -> Vec<FieldChange> {
    if before == after {
        return Vec::new();
    }
    let (old, new) = (Command::parse(before), Command::parse(after));
    let mut changes = list::compare(path, &old.words, &new.words);
    for (flag, values) in &old.flags {
        let others = new.flags.get(flag).map_or(&[] as &[_], Vec::as_slice);
        changes.extend(flag_changes(&format!("{path} {flag}"), values, others));
    }
    for (flag, values) in new.flags.iter().filter(|(flag, _)| !old.flags.contains_key(*flag)) {
        changes.extend(flag_changes(&format!("{path} {flag}"), &[], values));
    }
    if changes.is_empty() {
        let sorted = |text: &str| {
            let mut words = split(text);
            words.sort_unstable();
            words
        };
        let kind = if sorted(before) == sorted(after) { ChangeKind::Reordered } else { ChangeKind::Changed };
        changes.push(FieldChange::of(kind, path, before, after));
    }
    changes
}

#[derive(Debug, Default)]
struct Command {
    /// The program and arguments that are no flags.
    words: Vec<String>,
    /// Values by flag; a flag may come more than once.
    flags: BTreeMap<String, Vec<String>>,
}

impl Command {
    fn parse(text: &str) -> Self {
        let mut command = Self::default();
        let mut words = split(text).into_iter().peekable();
        while let Some(word) = words.next() {
            // A leading `-` of the program is systemd's: failure is ignored.
            let is_flag = |word: &String| word.len() > 1 && word.starts_with('-') && word != "--";
            if command.words.is_empty() || !is_flag(&word) {
                command.words.push(word);
                continue;
            }
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), value.to_owned()),
                // What follows is its value, or an argument after a flag that takes none; either way the flag says where.
                None => (word, words.next_if(|next| !is_flag(next)).unwrap_or_default()),
            };
            command.flags.entry(flag).or_default().push(value);
        }
        command
    }
}

/// A flag's values: lists item by item, and a flag without a value as such.
fn flag_changes(path: &str, before: &[String], after: &[String]) -> Vec<FieldChange> {
    match (before, after) {
        ([], [value]) => vec![FieldChange::added(path, value)],
        ([value], []) => vec![FieldChange::removed(path, value)],
        ([old], [new]) if old.contains(',') || new.contains(',') => {
            let items = |value: &str| -> Vec<String> { value.split(',').map(str::to_owned).collect() };
            list::compare(path, &items(old), &items(new))
        }
        _ => list::compare(path, before, after),
    }
}

/// Words as systemd splits them: blanks outside quotes. Quotes are kept, since they are part of what is reviewed.
pub fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
