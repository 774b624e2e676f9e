//! Which networks to define, start or change.

use super::{Problem, Step};
use crate::build::Build;
use crate::deployment::{Network, NetworkMode};
use crate::observed::{Observed, State};
use std::collections::BTreeMap;

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
            None => {
                problems.extend(conflict(network, state));
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
fn conflict(network: &Network, state: &State) -> Option<Problem> {
    let hypervisor = network.hypervisor.clone();
    if state.networks.iter().any(|found| found.name == network.name) {
        return Some(Problem::NetworkTaken { hypervisor, name: network.name.clone() });
    }
    if !matches!(network.mode, NetworkMode::Nat | NetworkMode::Routed) {
        return None;
    }
    let taken = state.networks.iter().find(|found| found.active && found.facts.overlaps(&network.cidr))?;
    Some(Problem::RangeTaken { hypervisor, cidr: network.cidr.clone(), by: taken.name.clone() })
}
