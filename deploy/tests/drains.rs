//! Pods and the API while nodes are replaced, in a pretended world.

mod common;

use common::cluster::{ha, node};
use common::etcd::BOOT;
use common::scenes::running;
use kubi_deploy::apply::ApplyError;
use kubi_deploy::plan::Step;
use kubi_deploy::services::Pod;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn pod(name: &str, node: &str, owner: Option<&str>) -> Pod {
    let (namespace, phase) = ("default".to_owned(), "Running".to_owned());
    Pod { namespace, name: name.into(), node: node.into(), phase, owner: owner.map(str::to_owned), ..Pod::default() }
}

#[test]
fn pods_leave_before_the_node_does() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.state.lock().unwrap().pods = vec![
        pod("web", "w-1", Some("ReplicaSet")),
        pod("agent", "w-1", Some("DaemonSet")),
        pod("elsewhere", "w-2", Some("ReplicaSet")),
    ];
    fake.apply(&cluster.change(|c| c.node("w-1").version = 2).build()).unwrap();
    let log = fake.log();
    let position =
        |what: &str| log.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {log:?}"));
    assert!(position("cordon w-1") < position("evict web"));
    assert!(position("evict web") < position("shut down domain dev-w-1"));
    assert!(!log.iter().any(|line| line.contains("evict agent") || line.contains("evict elsewhere")), "{log:?}");
}

#[test]
fn a_budget_that_never_gives_in_stops_and_gives_the_node_back() {
    let cluster = ha();
    let fake = running(&cluster);
    let mut state = fake.state.lock().unwrap();
    state.pods = vec![pod("web", "w-1", Some("ReplicaSet"))];
    state.held.insert("web".into());
    drop(state);
    let error = fake.apply(&cluster.change(|c| c.node("w-1").version = 2).build()).unwrap_err();
    assert!(
        matches!(error, ApplyError::DrainTimeout { ref pods, .. } if pods == "default/web (the disruption budget b has none to spare)"),
        "{error}"
    );
    assert!(fake.state.lock().unwrap().cordoned.is_empty());
    assert_eq!(fake.started(), [""; 0]);
}

#[test]
fn pods_that_nothing_would_make_again_are_not_lost_by_accident() {
    let cluster = ha();
    let mut fake = running(&cluster);
    fake.state.lock().unwrap().pods = vec![pod("mine", "w-1", None)];
    let next = cluster.change(|c| c.node("w-1").version = 2).build();
    let error = fake.apply(&next).unwrap_err();
    assert!(matches!(error, ApplyError::BarePods { .. }), "{error}");
    fake.limits.force = true;
    fake.apply(&next).unwrap();
}

#[test]
fn a_node_that_only_restarts_is_waited_for_too() {
    let cluster = ha();
    let fake = running(&cluster);
    // The bundle stays, so Kubernetes has the old Node, Ready, and with the right label.
    let next = cluster.change(|c| ["w-1", "w-2"].into_iter().for_each(|name| c.node(name).memory *= 2)).build();
    let before = fake.shared.now();
    fake.apply(&next).unwrap();
    assert_eq!(fake.started(), ["w-1", "w-2"]);
    assert!(fake.shared.now() >= before + BOOT * 2, "each had its time to boot");
    assert!(fake.plan(&next).is_empty());
}

#[test]
fn one_that_was_killed_while_it_waited_waits_for_the_new_boot() {
    let cluster = ha();
    let next = cluster.change(|c| c.node("w-1").memory *= 2).build();
    let started = {
        let fake = running(&cluster);
        fake.apply(&next).unwrap();
        let log = fake.shared.log.lock().unwrap();
        log.iter().position(|line| line.contains("start domain dev-w-1")).unwrap() + 1
    };
    let fake = running(&cluster);
    fake.shared.calls_left.store(i64::try_from(started).unwrap(), Ordering::SeqCst);
    assert!(fake.apply(&next).is_err());
    fake.shared.calls_left.store(i64::MAX, Ordering::SeqCst);
    fake.apply(&next).unwrap();
    assert!(fake.up("w-1").is_some(), "it is there, not only remembered");
}

