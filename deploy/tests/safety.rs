//! What would cost a cluster its quorum or its data, in a pretended world: whatever is killed, off, silent or gone.

mod common;

use common::cluster::{TestCluster, ha, node};
use common::scenes::{finishes_although_killed, points, settled as running};
use common::world::Fake;
use kubi_deploy::apply::ApplyError;
use kubi_deploy::plan::{Action, Options, Problem, Reason, Step};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// The first so many controllers, which are members of etcd, and one worker.
fn controllers(count: usize) -> TestCluster {
    let mut cluster = ha();
    cluster.nodes.retain(|node| node.name == "w-1");
    cluster.nodes.extend((1..=count).map(|n| node(&format!("c-{n}"), &["controller", "etcd"])));
    cluster
}

fn two_hypervisors() -> TestCluster {
    ha().change(|c| c.hypervisors.push("two".into()))
}

/// Goes from one cluster to the next, killed anywhere; etcd never stands still, and ends with these members.
fn etcd_survives(cluster: &TestCluster, next: &TestCluster, members: &[&str]) {
    for killed_at in points(&running(cluster), next) {
        let fake = running(cluster);
        fake.quorum_must_hold.store(true, Ordering::SeqCst);
        finishes_although_killed(&fake, next, killed_at);
        let mut found = fake.members();
        found.sort();
        assert_eq!(found, members, "killed at call {killed_at}");
    }
}

#[test]
fn etcd_grows_from_one_to_three() {
    etcd_survives(&controllers(1), &controllers(3), &["c-1", "c-2", "c-3"]);
}

#[test]
fn etcd_grows_from_three_to_five() {
    etcd_survives(&controllers(3), &controllers(5), &["c-1", "c-2", "c-3", "c-4", "c-5"]);
}

#[test]
fn etcd_shrinks_from_three_to_one() {
    etcd_survives(&controllers(3), &controllers(1), &["c-1"]);
}

#[test]
fn two_members_are_swapped() {
    let next = controllers(5).change(|c| c.nodes.retain(|node| !["c-2", "c-3"].contains(&node.name.as_str())));
    etcd_survives(&controllers(3), &next, &["c-1", "c-4", "c-5"]);
}

#[test]
fn all_members_are_swapped() {
    let next = controllers(6).change(|c| c.nodes.retain(|node| !["c-1", "c-2", "c-3"].contains(&node.name.as_str())));
    let fake = running(&controllers(3));
    fake.quorum_must_hold.store(true, Ordering::SeqCst);
    fake.apply(&next.build()).unwrap();
    assert_eq!(fake.members(), ["c-4", "c-5", "c-6"]);
}

#[test]
fn a_new_member_takes_over_the_address_of_an_old_one() {
    let next = controllers(4).change(|c| {
        c.nodes.retain(|node| node.name != "c-3");
        c.node("c-4").peer_of = Some("c-3");
    });
    let fake = running(&controllers(3));
    fake.quorum_must_hold.store(true, Ordering::SeqCst);
    fake.apply(&next.build()).unwrap();
    assert_eq!(fake.members(), ["c-1", "c-2", "c-4"]);
}

