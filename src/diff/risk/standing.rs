//! Risks of a cluster as it is, judged of one side alone: dates, single members, where they run, weak settings.

use super::evidence::Finding;
use super::inputs::quorum;
use crate::diff::facts::Facts;
use crate::diff::machines::Hypervisors;
use crate::spec::Role;
use crate::spec::units::{Date, Lifetime};
use std::collections::BTreeMap;

const DAY: i64 = 86_400;
/// Warned about from this long before.
const SOON: i64 = 30 * DAY;
/// Another authority takes more than one deployment.
const SOON_FOR_AUTHORITY: i64 = 90 * DAY;

/// What is known of one side.
#[derive(Debug)]
pub struct Standing<'a> {
    pub facts: Option<&'a Facts>,
    /// Seconds since 1970 to judge dates by.
    pub now: Option<i64>,
    /// Authorities that were imported, as their files show them.
    pub authorities: &'a [Authority],
    pub weak: &'a [Weak],
}

/// A certificate of an authority.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Authority {
    pub path: String,
    pub subject: String,
    /// Seconds since 1970.
    pub not_after: i64,
}

/// Nodes with a file that lacks a protection, and which, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weak {
    pub nodes: Vec<String>,
    pub path: String,
    pub text: String,
}

/// Certificates live from `pki.epoch` on, all of them equally long.
pub fn expiry_soon(standing: &Standing<'_>) -> Vec<Finding> {
    let (Some(now), Some(facts)) = (standing.now, standing.facts) else { return Vec::new() };
    let text = |path: &str| path.split('.').try_fold(&facts.spec, |value, key| value.get(key))?.as_str();
    let epoch = text("pki.epoch").and_then(|text| text.parse::<Date>().ok());
    let lifetime = |name: &str| text(name).and_then(|text| text.parse::<Lifetime>().ok());
    let authorities = if imports(facts) { "authorities that are not imported" } else { "authorities" };
    let kinds = [("certificates", "pki.lifetimes.certificate"), (authorities, "pki.lifetimes.authority")];
    let expired = |(what, key): (&str, &str)| {
        let end = epoch?.unix_seconds() + i64::try_from(lifetime(key)?.seconds).ok()?;
        Some(Finding::cluster(format!("all {what} {}", expires(end, now, SOON)?)))
    };
    kinds.into_iter().filter_map(expired).collect()
}

/// `expire on 2027-01-01, in 11 days`; nothing where that is far away.
fn expires(end: i64, now: i64, soon: i64) -> Option<String> {
    let day = Date::from_unix_seconds(end);
    match end - now {
        left if left <= 0 => Some(format!("have expired on {day}")),
        left if left < soon => Some(format!("expire on {day}, in {} days", left / DAY)),
        _ => None,
    }
}

fn imports(facts: &Facts) -> bool {
    facts.spec.get("pki").and_then(|pki| pki.get("import")).is_some()
}

/// Those that kubi makes are judged by the spec.
pub fn authority_expires(standing: &Standing<'_>) -> Vec<Finding> {
    let (Some(now), true) = (standing.now, standing.facts.is_some_and(imports)) else { return Vec::new() };
    let finding = |authority: &Authority| {
        let text = expires(authority.not_after, now, SOON_FOR_AUTHORITY)?;
        let text = format!("certificates of {} {text}", authority.subject);
        Some(Finding { nodes: Vec::new(), path: Some(authority.path.clone()), text })
    };
    standing.authorities.iter().filter_map(finding).collect()
}

pub fn hardening_weak(standing: &Standing<'_>) -> Vec<Finding> {
    let finding = |weak: &Weak| {
        // It is there; nobody has added it.
        let text = weak.text.strip_suffix(" is added").unwrap_or(&weak.text).to_owned();
        Finding { nodes: weak.nodes.clone(), path: Some(weak.path.clone()), text }
    };
    standing.weak.iter().map(finding).collect()
}

fn with_role(standing: &Standing<'_>, role: Role) -> Vec<String> {
    let names = standing.facts.map(|facts| facts.with_role(role)).unwrap_or_default();
    names.into_iter().map(str::to_owned).collect()
}

pub fn single_controller(standing: &Standing<'_>) -> Vec<Finding> {
    let names = with_role(standing, Role::Controller);
    let alone = names.len() == 1;
    alone.then(|| Finding::nodes(names, "there is one controller only")).into_iter().collect()
}

pub fn single_member(standing: &Standing<'_>) -> Vec<Finding> {
    let names = with_role(standing, Role::Etcd);
    let alone = names.len() == 1;
    alone.then(|| Finding::nodes(names, "there is one etcd member only")).into_iter().collect()
}

pub fn even_members(standing: &Standing<'_>) -> Vec<Finding> {
    let names = with_role(standing, Role::Etcd);
    let count = names.len();
    let even = count > 0 && count.is_multiple_of(2);
    even.then(|| Finding::nodes(names, format!("etcd has {}", quorum(count)))).into_iter().collect()
}

/// A hypervisor without which etcd has no quorum.
pub fn one_hypervisor(standing: &Standing<'_>) -> Vec<Finding> {
    let Some(facts) = standing.facts else { return Vec::new() };
    let members: Vec<_> = facts.nodes.iter().filter(|node| node.roles.contains(&Role::Etcd)).collect();
    let hypervisors = Hypervisors::of(facts);
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for node in &members {
        places.entry(&hypervisors.of_node(node).name).or_default().push(node.name().to_owned());
    }
    let all = members.len();
    let lost = places.into_iter().filter(|(_, names)| all > 1 && all - names.len() < all / 2 + 1);
    let text = |name: &str, count: usize| format!("hypervisor {name} has {count} of {all} etcd members");
    lost.map(|(name, names)| Finding::nodes(names.clone(), text(name, names.len()))).collect()
}
