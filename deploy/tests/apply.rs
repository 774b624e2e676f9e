//! Carrying plans out in a pretended world: the order, killed anywhere, and others at work beside it.

mod common;

use common::cluster::{TestCluster, ha, node};
use common::scenes::{change_domain, finishes_although_killed, points, running};
use common::world::Fake;
use kubi_deploy::apply::ApplyError;
use kubi_deploy::deployment::Node;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn upgraded(cluster: &TestCluster) -> TestCluster {
    cluster.change(|c| c.nodes.iter_mut().for_each(|node| node.version = 2))
}

#[test]
fn a_new_cluster_comes_up_and_then_nothing_is_left_to_do() {
    let cluster = ha();
    let fake = Fake::new(&cluster.build());
    fake.apply(&cluster.build()).unwrap();
    assert_eq!(fake.started(), ["c-1", "c-2", "c-3", "w-1", "w-2", "w-3"]);
    assert!(fake.plan(&cluster.build()).is_empty());
    // Images are sent once.
    let log = fake.log();
    assert_eq!(log.iter().filter(|line| line.contains("write volume base-1.qcow2")).count(), 1);
    assert!(!fake.machines["one"].snapshot().pool.unwrap().volumes.keys().any(|name| name.ends_with(".uploading")));
}

#[test]
fn what_a_build_leaves_as_it_is_belongs_to_it_too() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.apply(&cluster.change(|c| c.node("w-1").version = 2).build()).unwrap();
    // A build that only removes a node starts none.
    fake.apply(&cluster.without("w-3").change(|c| c.node("w-1").version = 2).build()).unwrap();
    let builds: Vec<u64> =
        fake.machines["one"].snapshot().domains.iter().map(|domain| domain.mark.as_ref().unwrap().build).collect();
    assert_eq!(builds, [3; 5]);
}

#[test]
fn members_are_replaced_one_by_one_and_hand_over() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = upgraded(&cluster).build();
    fake.apply(&next).unwrap();
    assert_eq!(fake.started(), ["c-2", "c-3", "c-1", "w-1", "w-2", "w-3"]);
    assert!(fake.log().iter().any(|line| line == "etcd: c-1 hands over to c-2"), "{:?}", fake.log());
    assert!(fake.plan(&next).is_empty());
    assert!(fake.state.lock().unwrap().cordoned.is_empty());
}

#[test]
fn killed_at_any_call_the_next_run_finishes() {
    let cluster = ha();
    let next = upgraded(&cluster).change(|c| {
        c.nodes.retain(|node| node.name != "w-3" && node.name != "c-3");
        c.nodes.push(node("c-4", &["controller", "etcd"]));
        c.nodes.push(node("w-4", &["worker"]));
    });
    let points = points(&running(&cluster), &next);
    assert!(points.len() > 100, "{points:?}");
    for killed_at in points {
        let fake = running(&cluster);
        finishes_although_killed(&fake, &next, killed_at);
        let taints = fake.state.lock().unwrap().taints.clone();
        let in_line = |node: &Node| taints.get(&node.name) == node.taints.as_ref();
        assert!(next.build().deployment.nodes.iter().all(in_line), "killed at call {killed_at}: {taints:?}");
        assert_eq!(fake.members(), ["c-1", "c-2", "c-4"], "killed at call {killed_at}");
    }
}

#[test]
fn a_first_boot_killed_at_any_call_is_finished_too() {
    let cluster = ha();
    for killed_at in 0..120 {
        let fake = Fake::new(&cluster.build());
        fake.shared.calls_left.store(killed_at, Ordering::SeqCst);
        let _ = fake.apply(&cluster.build());
        fake.shared.calls_left.store(i64::MAX, Ordering::SeqCst);
        fake.apply(&cluster.build()).unwrap_or_else(|error| panic!("killed at call {killed_at}: {error}"));
        assert!(fake.plan(&cluster.build()).is_empty(), "killed at call {killed_at}");
    }
}

#[test]
fn the_first_node_that_stays_ill_stops_everything() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = upgraded(&cluster).build();
    fake.broken.lock().unwrap().insert(next.deployment.node("c-3").unwrap().bundle.clone());
    let console = b"one\n\x1b[31mpanic\x1b[0m\n".to_vec();
    fake.machines["one"].inner.lock().unwrap().volumes.insert("dev-c-3-console.log".into(), (20, console, None));
    let error = fake.apply(&next).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ApplyError::NotHealthy { ref node, .. } if node == "c-3"), "{text}");
    assert!(text.ends_with("  one\n  panic"), "{text}");
    assert_eq!(fake.started(), ["c-2", "c-3"], "the rest is as it was");
    // A better build starts with the one that is ill, although it leads nothing and c-1 comes first by name.
    fake.forget_log();
    let better = cluster.change(|c| c.nodes.iter_mut().for_each(|node| node.version = 3)).build();
    fake.apply(&better).unwrap();
    assert_eq!(fake.started()[0], "c-3");
    assert!(fake.plan(&better).is_empty());
}

