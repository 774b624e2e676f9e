//! Which networks to define, start or change, and which one of the host's own does as well.

use super::{Problem, Step};
use crate::build::Build;
use crate::deployment::{Network, NetworkMode, Node};
use crate::identity::network_uuid;
use crate::observed::{self, Observed, State};
use std::collections::{BTreeMap, BTreeSet};

/// The network that libvirt's packages bring along.
const STOCK: &str = "default";

/// Adds steps and problems; gives the networks that change under their domains, by hypervisor.
pub fn steps(
    build: &Build,
    observed: &Observed,
    steps: &mut Vec<Step>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let mut changed = BTreeMap::new();
    for network in &build.deployment.networks {
        let Some(Ok(state)) = observed.hypervisors.get(&network.hypervisor) else { continue };
        let Some(wanted) = build.network_facts(network) else {
            problems.push(Problem::BadXml { path: network.xml.clone() });
            continue;
        };
        let (hypervisor, name) = (network.hypervisor.clone(), network.name.clone());
        match state.networks.iter().find(|found| found.uuid == network.uuid) {
            None if stock(build, network, state).is_some() => {}
            None => {
                problems.extend(conflict(build, network, state));
                steps.push(Step::DefineNetwork { hypervisor, network: name });
            }
            Some(found) => {
                let differences = found.facts.differences(&wanted);
                if !differences.is_empty() {
                    changed.insert(hypervisor.clone(), name.clone());
                    steps.push(Step::ChangeNetwork { hypervisor, network: name, differences });
                } else if !found.active {
                    steps.push(Step::StartNetwork { hypervisor, network: name });
                }
            }
        }
    }
    changed
}

/// A network's UUID is derived from cluster and hypervisor: one of the same name with another UUID is somebody else's.
fn conflict(build: &Build, network: &Network, state: &State) -> Option<Problem> {
    let hypervisor = network.hypervisor.clone();
    // Only root may make bridges and rules for them.
    let uri = build.deployment.hypervisor(&hypervisor).map(|found| found.uri.clone()).unwrap_or_default();
    if is_session(&uri) && network.mode != NetworkMode::Bridge {
        return Some(Problem::SessionNetwork { hypervisor, uri, network: network.name.clone() });
    }
    if state.networks.iter().any(|found| found.name == network.name) {
        return Some(Problem::NetworkTaken { hypervisor, name: network.name.clone() });
    }
    if !matches!(network.mode, NetworkMode::Nat | NetworkMode::Routed) {
        return None;
    }
    let taken = state.networks.iter().find(|found| found.active && found.facts.overlaps(&network.cidr))?;
    Some(Problem::RangeTaken { hypervisor, cidr: network.cidr.clone(), by: taken.name.clone(), free: free(state) })
}

/// Networks of hypervisors that left the spec. A network has no mark, so its name and UUID tell whose it is, and what is on it:
/// nothing but domains that `going` names, by hypervisor and name.
pub fn left_behind(build: &Build, observed: &Observed, going: &BTreeSet<(&str, &str)>) -> Vec<Step> {
    let deployment = &build.deployment;
    let mut steps = Vec::new();
    for (hypervisor, state) in &observed.hypervisors {
        let Some(state) = state.as_ref().ok().filter(|_| deployment.hypervisor(hypervisor).is_none()) else { continue };
        for kind in ["management", "cluster"] {
            let (name, uuid) =
                (format!("{}-{kind}", deployment.cluster), network_uuid(&deployment.cluster, hypervisor, kind));
            let stays = |domain: &observed::Domain| !going.contains(&(hypervisor.as_str(), domain.name.as_str()));
            let used = state.domains.iter().any(|domain| domain.networks.contains(&name) && stays(domain));
            if !used && state.networks.iter().any(|found| found.name == name && found.uuid == uuid) {
                steps.push(Step::RemoveNetwork { hypervisor: hypervisor.clone(), network: name });
            }
        }
    }
    steps
}

fn is_session(uri: &str) -> bool {
    uri.split(['?', '#']).next().is_some_and(|uri| uri.ends_with("/session"))
}

/// A range that no network of the hypervisor has.
fn free(state: &State) -> String {
    let ranges = (123..=255).map(|third| format!("192.168.{third}.0/24"));
    let taken = |cidr: &String| state.networks.iter().any(|found| found.facts.overlaps(cidr));
    ranges.filter(|cidr| !taken(cidr)).find(|cidr| cidr != "192.168.24.0/24").unwrap_or_default()
}

/// libvirt's own network, where it is just what the build wants: it is used as it is, and never changed or removed.
fn stock<'a>(build: &Build, network: &Network, state: &'a State) -> Option<&'a observed::Network> {
    let wanted = build.network_facts(network).filter(|_| network.mode == NetworkMode::Nat)?;
    state.networks.iter().find(|found| found.name == STOCK && found.active && found.facts.serves(&wanted))
}

/// The networks that a hypervisor has no own ones for, by the name that the build gives them.
pub fn stand_ins(build: &Build, hypervisor: &str, state: &State) -> BTreeMap<String, String> {
    let own = build.deployment.networks.iter().filter(|network| network.hypervisor == hypervisor);
    let missing = own.filter(|network| !state.networks.iter().any(|found| found.uuid == network.uuid));
    missing.filter_map(|network| Some((network.name.clone(), stock(build, network, state)?.name.clone()))).collect()
}

/// A network that the node should be on, when its domain is on another one.
pub fn wrong_network(build: &Build, node: &Node, domain: &observed::Domain, state: &State) -> Option<String> {
    let stand_ins = stand_ins(build, &node.hypervisor, state);
    let own = build.deployment.networks.iter().filter(|network| network.hypervisor == node.hypervisor);
    let mut wanted = own.map(|network| stand_ins.get(&network.name).unwrap_or(&network.name));
    wanted.find(|name| !domain.networks.is_empty() && !domain.networks.contains(*name)).cloned()
}