#[test]
fn two_of_three_controllers_move_one_after_the_other() {
    let cluster = two_hypervisors();
    let next = cluster.change(|c| {
        c.node("c-1").hypervisor = "two".into();
        c.node("c-2").hypervisor = "two".into();
    });
    etcd_survives(&cluster, &next, &["c-1", "c-2", "c-3"]);
    let fake = running(&cluster);
    fake.apply(&next.build()).unwrap();
    let log = fake.log();
    let position =
        |what: &str| log.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {log:#?}"));
    assert!(position("one: undefine domain dev-c-2") < position("one: shut down domain dev-c-1"), "{log:#?}");
    assert!(position("cordon c-2") < position("one: shut down domain dev-c-2"));
    assert!(position("two: start domain dev-c-2") < position("one: undefine domain dev-c-2"));
    assert_eq!(fake.machines["one"].snapshot().domains.len(), 4);
}

#[test]
fn workers_that_move_are_drained_and_wait_for_each_other() {
    let cluster = two_hypervisors();
    let next = cluster.change(|c| ["w-1", "w-2"].iter().for_each(|name| c.node(name).hypervisor = "two".into()));
    let fake = running(&cluster);
    fake.apply(&next.build()).unwrap();
    let log = fake.log();
    let position = |what: &str| log.iter().position(|line| line.contains(what)).unwrap();
    assert!(position("cordon w-1") < position("shut down domain dev-w-1"));
    assert!(position("undefine domain dev-w-1") < position("shut down domain dev-w-2"), "{log:#?}");
}

#[test]
fn a_node_stays_where_it_is_while_its_new_place_cannot_be_reached() {
    let cluster = two_hypervisors();
    let fake = running(&cluster);
    fake.out_of_reach.lock().unwrap().insert("two".into());
    let plan = fake.plan(&cluster.change(|c| c.node("c-2").hypervisor = "two".into()).build());
    assert!(plan.is_empty(), "{plan:?}");
}

#[test]
fn etcds_only_member_does_not_move_without_its_data() {
    let cluster = controllers(1).change(|c| c.hypervisors.push("two".into()));
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("c-1").hypervisor = "two".into()).build();
    let only_copy =
        |plan: &kubi_deploy::plan::Plan| plan.problems.iter().any(|p| matches!(p, Problem::OnlyCopy { .. }));
    assert!(only_copy(&fake.plan(&next)));
    // Somebody has copied it.
    fake.cut(&["c-1"]);
    let data = fake.machines["one"].inner.lock().unwrap().volumes["dev-c-1-data.raw"].clone();
    fake.machines["two"].inner.lock().unwrap().volumes.insert("dev-c-1-data.raw".into(), data);
    fake.apply(&next).unwrap();
    assert_eq!(fake.members(), ["c-1"]);
}

#[test]
fn a_pool_that_is_off_has_not_lost_its_volumes() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.cut(&["c-2"]);
    fake.machines["one"].inner.lock().unwrap().pool_off = true;
    let plan = fake.plan(&cluster.build());
    assert!(plan.look_again && matches!(plan.steps.as_slice(), [Step::StartPool { .. }]), "{plan:?}");
    let before = fake.members();
    fake.apply(&cluster.build()).unwrap();
    assert_eq!(fake.members(), before);
    let log = fake.log();
    assert!(!log.iter().any(|line| line.contains("etcd:") || line.contains("-1.qcow2")), "{log:#?}");
    assert!(fake.plan(&cluster.build()).is_empty());
}

#[test]
fn a_probe_that_fails_is_no_leave_to_go_on() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("c-2").version = 2).build();
    let plan = fake.plan(&next);
    fake.cut(&["c-3"]);
    fake.fail("ask for the health of c-2", 1);
    let error = fake.carry_out(&next, &plan).unwrap_err();
    assert!(matches!(error, ApplyError::Quorum { .. }), "{error}");
    assert!(!fake.log().iter().any(|line| line.contains("dev-c-2")), "{:#?}", fake.log());
}

#[test]
fn a_member_that_leaves_is_forgotten_although_etcd_was_silent_when_it_was_planned() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.without("c-3").build();
    fake.fail("ask for etcd's members", 1);
    let plan = fake.plan(&next);
    fake.carry_out(&next, &plan).unwrap();
    assert_eq!(fake.members(), ["c-1", "c-2"]);
    // And without an answer it stays.
    let fake = running(&cluster);
    let plan = fake.plan(&next);
    fake.fail("ask for etcd's members", u32::MAX);
    let error = fake.carry_out(&next, &plan).unwrap_err();
    assert!(matches!(error, ApplyError::EtcdSilent { .. }), "{error}");
    assert!(fake.machines["one"].snapshot().domains.iter().any(|domain| domain.name == "dev-c-3" && domain.running));
}

