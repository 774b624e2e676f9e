//! What a deployment must do to each node (docs/deploy-json.md).

use super::facts::{ClassFacts, Facts, NodeFacts};
use super::machines::Hypervisors;
use super::model::Effect;

/// One node of a side: its facts, with those of its class and of the whole.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    pub facts: &'a Facts,
    pub node: &'a NodeFacts,
    pub class: &'a ClassFacts,
    pub hypervisors: &'a Hypervisors,
}

/// What a node that both sides have must go through. `tree` says whether its tree is another one, `networks` whether
/// libvirt's networks are.
pub fn effects(before: Option<Placed<'_>>, after: Option<Placed<'_>>, tree: bool, networks: bool) -> Vec<Effect> {
    let mut effects = Vec::new();
    let pair = before.zip(after);
    let (old, new) = match pair {
        Some((old, new)) => (old, new),
        None => return if tree { vec![Effect::NewOverlay] } else { Vec::new() },
    };
    let base = |placed: Placed<'_>| placed.facts.base.as_ref().map(|base| base.digest);
    let (machine, other) = (&old.class.machine, &new.class.machine);
    if tree || base(old) != base(new) || machine.root != other.root {
        effects.push(Effect::NewOverlay);
    }
    let (artifacts, others) = (&old.class.artifacts, &new.class.artifacts);
    if artifacts.len() != others.len() || artifacts.iter().zip(others).any(|(one, other)| !one.same_as(other)) {
        effects.push(Effect::NewArtifactDisk);
    }
    if shape(&old) != shape(&new) || networks {
        effects.push(Effect::NewMachine);
    }
    effects.extend(data_at_risk(old, new).map(|reason| Effect::DataAtRisk { reason }));
    effects
}

/// What a domain is defined by, save its images.
fn shape<'a>(placed: &Placed<'a>) -> impl PartialEq + use<'a> {
    let machine = &placed.class.machine;
    let disks = (machine.boot, machine.data);
    (machine.cpus, machine.memory, disks, placed.hypervisors.of_node(placed.node))
}

