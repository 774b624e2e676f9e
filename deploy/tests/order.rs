//! The order of nodes is the one that `kubi diff` tells: both read `tests/deploy_order.json` of the repository, whose changes
//! start from the cluster of [`ha`].

mod common;

use common::cluster::{TestCluster, ha, node};
use common::world::Fake;
use kubi_deploy::plan::{Plan, Step};
use serde_json::Value;
use std::collections::BTreeMap;

fn steps(plan: &Plan) -> Vec<String> {
    let text = |step: &Step| match step {
        Step::FirstBoot { nodes } | Step::Nodes { nodes } => {
            // At the same time: their order says nothing.
            let mut names: Vec<&str> = nodes.iter().map(|change| change.node.as_str()).collect();
            names.sort_unstable();
            Some(format!("start {}", names.join(" + ")))
        }
        Step::Remove(removal) => Some(format!("remove {}", removal.node)),
        _ => None,
    };
    plan.steps.iter().filter_map(text).collect()
}

fn names(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

fn changed(cluster: &mut TestCluster, change: &Value) {
    names(&change["replaced"]).iter().for_each(|name| cluster.node(name).version = 2);
    names(&change["moved"]).iter().for_each(|name| cluster.node(name).hypervisor = "two".into());
    let gone = names(&change["removed"]);
    cluster.nodes.retain(|node| !gone.contains(&node.name));
    let added: BTreeMap<String, Vec<String>> = serde_json::from_value(change["added"].clone()).unwrap_or_default();
    for (name, roles) in added {
        let known = ["controller", "etcd", "worker"];
        let roles: Vec<&str> = known.into_iter().filter(|role| roles.iter().any(|one| one == role)).collect();
        cluster.nodes.push(node(&name, &roles));
    }
    if change["network"] == true {
        cluster.cidr = "192.168.99.0/24".into();
    }
    if let Some(version) = change["kubernetes"].as_str() {
        cluster.kubernetes = version.to_owned();
    }
}

#[test]
fn every_change_goes_in_the_order_of_the_table() {
    let table: Vec<Value> = serde_json::from_str(include_str!("../../tests/deploy_order.json")).unwrap();
    assert!(table.len() > 8);
    for case in table {
        let before = ha().change(|cluster| cluster.hypervisors.push("two".into()));
        let fake = Fake::new(&before.build());
        fake.apply(&before.build()).unwrap();
        fake.state.lock().unwrap().etcd.leader = "c-3".into();
        let after = before.change(|cluster| changed(cluster, &case["change"]));
        // The member that leads etcd goes last, which nobody knows beforehand: here it is the last one anyway.
        assert_eq!(steps(&fake.plan(&after.build())), names(&case["steps"]), "{}", case["about"]);
    }
}
