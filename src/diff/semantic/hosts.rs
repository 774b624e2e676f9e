//! `hosts(5)`: which addresses each name has.

use super::super::model::FieldChange;
use super::list;
use std::collections::BTreeMap;

pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let (before, after) = (addresses(before), addresses(after));
    let mut changes = Vec::new();
    for (name, old) in &before {
        changes.extend(list::compare(name, old, after.get(name).map_or(&[], Vec::as_slice)));
    }
    for (name, new) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        changes.extend(list::compare(name, &[], new));
    }
    Some(changes)
}

fn addresses(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next() else { continue };
        for name in words {
            found.entry(name.to_owned()).or_default().push(address.to_owned());
        }
    }
    found
}
