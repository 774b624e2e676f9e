//! Carrying plans out in a pretended world, with everything that can go wrong there.

mod common;

use common::cluster::{BIG, TestCluster, ha, node};
use common::etcd::BOOT;
use common::world::Fake;
use kubi_deploy::apply::ApplyError;
use kubi_deploy::deployment::Node;
use kubi_deploy::plan::Step;
use kubi_deploy::services::Pod;
use kubi_deploy::upload::SEGMENT;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn running(cluster: &TestCluster) -> Fake {
    let build = cluster.build();
    let fake = Fake::new(&build);
    fake.apply(&build).unwrap();
    fake.forget_log();
    fake
}

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

/// The calls of an apply that change something. One that is killed while it asks has changed nothing since the last of them.
fn points(cluster: &TestCluster, next: &TestCluster) -> Vec<i64> {
    let fake = running(cluster);
    fake.apply(&next.build()).unwrap();
    let log = fake.shared.log.lock().unwrap();
    let asks = |line: &String| line.contains(": observe") || line.starts_with("ask ") || line.contains(": ask ");
    (0_i64..).zip(log.iter()).filter(|(_, line)| !asks(line)).map(|(at, _)| at).collect()
}

#[test]
fn killed_at_any_call_the_next_run_finishes() {
    let cluster = ha();
    let next = upgraded(&cluster).change(|c| {
        c.nodes.retain(|node| node.name != "w-3" && node.name != "c-3");
        c.nodes.push(node("c-4", &["controller", "etcd"]));
        c.nodes.push(node("w-4", &["worker"]));
    });
    let points = points(&cluster, &next);
    assert!(points.len() > 100, "{points:?}");
    for killed_at in points {
        let fake = running(&cluster);
        fake.shared.calls_left.store(killed_at, Ordering::SeqCst);
        let _ = fake.apply(&next.build());
        fake.shared.calls_left.store(i64::MAX, Ordering::SeqCst);
        // Somebody starts it again after a while.
        *fake.shared.now.lock().unwrap() += Duration::from_secs(60);
        fake.apply(&next.build())
            .unwrap_or_else(|error| panic!("killed at call {killed_at}: {error}\n{:#?}", fake.log()));
        let left = fake.plan(&next.build());
        assert!(left.is_empty(), "killed at call {killed_at}: {left:?}");
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
fn damaged_images_go_nowhere() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    fake.damaged.lock().unwrap().insert("artifacts-2.squashfs".into());
    let error = fake.apply(&next).unwrap_err();
    assert!(matches!(error, ApplyError::ImageDamaged { .. }), "{error}");
    assert_eq!(fake.log(), [""; 0], "nothing was touched");
}

#[test]
fn an_image_that_is_gone_is_named_with_what_to_do() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    fake.missing.lock().unwrap().insert("artifacts-2.squashfs".into());
    let error = fake.apply(&next).unwrap_err().to_string();
    assert!(
        error.starts_with("the image artifacts-2.squashfs cannot be read: ") && error.contains("kubi build"),
        "{error}"
    );
    assert_eq!(fake.log(), [""; 0], "nothing was touched");
}

#[test]
fn a_pool_that_becomes_full_is_said_and_gone_on_from() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    fake.machines["one"].inner.lock().unwrap().full = true;
    let error = fake.apply(&next).unwrap_err().to_string();
    assert!(error.starts_with("the storage is full while uploading volume artifacts-2.squashfs"), "{error}");
    assert!(error.ends_with("run the same command again"), "{error}");
    assert_eq!(fake.started(), [""; 0]);
    fake.machines["one"].inner.lock().unwrap().full = false;
    fake.apply(&next).unwrap();
    assert_eq!(fake.started(), ["w-1"]);
}

#[test]
fn what_arrives_damaged_is_sent_again() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    fake.machines["one"].inner.lock().unwrap().corrupt = Some("artifacts-2.squashfs".into());
    let error = fake.apply(&next).unwrap_err();
    assert!(matches!(error, ApplyError::UploadDamaged { .. }), "{error}");
    assert_eq!(fake.started(), [""; 0]);
    fake.machines["one"].inner.lock().unwrap().corrupt = None;
    fake.apply(&next).unwrap();
    assert_eq!(fake.started(), ["w-1"]);
}

#[test]
fn an_upload_goes_on_where_it_was_cut_off() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").base = BIG).build();
    let is_write = |line: &&String| line.contains("write volume base-9.qcow2");
    let second = {
        let whole = running(&cluster);
        whole.apply(&next).unwrap();
        let log = whole.shared.log.lock().unwrap();
        let writes: Vec<usize> = log.iter().enumerate().filter(|(_, line)| is_write(line)).map(|(at, _)| at).collect();
        assert_eq!(writes.len(), 3);
        writes[1]
    };
    fake.shared.calls_left.store(i64::try_from(second).unwrap() + 1, Ordering::SeqCst);
    assert!(fake.apply(&next).is_err());
    fake.forget_log();
    fake.shared.calls_left.store(i64::MAX, Ordering::SeqCst);
    let plan = fake.plan(&next);
    let done = plan.steps.iter().find_map(|step| match step {
        Step::Upload { file, done, .. } if file == "base-9.qcow2" => Some(*done),
        _ => None,
    });
    assert_eq!(done, Some(SEGMENT), "the second segment was sent, but not yet told");
    fake.apply(&next).unwrap();
    assert_eq!(fake.log().iter().filter(is_write).count(), 2);
    assert_eq!(fake.started(), ["w-1"]);
}

#[test]
fn an_upload_killed_twice_never_counts_as_whole() {
    let cluster = ha();
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    for first in 0..8 {
        for second in 0..8 {
            let fake = running(&cluster);
            for calls in [first, second] {
                fake.shared.calls_left.store(calls, Ordering::SeqCst);
                assert!(fake.apply(&next).is_err(), "an upload and a replacement take longer");
            }
            fake.shared.calls_left.store(i64::MAX, Ordering::SeqCst);
            fake.apply(&next).unwrap();
            let inner = fake.machines["one"].inner.lock().unwrap();
            let sent = &inner.volumes["artifacts-2.squashfs"].1;
            assert_eq!(*sent, common::cluster::image_bytes("artifacts-2.squashfs"), "killed at {first} and {second}");
        }
    }
}

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
fn what_is_not_the_nodes_own_any_more_is_not_stopped() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").version = 2).build();
    let plan = fake.plan(&next);
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    let domain = inner.domains.get_mut("dev-w-1").unwrap();
    domain.xml = domain.xml.replace("identity='sha256:1d'", "identity='sha256:2e'");
    drop(inner);
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
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    let domain = inner.domains.get_mut("dev-w-1").unwrap();
    domain.xml = domain.xml.replace("build='1'", "build='7'");
    drop(inner);
    let error = fake.carry_out(&next, &plan).unwrap_err();
    assert!(matches!(error, ApplyError::ChangedMeanwhile { ref domain, .. } if domain == "dev-w-1"), "{error}");
    assert_eq!(fake.started(), [""; 0]);
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