#[test]
fn workers_that_are_not_ready_count_as_away() {
    let cluster = ha();
    let mut fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").version = 2).build();
    let plan = fake.plan(&next);
    // One dies between plan and apply, long enough ago for Kubernetes to know.
    fake.machines["one"].inner.lock().unwrap().domains.get_mut("dev-w-3").unwrap().since = None;
    *fake.shared.now.lock().unwrap() += Duration::from_secs(60);
    let error = fake.carry_out(&next, &plan).unwrap_err();
    assert!(matches!(error, ApplyError::TooFewWorkers { ref missing, limit: 1, .. } if missing == "w-3"), "{error}");
    assert_eq!(fake.started(), [""; 0]);
    fake.limits.max_unavailable = 2;
    fake.carry_out(&next, &plan).unwrap();
}

#[test]
fn the_last_api_server_stays() {
    // Members of etcd are nodes of their own: what protects them does not protect the API.
    let cluster = ha().change(|c| {
        let members = (1..=3).map(|n| node(&format!("e-{n}"), &["etcd"]));
        let controllers = (1..=2).map(|n| node(&format!("c-{n}"), &["controller"]));
        c.nodes = members.chain(controllers).collect();
    });
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("c-1").version = 2).build();
    let plan = fake.plan(&next);
    fake.machines["one"].inner.lock().unwrap().domains.get_mut("dev-c-2").unwrap().since = None;
    let error = fake.carry_out(&next, &plan).unwrap_err();
    assert!(matches!(error, ApplyError::LastApi { ref node } if node == "c-1"), "{error}");
    assert_eq!(fake.started(), [""; 0]);
}

#[test]
fn pods_are_not_expected_to_go_to_controllers() {
    let cluster = ha().change(|c| c.nodes.retain(|node| !["c-2", "c-3", "w-2", "w-3"].contains(&node.name.as_str())));
    let fake = running(&cluster);
    fake.tainted.lock().unwrap().insert("c-1".into());
    let mut state = fake.state.lock().unwrap();
    state.pods = vec![pod("web", "w-1", Some("ReplicaSet"))];
    state.held.insert("web".into());
    drop(state);
    // The budget would never give in: the pod has nowhere to go.
    fake.apply(&cluster.change(|c| c.node("w-1").version = 2).build()).unwrap();
    assert_eq!(fake.started(), ["w-1"]);
}

#[test]
fn an_api_that_stumbles_is_asked_again() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.state.lock().unwrap().pods = vec![pod("web", "w-1", Some("ReplicaSet"))];
    let next = cluster.change(|c| c.node("w-1").version = 2).build();
    let plan = fake.plan(&next);
    *fake.hiccups.lock().unwrap() = 4;
    fake.carry_out(&next, &plan).unwrap();
    assert!(fake.log().iter().any(|line| line.contains("evict web")));
}

#[test]
fn a_node_that_was_left_cordoned_is_given_back() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.state.lock().unwrap().cordoned.insert("w-2".into());
    let plan = fake.plan(&cluster.build());
    assert_eq!(plan.steps, [Step::Uncordon { node: "w-2".into() }]);
    fake.carry_out(&cluster.build(), &plan).unwrap();
    assert!(fake.plan(&cluster.build()).is_empty());
    // Also when it cannot leave the cluster.
    fake.state.lock().unwrap().pods = vec![pod("mine", "w-3", None)];
    let error = fake.apply(&cluster.without("w-3").build()).unwrap_err();
    assert!(matches!(error, ApplyError::BarePods { .. }), "{error}");
    assert!(fake.state.lock().unwrap().cordoned.is_empty());
}

#[test]
fn a_removed_node_is_forgotten_everywhere() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.state.lock().unwrap().pods = vec![pod("web", "c-3", Some("ReplicaSet"))];
    fake.apply(&cluster.without("c-3").build()).unwrap();
    let log = fake.log();
    let position =
        |what: &str| log.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {log:?}"));
    assert!(position("evict web") < position("etcd: remove c-3"));
    assert!(position("etcd: remove c-3") < position("shut down domain dev-c-3"));
    assert_eq!(fake.state.lock().unwrap().deleted_nodes, ["c-3"]);
    let state = fake.machines["one"].snapshot();
    assert!(!state.domains.iter().any(|domain| domain.name == "dev-c-3"));
    let volumes = state.pool.unwrap().volumes;
    assert!(volumes.contains_key("dev-c-3-data.raw") && !volumes.contains_key("dev-c-3-root.qcow2"));
}
