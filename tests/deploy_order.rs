//! The order that `kubi diff` tells is that of `kubi-deploy`: both read `deploy_order.json`, whose changes start from three
//! controllers that are etcd members, `c-1` to `c-3`, and three workers, on Kubernetes 1.36.4.

mod common;

use kubi::diff::{DeployAction, DeployStep, Facts, State, deployment};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn node(name: &str, roles: &[String], hypervisor: &str) -> Value {
    let (kind, number) = name.split_once('-').unwrap();
    let address = format!("10.1.{}.{number}", if kind == "c" { 1 } else { 2 });
    json!({
        "roles": roles, "class": 0, "podCIDR": "10.0.0.0/24",
        "spec": {
            "name": name, "roles": roles, "hypervisor": hypervisor,
            "addresses": {"cluster": address, "management": address},
        },
    })
}

fn facts(nodes: &[Value], kubernetes: &str, gateway: &str) -> Facts {
    let hypervisor = |name: &str| json!({"name": name, "uri": format!("qemu+ssh://{name}/system")});
    let facts = json!({
        "format": 1, "kubi": "0.1.0", "cluster": "dev", "kubernetes": kubernetes, "recipes": {},
        "classes": [{"recipes": [], "components": {}, "artifacts": [], "machine": {"cpus": 1, "memory": "1GiB", "boot": "firmware"}}],
        "spec": {
            "hypervisors": [hypervisor("one"), hypervisor("two")],
            "networks": {"management": {"mode": "nat", "gateway": gateway}},
        },
        "nodes": nodes,
    });
    Facts::parse(facts.to_string().as_bytes()).unwrap()
}

fn names(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// Nodes by name, in the spec's order.
fn ha() -> Vec<(String, Vec<String>)> {
    let of = |kind: &str, roles: &[&str]| -> Vec<(String, Vec<String>)> {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        (1..=3).map(|number| (format!("{kind}-{number}"), roles.clone())).collect()
    };
    [of("c", &["controller", "etcd"]), of("w", &["worker"])].concat()
}

fn text(step: &DeployStep) -> String {
    let action = if step.action == DeployAction::Start { "start" } else { "remove" };
    format!("{action} {}", step.nodes.join(" + "))
}

#[test]
fn every_change_goes_in_the_order_of_the_table() {
    let table: Vec<Value> = serde_json::from_str(include_str!("deploy_order.json")).unwrap();
    assert!(table.len() > 8);
    for case in table {
        let change = &case["change"];
        let old: Vec<Value> = ha().iter().map(|(name, roles)| node(name, roles, "one")).collect();
        let mut touched: BTreeMap<String, State> = BTreeMap::new();
        let mut all = |names: Vec<String>, state: State| touched.extend(names.into_iter().map(|name| (name, state)));
        if change["network"] == true {
            all(ha().into_iter().map(|(name, _)| name).collect(), State::Changed);
        }
        all(names(&change["replaced"]), State::Changed);
        all(names(&change["moved"]), State::Changed);
        all(names(&change["removed"]), State::Removed);
        let added: BTreeMap<String, Vec<String>> = serde_json::from_value(change["added"].clone()).unwrap_or_default();
        all(added.keys().cloned().collect(), State::Added);
        let (gone, moved) = (names(&change["removed"]), names(&change["moved"]));
        let left = ha().into_iter().filter(|(name, _)| !gone.contains(name)).chain(added);
        let place = |name: &String| if moved.contains(name) { "two" } else { "one" };
        let new: Vec<Value> = left.map(|(name, roles)| node(&name, &roles, place(&name))).collect();
        let gateway = if change["network"] == true { "10.2.0.9" } else { "10.2.0.254" };
        let kubernetes = change["kubernetes"].as_str().unwrap_or("1.36.4");
        let (before, after) = (facts(&old, "1.36.4", "10.2.0.254"), facts(&new, kubernetes, gateway));
        let steps: Vec<String> = deployment(Some(&before), Some(&after), &touched).iter().map(text).collect();
        assert_eq!(steps, names(&case["steps"]), "{}", case["about"]);
    }
}

#[test]
fn the_first_deployment_starts_all_at_once() {
    let nodes: Vec<Value> = ha().iter().rev().map(|(name, roles)| node(name, roles, "one")).collect();
    let (before, after) = (facts(&[], "1.36.4", "10.2.0.1"), facts(&nodes, "1.36.4", "10.2.0.1"));
    let touched = ha().into_iter().map(|(name, _)| (name, State::Added)).collect();
    let steps: Vec<String> = deployment(Some(&before), Some(&after), &touched).iter().map(text).collect();
    assert_eq!(steps, ["start c-3 + c-2 + c-1 + w-3 + w-2 + w-1"], "members first, each rank in the spec's order");
}
