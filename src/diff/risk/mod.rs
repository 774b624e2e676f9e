//! What a reviewer should not pass over: a table of risks, each found by a matcher in what changed.

mod evidence;
mod files;
mod inputs;
mod keys;
mod table;
#[cfg(test)]
mod tests;
mod versions;

pub use table::{Matcher, Row, TABLE};

use super::compare::Options;
use super::facts::Facts;
use super::group::nodes;
use super::keys::MovedKeys;
use super::model::{Diff, Risk};
use evidence::{Evidence, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// Every risk in a diff, the most severe first.
pub fn judge(diff: &Diff, before: Option<&Facts>, after: Option<&Facts>, options: &Options) -> Vec<Risk> {
    let keys = before.zip(after).map(|(before, after)| MovedKeys::between(before, after)).unwrap_or_default();
    let evidence = Evidence { diff, before, after, keys, options };
    let mut risks = Vec::new();
    for row in &TABLE {
        let found = joined(row.matcher.find(&evidence)).into_iter();
        risks.extend(found.map(|(text, (names, paths))| risk(row, text, names, paths)));
    }
    risks.sort();
    risks
}

/// The same finding on many nodes and in many files is one.
fn joined(findings: Vec<Finding>) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let mut alike: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for Finding { nodes, path, text } in findings {
        let (names, paths) = alike.entry(text).or_default();
        names.extend(nodes);
        paths.extend(path);
    }
    alike
}

fn risk(row: &Row, finding: String, names: BTreeSet<String>, paths: BTreeSet<String>) -> Risk {
    let mut paths = paths.into_iter();
    Risk {
        severity: row.severity,
        id: row.id.to_owned(),
        nodes: nodes(names.into_iter().collect()),
        path: paths.next(),
        more_paths: paths.collect(),
        finding,
        reason: row.reason.to_owned(),
        action: row.action.to_owned(),
    }
}