#[test]
fn after_a_power_cut_members_start_together() {
    let cluster = ha();
    let fake = running(&cluster);
    let off = |names: &[&str]| {
        let mut inner = fake.machines["one"].inner.lock().unwrap();
        for name in names {
            inner.domains.get_mut(&format!("dev-{name}")).unwrap().since = None;
        }
    };
    off(&["c-1", "c-2", "c-3", "w-1", "w-2", "w-3"]);
    fake.apply(&cluster.build()).unwrap();
    assert_eq!(fake.started(), ["c-1", "c-2", "c-3", "w-1", "w-2", "w-3"]);
    // With the members that the next build changes, too.
    fake.forget_log();
    off(&["c-1", "c-2"]);
    let next = upgraded(&cluster).build();
    fake.apply(&next).unwrap();
    assert_eq!(fake.started(), ["c-1", "c-2", "c-3", "w-1", "w-2", "w-3"]);
    assert!(fake.plan(&next).is_empty());
}

#[test]
fn without_a_majority_beside_it_no_member_is_touched() {
    let cluster = ha();
    let mut fake = running(&cluster);
    fake.limits.shutdown = Duration::from_secs(1);
    let next = upgraded(&cluster).build();
    let plan = fake.plan(&next);
    // A member dies between plan and apply.
    fake.machines["one"].inner.lock().unwrap().domains.get_mut("dev-c-3").unwrap().since = None;
    let error = fake.carry_out(&next, &plan).unwrap_err();
    assert!(
        matches!(error, ApplyError::Quorum { ref node, healthy: 1, members: 3, needed: 2 } if node == "c-2"),
        "{error}"
    );
    assert_eq!(fake.started(), [""; 0]);
}

#[test]
fn a_member_that_lost_its_data_is_taken_in_anew() {
    let cluster = ha();
    let fake = running(&cluster);
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    inner.domains.get_mut("dev-c-2").unwrap().since = None;
    inner.volumes.remove("dev-c-2-data.raw");
    drop(inner);
    fake.apply(&cluster.build()).unwrap();
    let log = fake.log();
    let position =
        |what: &str| log.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {log:?}"));
    assert!(position("etcd: remove c-2") < position("etcd: add https://peer-c-2:2380"));
    assert!(position("etcd: add") < position("create volume dev-c-2-data.raw"));
    let inner = fake.machines["one"].inner.lock().unwrap();
    assert!(inner.domains["dev-c-2"].xml.contains("<entry>kubi.etcd=existing</entry>"));
    assert!(!inner.domains["dev-c-1"].xml.contains("kubi.etcd"));
}

#[test]
fn what_is_not_the_nodes_own_any_more_is_not_stopped() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").version = 2).build();
    let plan = fake.plan(&next);
    change_domain(&fake, "dev-w-1", "identity='sha256:1d'", "identity='sha256:2e'");
    let error = fake.carry_out(&next, &plan).unwrap_err();
    assert!(matches!(error, ApplyError::NotOwn { ref domain, .. } if domain == "dev-w-1"), "{error}");
    assert!(!fake.log().iter().any(|line| line.contains("shut down")), "{:?}", fake.log());
}

#[test]
fn what_another_machine_has_changed_meanwhile_is_left_alone() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").version = 2).build();
    let plan = fake.plan(&next);
    *fake.marks.lock().unwrap() = Some(fake.observe().marks(&next.deployment));
    // Somebody with another copy of the folder is quicker.
    change_domain(&fake, "dev-w-1", "build='1'", "build='7'");
    let error = fake.carry_out(&next, &plan).unwrap_err();
    assert!(matches!(error, ApplyError::ChangedMeanwhile { ref domain, .. } if domain == "dev-w-1"), "{error}");
    assert_eq!(fake.started(), [""; 0]);
}

#[test]
fn a_network_that_changes_finds_all_domains_off() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.cidr = "192.168.99.0/24".into()).build();
    fake.apply(&next).unwrap();
    let log = fake.log();
    let last_off = log.iter().rposition(|line| line.contains("shut down")).unwrap();
    assert!(last_off < log.iter().position(|line| line.contains("remove network dev-management")).unwrap(), "{log:?}");
    assert!(fake.plan(&next).is_empty());
}
