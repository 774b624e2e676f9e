//! systemd units, their drop-ins, and files of variables: the sandbox, and what command lines say.

use super::rule::Presence;
use super::{Settings, flags, judge, table};
use crate::diff::semantic::unit::parse;

pub fn weakened(before: &str, after: &str, presence: Presence) -> Vec<String> {
    let (Some(before), Some(after)) = (read(before), read(after)) else { return Vec::new() };
    let mut found = Vec::new();
    // A new unit's own sandbox takes nothing away from what there is.
    if presence != Presence::Added {
        found = judge(&before.settings, &after.settings, presence, |name| table::of(&table::UNIT, key(name)));
    }
    found.extend(flags::weakened(&before.flags, &after.flags, presence));
    found
}

#[derive(Debug, Default)]
struct Unit {
    settings: Settings,
    flags: Settings,
}

fn key(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
}

fn read(text: &str) -> Option<Unit> {
    let settings: Settings = parse(text)?.into_iter().filter_map(|(name, values)| in_force(name, values)).collect();
    let commands = settings.iter().filter(|(name, _)| key(name) == "ExecStart" || !key(name).starts_with("Exec"));
    let flags = flags::of(commands.flat_map(|(_, values)| values).map(String::as_str));
    Some(Unit { settings, flags })
}

/// The values that hold: an empty one takes back those before it. An empty set of capabilities is one, and none is all.
fn in_force(name: String, values: Vec<String>) -> Option<(String, Vec<String>)> {
    let keeps_empty = key(&name) == "CapabilityBoundingSet";
    let start = values.iter().rposition(String::is_empty).map_or(0, |at| if keeps_empty { at } else { at + 1 });
    let left: Vec<String> = values.into_iter().skip(start).collect();
    (!left.is_empty()).then_some((name, left))
}
