//! Kernel settings.

use super::rule::Presence;
use super::{Settings, judge, table};

pub fn weakened(before: &str, after: &str, presence: Presence) -> Vec<String> {
    judge(&read(before), &read(after), presence, |name| table::of(&table::SYSCTLS, name))
}

/// The last line of a key wins; `-` before it says that it may fail.
fn read(text: &str) -> Settings {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let settings = lines.filter_map(|line| line.split_once('='));
    settings
        .map(|(key, value)| (key.trim().trim_start_matches('-').replace('/', "."), vec![value.trim().to_owned()]))
        .collect()
}
