//! Risks that show in the spec and in which nodes there are.

use super::evidence::{Evidence, Finding, from_to};
use crate::diff::machines::{NetworkChange, changed_networks};
use crate::diff::model::{ChangeKind, Effect, State};
use crate::spec::Role;

/// A spec key, or the flag it ends up in where the specs are not known.
fn key_or_flag(evidence: &Evidence<'_>, keys: &[&str], flags: &[&str]) -> Vec<Finding> {
    let moved = keys.iter().filter_map(|key| evidence.moved(key));
    let found: Vec<Finding> =
        moved.map(|change| Finding::cluster(format!("{}: {}", change.path, from_to(change)))).collect();
    if !found.is_empty() {
        return found;
    }
    evidence.find(|_, field| {
        let flag = flags.iter().any(|flag| field.path.ends_with(&format!(" {flag}")));
        (flag && field.kind == ChangeKind::Changed).then(|| format!("{}: {}", field.path, from_to(field)))
    })
}

pub fn service_network(evidence: &Evidence<'_>) -> Vec<Finding> {
    key_or_flag(evidence, &["spec.networks.services.cidr"], &["--service-cluster-ip-range"])
}

pub fn pod_network(evidence: &Evidence<'_>) -> Vec<Finding> {
    let keys = ["spec.networks.pods.cidr", "spec.networks.pods.nodePrefix"];
    key_or_flag(evidence, &keys, &["--cluster-cidr"])
}

pub fn api_address(evidence: &Evidence<'_>) -> Vec<Finding> {
    let keys = ["spec.networks.api.vip", "spec.networks.api.endpoint", "spec.networks.api.port"];
    key_or_flag(evidence, &keys, &[])
}

pub fn cluster_dns(evidence: &Evidence<'_>) -> Vec<Finding> {
    key_or_flag(evidence, &["spec.networks.dns.domain", "spec.networks.dns.address"], &[])
}

/// `3 members (quorum 2)`.
pub fn quorum(members: usize) -> String {
    let one = if members == 1 { "" } else { "s" };
    format!("{members} member{one} (quorum {}, {} may fail)", members / 2 + 1, members.saturating_sub(1) / 2)
}

pub fn etcd_added(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, after)) = evidence.with_role(Role::Etcd) else { return Vec::new() };
    members(&after, &before, (before.len(), after.len()))
}

pub fn etcd_removed(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, after)) = evidence.with_role(Role::Etcd) else { return Vec::new() };
    members(&before, &after, (before.len(), after.len()))
}

type Names<'a> = std::collections::BTreeSet<&'a str>;

fn members(these: &Names<'_>, those: &Names<'_>, counts: (usize, usize)) -> Vec<Finding> {
    let names: Vec<String> = these.difference(those).map(|name| (*name).to_owned()).collect();
    if names.is_empty() || those.is_empty() {
        return Vec::new();
    }
    let more = if names.len() > 1 { format!(", {} at once", names.len()) } else { String::new() };
    vec![Finding::nodes(names, format!("{} before, {} after{more}", quorum(counts.0), quorum(counts.1)))]
}

pub fn etcd_moved(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    let members = before.nodes.iter().filter(|node| node.roles.contains(&Role::Etcd));
    members
        .filter_map(|old| {
            let new = after.node(old.name()).filter(|new| new.roles.contains(&Role::Etcd))?;
            let (from, to) = (old.spec.addresses.cluster, new.spec.addresses.cluster);
            (from != to).then(|| Finding::nodes(vec![old.name().to_owned()], format!("from {from} to {to}")))
        })
        .collect()
}

pub fn last_of_role(evidence: &Evidence<'_>) -> Vec<Finding> {
    [Role::Controller, Role::Worker, Role::Etcd]
        .into_iter()
        .filter_map(|role| {
            let (before, after) = evidence.with_role(role)?;
            let what = if role == Role::Etcd { "etcd member" } else { role.name() };
            (!before.is_empty() && after.is_empty()).then(|| {
                let names = before.iter().map(|name| (*name).to_owned()).collect();
                Finding::nodes(names, format!("no {what} is left, there were {}", before.len()))
            })
        })
        .collect()
}

pub fn data_at_risk(evidence: &Evidence<'_>) -> Vec<Finding> {
    let nodes = evidence.diff.nodes.iter();
    nodes
        .flat_map(|node| node.effects.iter().map(move |effect| (node, effect)))
        .filter_map(|(node, effect)| match effect {
            Effect::DataAtRisk { reason } => Some(Finding::nodes(vec![node.name.clone()], reason.clone())),
            _ => None,
        })
        .collect()
}

/// Networks that libvirt must define anew, with all machines that are on them stopped.
pub fn network_outage(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, after)) = evidence.facts() else { return Vec::new() };
    let text = |change: &NetworkChange| {
        let moved = |key: &&str| evidence.moved(&format!("spec.networks.{}.{key}", change.network));
        let keys = change.keys.iter().map(|key| match moved(key) {
            Some(field) => format!("{key} {}", from_to(field)),
            None => (*key).to_owned(),
        });
        Finding::cluster(format!(
            "the {} network is defined anew: {}",
            change.network,
            keys.collect::<Vec<_>>().join(", ")
        ))
    };
    changed_networks(before, after).iter().map(text).collect()
}

/// Most risks follow from what a side was made from; where that is not known, nobody has looked for them.
pub fn not_judged(evidence: &Evidence<'_>) -> Vec<Finding> {
    let diff = evidence.diff;
    let sides = [(&diff.before, evidence.before), (&diff.after, evidence.after)];
    // Two bundles that are the same need no more to be known about them.
    let same = diff.is_empty() && sides.iter().all(|(_, facts)| facts.is_none());
    let unknown = sides.into_iter().filter(|(_, facts)| facts.is_none() && !same);
    unknown.map(|(info, _)| Finding::cluster(format!("what {} was made from is not kept", info.label))).collect()
}

pub fn all_controllers(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some((before, _)) = evidence.with_role(Role::Controller) else { return Vec::new() };
    let replaced = evidence.diff.nodes.iter().filter(|node| node.state == State::Changed);
    let names: Vec<String> =
        replaced.map(|node| node.name.clone()).filter(|name| before.contains(name.as_str())).collect();
    if names.is_empty() || names.len() < before.len() {
        return Vec::new();
    }
    let one = if names.len() == 1 { "the only controller is replaced" } else { "all controllers are replaced" };
    vec![Finding::nodes(names, one)]
}
