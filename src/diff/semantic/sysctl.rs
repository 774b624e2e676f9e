//! `sysctl.d(5)`: settings by key; the last one of a key wins.

use super::super::model::FieldChange;
use std::collections::BTreeMap;

pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let (before, after) = (settings(before)?, settings(after)?);
    let keys: std::collections::BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let of = |settings: &BTreeMap<&str, &str>, key: &str| settings.get(key).map(|value| (*value).to_owned());
    Some(keys.into_iter().filter_map(|key| FieldChange::between(key, of(&before, key), of(&after, key))).collect())
}

fn settings(text: &str) -> Option<BTreeMap<&str, &str>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    // A key with a leading `-` may fail; without a value it is left alone by later lines.
    lines
        .map(|line| match line.split_once('=') {
            Some((key, value)) => Some((key.trim(), value.trim())),
            None => line.starts_with('-').then_some((line, "")),
        })
        .collect()
}
