//! What a reviewer should not pass over: a table of risks, each found by a matcher in what changed.

mod evidence;
mod files;
mod inputs;
mod table;
#[cfg(test)]
mod tests;
mod versions;

pub use table::{Matcher, Row, TABLE};

use super::facts::Facts;
use super::group::nodes;
use super::model::{Diff, Risk};
use evidence::{Evidence, Finding};
use std::collections::BTreeMap;

/// Every risk in a diff, the most severe first. `now` is in seconds since 1970; without it expiry is not judged.
pub fn judge(diff: &Diff, before: Option<&Facts>, after: Option<&Facts>, now: Option<i64>) -> Vec<Risk> {
    let evidence = Evidence { diff, before, after, now };
    let mut risks = Vec::new();
    for row in &TABLE {
        risks.extend(joined(row.matcher.find(&evidence)).into_iter().map(|finding| risk(row, finding)));
    }
    risks.sort();
    risks
}

/// The same finding on many nodes is one.
fn joined(findings: Vec<Finding>) -> Vec<Finding> {
    let mut alike: BTreeMap<(Option<String>, String), Vec<String>> = BTreeMap::new();
    for Finding { nodes, path, text } in findings {
        let known = alike.entry((path, text)).or_default();
        known.extend(nodes);
    }
    let one = |((path, text), mut nodes): (_, Vec<String>)| {
        nodes.sort();
        nodes.dedup();
        Finding { nodes, path, text }
    };
    alike.into_iter().map(one).collect()
}

fn risk(row: &Row, finding: Finding) -> Risk {
    Risk {
        severity: row.severity,
        id: row.id.to_owned(),
        nodes: nodes(finding.nodes),
        path: finding.path,
        finding: finding.text,
        reason: row.reason.to_owned(),
        action: row.action.to_owned(),
    }
}