#[test]
fn a_cluster_that_cannot_be_seen_is_not_taken_for_a_new_one() {
    let cluster = two_hypervisors().change(|c| {
        c.nodes.iter_mut().filter(|node| node.name != "c-3").for_each(|node| node.hypervisor = "two".into());
    });
    let fake = running(&cluster);
    fake.out_of_reach.lock().unwrap().insert("two".into());
    // What was there is gone with its machine, and made anew.
    *fake.machines["one"].inner.lock().unwrap() = common::machine::Inner { kvm: true, ..Default::default() };
    let plan = fake.plan(&cluster.build());
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::FirstBoot { .. })), "{plan:?}");
    assert!(plan.changed_nodes().all(|change| change.join_etcd), "{plan:?}");
    // Where only a worker may be, there is no cluster.
    let cluster = two_hypervisors().change(|c| c.node("w-1").hypervisor = "two".into());
    let fake = Fake::new(&cluster.build());
    fake.out_of_reach.lock().unwrap().insert("two".into());
    fake.places.lock().unwrap().insert("w-1".into(), ["two".to_owned()].into());
    let plan = fake.plan(&cluster.build());
    assert!(plan.steps.iter().any(|step| matches!(step, Step::FirstBoot { nodes } if nodes.len() == 5)), "{plan:?}");
}

#[test]
fn an_old_database_is_not_started_among_empty_ones() {
    let cluster = ha();
    let fake = running(&cluster);
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    // Destroyed, data kept.
    inner.domains.clear();
    inner.volumes.remove("dev-c-1-data.raw");
    drop(inner);
    let mixed = Problem::MixedData { found: "c-2, c-3".into(), empty: "c-1".into() };
    assert!(fake.plan(&cluster.build()).problems.contains(&mixed));
    // With all of them, or none, it is a cluster.
    fake.machines["one"].inner.lock().unwrap().volumes.retain(|name, _| !name.contains("c-"));
    assert_eq!(fake.plan(&cluster.build()).problems, []);
}

#[test]
fn no_second_machine_is_made_of_one_that_may_still_run() {
    let cluster = two_hypervisors().change(|c| c.node("w-1").hypervisor = "two".into());
    let fake = running(&cluster);
    // The hypervisor leaves the spec, or cannot be reached: the node was there.
    let next = cluster.change(|c| {
        c.node("w-1").hypervisor = "one".into();
        c.hypervisors.retain(|name| name != "two");
    });
    let moves = fake.plan(&next.build());
    assert_eq!(moves.changed_nodes().next().unwrap().leaves.as_ref().unwrap().hypervisor, "two");
    fake.out_of_reach.lock().unwrap().insert("two".into());
    let blocked = fake.plan(&next.build());
    assert!(
        blocked.problems.contains(&Problem::PlaceUnseen { node: "w-1".into(), place: "two".into() }),
        "{blocked:?}"
    );
    assert!(blocked.is_blocked());
    *fake.machines["two"].inner.lock().unwrap() = common::machine::Inner::default();
    let lost = Options { lost: ["two".to_owned()].into(), ..Options::default() };
    fake.apply_with(&next.build(), &lost).unwrap();
    assert_eq!(fake.started(), ["w-1"]);
}

#[test]
fn a_hypervisor_that_left_the_spec_keeps_no_networks() {
    let cluster = two_hypervisors().change(|c| c.node("w-1").hypervisor = "two".into());
    let next = cluster.change(|c| {
        c.node("w-1").hypervisor = "one".into();
        c.hypervisors.retain(|name| name != "two");
    });
    let networks = |fake: &Fake| fake.machines["two"].snapshot().networks.len();
    let fake = running(&cluster);
    fake.apply(&next.build()).unwrap();
    assert_eq!(networks(&fake), 0);
    assert!(fake.plan(&next.build()).is_empty());
    // Somebody else's domain is on one: that one stays.
    let fake = running(&cluster);
    let xml = "<domain><name>x</name><uuid>x</uuid><devices><interface type='network'><source network='dev-cluster'/></interface></devices></domain>";
    let foreign = common::machine::FakeDomain { xml: xml.into(), since: None };
    fake.machines["two"].inner.lock().unwrap().domains.insert("x".into(), foreign);
    fake.apply(&next.build()).unwrap();
    assert_eq!(networks(&fake), 1);
    assert!(fake.plan(&next.build()).is_empty());
}

#[test]
fn members_that_nobody_runs_are_forgotten() {
    let cluster = ha();
    let fake = running(&cluster);
    // Removed by hand, domain and all.
    fake.machines["one"].inner.lock().unwrap().domains.remove("dev-c-3");
    let next = cluster.without("c-3");
    let plan = fake.apply(&next.build()).unwrap();
    assert!(plan.steps.iter().any(|step| matches!(step, Step::ForgetMember(old) if old.name == "c-3")), "{plan:?}");
    assert_eq!(fake.members(), ["c-1", "c-2"]);
    // Not while it may be where nobody can look.
    let fake = running(&cluster.change(|c| c.hypervisors.push("two".into())));
    fake.machines["one"].inner.lock().unwrap().domains.remove("dev-c-3");
    fake.out_of_reach.lock().unwrap().insert("two".into());
    let plan = fake.plan(&next.change(|c| c.hypervisors.push("two".into())).build());
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::ForgetMember(_))), "{plan:?}");
}

