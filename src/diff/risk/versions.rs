//! Risks that show in versions, choices and dates.

use super::evidence::{Evidence, Finding};
use crate::diff::facts::Facts;
use crate::recipe::version_numbers;
use crate::spec::units::{Date, Lifetime};
use std::collections::BTreeSet;

/// Warned about from this long before, in seconds: 30 days.
const SOON: i64 = 30 * 86_400;
/// etcd 3.5 from this release on can be upgraded to 3.6.
const LAST_STEP_TO_3_6: [u64; 3] = [3, 5, 26];

fn kubernetes(evidence: &Evidence<'_>) -> Option<(Vec<u64>, Vec<u64>, String)> {
    let (before, after) = evidence.facts()?;
    let text = format!("Kubernetes from {} to {}", before.kubernetes, after.kubernetes);
    Some((version_numbers(&before.kubernetes), version_numbers(&after.kubernetes), text))
}

pub fn minor_skipped(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, after, text)) = kubernetes(evidence) else { return Vec::new() };
    let minor = |numbers: &[u64]| numbers.get(1).copied().unwrap_or_default();
    if minor(&after) > minor(&before) + 1 { vec![Finding::cluster(text)] } else { Vec::new() }
}

pub fn downgrade(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, after, text)) = kubernetes(evidence) else { return Vec::new() };
    if after < before { vec![Finding::cluster(text)] } else { Vec::new() }
}

fn versions<'a>(facts: &'a Facts, component: &str) -> BTreeSet<&'a str> {
    let components = facts.classes.iter().filter_map(|class| class.components.get(component));
    components.map(|component| component.version.as_str()).collect()
}

pub fn etcd_edge(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    let mut findings = Vec::new();
    for old in versions(before, "etcd") {
        for new in versions(after, "etcd") {
            findings.extend(edge(old, new).map(|why| Finding::cluster(format!("etcd from {old} to {new}: {why}"))));
        }
    }
    findings
}

/// Why an upgrade of etcd is not possible.
fn edge(before: &str, after: &str) -> Option<&'static str> {
    let (old, new) = (version_numbers(before), version_numbers(after));
    let (old_minor, new_minor) = (*old.get(1)?, *new.get(1)?);
    match () {
        () if new < old && new_minor < old_minor => Some("a downgrade"),
        () if new_minor > old_minor + 1 => Some("it skips a minor version"),
        () if old_minor == 5 && new_minor == 6 && old < LAST_STEP_TO_3_6.to_vec() => {
            Some("3.6 needs 3.5.26 or newer first")
        }
        () => None,
    }
}

/// Recipes of a slot, over all nodes.
fn chosen<'a>(facts: &'a Facts, slot: &str) -> BTreeSet<&'a str> {
    let recipes = facts.classes.iter().flat_map(|class| &class.recipes);
    recipes.filter(|id| id.split('/').next() == Some(slot)).map(String::as_str).collect()
}

fn slot(evidence: &Evidence<'_>, slot: &str) -> Vec<Finding> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    let (old, new) = (chosen(before, slot), chosen(after, slot));
    let text = |ids: &BTreeSet<&str>| ids.iter().copied().collect::<Vec<_>>().join(", ");
    if old.is_empty() || old == new {
        return Vec::new();
    }
    vec![Finding::cluster(format!(
        "from {} to {}",
        text(&old),
        if new.is_empty() { "nothing".to_owned() } else { text(&new) }
    ))]
}

pub fn runtime_changed(evidence: &Evidence<'_>) -> Vec<Finding> {
    slot(evidence, "runtime")
}

pub fn cni_changed(evidence: &Evidence<'_>) -> Vec<Finding> {
    slot(evidence, "cni")
}

/// Certificates live from `pki.epoch` on, all of them equally long.
pub fn expiry_soon(evidence: &Evidence<'_>) -> Vec<Finding> {
    let (Some(now), Some(facts)) = (evidence.options.now, evidence.after) else { return Vec::new() };
    let text = |path: &str| path.split('.').try_fold(&facts.spec, |value, key| value.get(key))?.as_str();
    let epoch = text("pki.epoch").and_then(|text| text.parse::<Date>().ok());
    let lifetime = |name: &str| text(name).and_then(|text| text.parse::<Lifetime>().ok());
    let kinds = [("certificates", "pki.lifetimes.certificate"), ("authorities", "pki.lifetimes.authority")];
    let expired = |(what, key): (&str, &str)| {
        let end = epoch?.unix_seconds() + lifetime(key)?.seconds as i64;
        let day = Date::from_unix_seconds(end);
        match end - now {
            left if left <= 0 => Some(Finding::cluster(format!("all {what} have expired on {day}"))),
            left if left < SOON => {
                Some(Finding::cluster(format!("all {what} expire on {day}, in {} days", left / 86_400)))
            }
            _ => None,
        }
    };

    kinds.into_iter().filter_map(expired).collect()
}