fn data_at_risk(old: Placed<'_>, new: Placed<'_>) -> Option<String> {
    let size = old.class.machine.data?;
    let (from, to) = (old.hypervisors.of_node(old.node), new.hypervisors.of_node(new.node));
    let left_behind = match () {
        () if from.name != to.name => {
            Some(format!("its data disk stays on hypervisor {}; on {} it starts with an empty one", from.name, to.name))
        }
        () if from.uri != to.uri => Some(format!(
            "hypervisor {} is at {} instead of {}: where that is another machine, its data disk stays behind",
            to.name, to.uri, from.uri
        )),
        () if from.pool != to.pool => Some(format!(
            "its data disk stays in storage pool {}; in {} it starts with an empty one",
            from.pool, to.pool
        )),
        () => None,
    };
    left_behind.or_else(|| match new.class.machine.data {
        None => Some(format!("its data disk of {size} is not attached any more")),
        Some(smaller) if smaller < size => Some(format!("its data disk of {size} would have to shrink to {smaller}")),
        Some(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::machines::changed_networks;
    use serde_json::{Value, json};

    fn facts() -> Value {
        json!({
            "format": 1, "kubi": "0.1.0", "cluster": "dev", "kubernetes": "1.36.4", "recipes": {},
            "base": {"name": "debian-13", "digest": format!("sha256:{}", "1".repeat(64))},
            "classes": [{
                "recipes": [], "components": {},
                "artifacts": [{"name": "kubelet", "version": "1.36.4", "platform": "amd64", "size": 1}],
                "machine": {"cpus": 2, "memory": "1GiB", "data": "20GiB", "boot": "firmware"},
            }],
            "spec": {
                "hypervisors": [{"name": "one", "uri": "qemu:///system"}, {"name": "two", "uri": "qemu+ssh://two/system"}],
                "networks": {"cluster": {"mode": "isolated"}},
            },
            "nodes": [{
                "roles": ["worker"], "class": 0, "podCIDR": "10.0.0.0/24",
                "spec": {"name": "w", "roles": ["worker"], "hypervisor": "one",
                         "addresses": {"cluster": "10.1.0.1", "management": "10.2.0.1"}},
            }],
        })
    }

    /// What the node goes through when `path` gets another value, and the beginning of why data is at risk.
    fn check(path: &str, value: Value, tree: bool, expected: &[&str]) {
        let mut changed = facts();
        *changed.pointer_mut(path).unwrap() = value;
        let read = |facts: &Value| Facts::parse(facts.to_string().as_bytes()).unwrap();
        let (before, after) = (read(&facts()), read(&changed));
        let hypervisors = [&before, &after].map(Hypervisors::of);
        let placed = |facts, at: usize| -> Placed<'_> {
            let facts: &Facts = facts;
            Placed { facts, node: &facts.nodes[0], class: &facts.classes[0], hypervisors: &hypervisors[at] }
        };
        let networks = !changed_networks(&before, &after).is_empty();
        let text = |effect: &Effect| match effect {
            Effect::DataAtRisk { reason } => reason.clone(),
            other => format!("{other:?}"),
        };
        let found: Vec<String> =
            effects(Some(placed(&before, 0)), Some(placed(&after, 1)), tree, networks).iter().map(text).collect();
        let fits =
            found.len() == expected.len() && found.iter().zip(expected).all(|(one, start)| one.starts_with(start));
        assert!(fits, "{path}: {found:?}, not {expected:?}");
    }

    #[test]
    fn every_input_has_its_effect() {
        let class = |key: &str| format!("/classes/0/{key}");
        check("/cluster", json!("dev"), false, &[]);
        check("/cluster", json!("dev"), true, &["NewOverlay"]);
        check("/base/digest", json!(format!("sha256:{}", "2".repeat(64))), false, &["NewOverlay"]);
        check(&class("artifacts/0/version"), json!("1.36.5"), false, &["NewArtifactDisk"]);
        check(&class("artifacts/0/size"), json!(1000), false, &[]);
        check(&class("artifacts"), json!([]), true, &["NewOverlay", "NewArtifactDisk"]);
        check(&class("machine/cpus"), json!(4), false, &["NewMachine"]);
        check(&class("machine/memory"), json!("2GiB"), false, &["NewMachine"]);
        check(&class("machine/boot"), json!("kernel"), false, &["NewMachine"]);
        check(&class("machine/data"), json!("30GiB"), false, &["NewMachine"]);
        check(
            &class("machine/data"),
            json!("10GiB"),
            false,
            &["NewMachine", "its data disk of 20GiB would have to shrink"],
        );
        check(&class("machine/data"), Value::Null, false, &["NewMachine", "its data disk of 20GiB is not attached"]);
        check(
            "/nodes/0/spec/hypervisor",
            json!("two"),
            false,
            &["NewMachine", "its data disk stays on hypervisor one"],
        );
        let hypervisor = |key: &str, value: &str| {
            let mut one = json!({"name": "one", "uri": "qemu:///system", "pool": "default", "accelerator": "kvm"});
            one[key] = json!(value);
            one
        };
        let first = "/spec/hypervisors/0";
        check(first, hypervisor("name", "one"), false, &[]);
        check(
            first,
            hypervisor("uri", "qemu+ssh://x/system"),
            false,
            &["NewMachine", "hypervisor one is at qemu+ssh://x"],
        );
        check(first, hypervisor("pool", "fast"), false, &["NewMachine", "its data disk stays in storage pool default"]);
        check(first, hypervisor("accelerator", "tcg"), false, &["NewMachine"]);
        check("/spec/networks/cluster", json!({"mode": "isolated", "mtu": 9000}), false, &["NewMachine"]);
        check("/spec/networks/cluster", json!({"mode": "isolated", "cidr": "10.9.0.0/24"}), false, &[]);
    }
}
