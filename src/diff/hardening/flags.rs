//! Command lines' flags, wherever they stand.

use super::rule::Presence;
use super::{Settings, judge, table};
use crate::diff::semantic::words;

/// Flags that take the place of others.
const INSTEAD: [(&str, &str); 2] =
    [("--anonymous-auth", "--authentication-config"), ("--authorization-mode", "--authorization-config")];

pub fn weakened(before: &Settings, after: &Settings, presence: Presence) -> Vec<String> {
    let mut before = before.clone();
    for (flag, other) in INSTEAD {
        if !after.contains_key(flag) && after.contains_key(other) && !before.contains_key(other) {
            before.remove(flag);
        }
    }
    judge(&before, after, presence, |name| table::of(&table::FLAGS, name))
}

/// Values by flag, of all texts: `--name=value`, or `--name value`; quotes are taken off.
pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Settings {
    let mut flags = Settings::new();
    for text in texts.filter(|text| text.contains("--")) {
        let words: Vec<String> = words::split(&text.replace('"', " ")).into_iter().collect();
        for (at, word) in words.iter().enumerate() {
            // `KUBELET_EXTRA_ARGS=--x=y`
            let Some(start) = word.find("--").filter(|start| *start == 0 || word[..*start].ends_with('=')) else {
                continue;
            };
            let (name, value) = match word[start..].split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => {
                    let next = words.get(at + 1).filter(|next| !next.starts_with('-')).cloned();
                    (&word[start..], next.unwrap_or_default())
                }
            };
            flags.entry(name.to_owned()).or_default().push(value);
        }
    }
    flags
}
