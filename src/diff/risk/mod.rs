//! What a reviewer should not pass over: a table of risks, each found by a matcher in what changed.

mod evidence;
mod files;
mod inputs;
mod keys;
mod standing;
mod table;
#[cfg(test)]
mod tests;
mod versions;

pub use standing::{Authority, Standing, Weak};
use table::Matcher;
pub use table::{Row, TABLE};

use super::compare::Options;
use super::facts::Facts;
use super::group::nodes;
use super::keys::MovedKeys;
use super::model::{Diff, Risk};
use evidence::{Evidence, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of each side besides its facts.
#[derive(Debug, Default)]
pub struct Known {
    /// Imported authorities of the new side.
    pub authorities: Vec<Authority>,
    /// Of nodes that only the new side has.
    pub weak: Vec<Weak>,
}

/// Every risk in a diff, the most severe first.
pub fn judge(
    diff: &Diff,
    before: Option<&Facts>,
    after: Option<&Facts>,
    known: &Known,
    options: &Options,
) -> Vec<Risk> {
    let keys = before.zip(after).map(|(before, after)| MovedKeys::between(before, after)).unwrap_or_default();
    let evidence = Evidence { diff, before, after, keys, options };
    let old = Standing { facts: before, now: options.now, authorities: &[], weak: &[] };
    let new = Standing { facts: after, now: options.now, authorities: &known.authorities, weak: &known.weak };
    sorted(|row| match row.matcher {
        Matcher::Change(find) => find(&evidence),
        Matcher::Always(find) => find(&new),
        Matcher::State(find) => {
            // Where the old side is not known, nothing is known to be new.
            let was: BTreeSet<String> = find(&old).into_iter().map(|finding| finding.text).collect();
            let is_new = |finding: &Finding| before.is_some() == after.is_some() && !was.contains(&finding.text);
            find(&new).into_iter().filter(is_new).collect()
        }
    })
}

/// Every risk that one side has by itself, the most severe first.
pub fn judge_alone(standing: &Standing<'_>) -> Vec<Risk> {
    sorted(|row| match row.matcher {
        Matcher::Change(_) => Vec::new(),
        Matcher::State(find) | Matcher::Always(find) => find(standing),
    })
}

fn sorted(find: impl Fn(&Row) -> Vec<Finding>) -> Vec<Risk> {
    let mut risks = Vec::new();
    for row in &TABLE {
        let found = joined(find(row)).into_iter();
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