#[test]
fn a_members_new_address_is_told_before_it_goes() {
    let cluster = ha();
    let next = cluster.change(|c| c.nodes.iter_mut().for_each(|node| node.peer = "-new"));
    etcd_survives(&cluster, &next, &["c-1", "c-2", "c-3"]);
    // With all of them off, nobody can be told.
    let network = next.change(|c| c.cidr = "192.168.99.0/24".into());
    let problems = running(&cluster).plan(&network.build()).problems;
    assert!(problems.iter().any(|p| matches!(p, Problem::MembersCutOff { .. })), "{problems:?}");
}

#[test]
fn a_data_disk_that_is_gone_is_named() {
    let cluster = ha();
    let fake = running(&cluster);
    for name in ["dev-c-2-data.raw", "dev-w-1-data.raw"] {
        fake.machines["one"].inner.lock().unwrap().volumes.remove(name);
    }
    // They run, and still have it open.
    let gone: BTreeSet<String> = fake
        .plan(&cluster.build())
        .problems
        .iter()
        .filter_map(|problem| match problem {
            Problem::DataGone { node, .. } => Some(node.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(gone, ["c-2".to_owned(), "w-1".to_owned()].into());
    fake.cut(&["c-2", "w-1"]);
    let plan = fake.apply(&cluster.build()).unwrap();
    assert!(plan.changed_nodes().all(|change| change.reasons == [Reason::DataMissing]), "{plan:?}");
    assert_eq!(plan.changed_nodes().map(|change| change.action).collect::<Vec<_>>(), [Action::Replace; 2]);
    let mut members = fake.members();
    members.sort();
    assert_eq!(members, ["c-1", "c-2", "c-3"]);
}

#[test]
fn a_changed_network_is_not_changed_for_some_only() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.cidr = "192.168.99.0/24".into()).build();
    let only = Options { only: Some(["w-1".to_owned()].into()), ..Options::default() };
    let plan = fake.plan_with(&next, &only);
    assert!(plan.problems.iter().any(|problem| matches!(problem, Problem::HalfANetwork { .. })), "{plan:?}");
    assert!(plan.is_blocked());
}

#[test]
fn a_network_that_changes_on_one_hypervisor_leaves_the_others_alone() {
    let cluster = two_hypervisors().change(|c| {
        c.node("c-3").hypervisor = "two".into();
        c.node("w-3").hypervisor = "two".into();
    });
    let fake = running(&cluster);
    // Somebody else has changed it there.
    let mut inner = fake.machines["two"].inner.lock().unwrap();
    let network = inner.networks.get_mut("dev-management").unwrap();
    network.0 = network.0.replace("prefix='24'", "prefix='23'");
    drop(inner);
    let next = cluster.change(|c| c.nodes.iter_mut().for_each(|node| node.version = 2)).build();
    let plan = fake.plan(&next);
    let batches: Vec<BTreeSet<&str>> = plan
        .steps
        .iter()
        .map(|step| step.changes().iter().map(|change| change.node.as_str()).collect())
        .filter(|batch: &BTreeSet<&str>| !batch.is_empty())
        .collect();
    assert_eq!(batches[0], ["c-3", "w-3"].into(), "{plan:?}");
    assert!(batches[1..].iter().all(|batch| batch.len() == 1), "{plan:?}");
    fake.quorum_must_hold.store(true, Ordering::SeqCst);
    fake.carry_out(&next, &plan).unwrap();
    assert!(fake.plan(&next).is_empty());
}

#[test]
fn a_member_that_left_and_comes_back_is_told_that_its_old_data_is_in_the_way() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.apply(&cluster.without("c-3").build()).unwrap();
    let plan = fake.plan(&cluster.build());
    assert!(plan.risks.iter().any(|risk| risk.to_string().contains("dev-c-3-data.raw")), "{:?}", plan.risks);
}
