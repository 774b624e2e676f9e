//! Where nodes run, told from the spec: hypervisors, and what libvirt's networks are defined by.

use super::facts::{Facts, NodeFacts};
use crate::libvirt::only_hypervisor;
use crate::spec::Value;
use crate::spec::model::Hypervisor;
use serde::Deserialize;

/// The hypervisors of a spec, and the one of a spec that names none.
#[derive(Clone, Debug)]
pub struct Hypervisors {
    named: Vec<Hypervisor>,
    only: Hypervisor,
}

impl Hypervisors {
    pub fn of(facts: &Facts) -> Self {
        let named = facts.spec.get("hypervisors").and_then(|all| Vec::deserialize(all).ok());
        Self { named: named.unwrap_or_default(), only: only_hypervisor() }
    }

    /// The one that a node is on.
    pub fn of_node(&self, node: &NodeFacts) -> &Hypervisor {
        let is_it = |one: &&Hypervisor| node.spec.hypervisor.as_ref().is_none_or(|name| *name == one.name);
        self.named.iter().find(is_it).unwrap_or(&self.only)
    }
}

/// A network that is defined in another way: `kubi-deploy` then stops all that is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkChange {
    /// `management` or `cluster`.
    pub network: &'static str,
    /// Spec keys that moved: `mode`, `bridge`.
    pub keys: Vec<&'static str>,
}

pub fn changed_networks(before: &Facts, after: &Facts) -> Vec<NetworkChange> {
    let networks = [("management", ["cidr", "gateway"].as_slice()), ("cluster", ["mtu"].as_slice())];
    let change = |(network, own): (&'static str, &'static [&'static str])| {
        let (old, new) = (network_of(before, network)?, network_of(after, network)?);
        let keys = keys(old, new, own);
        (!keys.is_empty()).then_some(NetworkChange { network, keys })
    };
    networks.into_iter().filter_map(change).collect()
}

fn network_of<'a>(facts: &'a Facts, name: &str) -> Option<&'a Value> {
    facts.spec.get("networks")?.get(name)
}

/// A bridge of the host is named and no more; libvirt's own network also has what is in `own`.
fn keys(old: &Value, new: &Value, own: &'static [&'static str]) -> Vec<&'static str> {
    let bridged = |value: &Value| value.get("mode").and_then(Value::as_str) == Some("bridge");
    let all: Vec<&str> = match (bridged(old), bridged(new)) {
        (true, true) => vec!["bridge"],
        (true, false) | (false, true) => vec!["mode"],
        (false, false) => ["mode"].iter().chain(own).copied().collect(),
    };
    all.into_iter().filter(|key| old.get(*key) != new.get(*key)).collect()
}
