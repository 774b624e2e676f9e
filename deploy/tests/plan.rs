//! What is planned, for every kind of change.

mod common;

use common::cluster::{TestCluster, ha, node};
use common::machine::FakeDomain;
use common::scenes::{nodes, reasons, running};
use common::world::Fake;
use kubi_deploy::plan::{Options, Reason, Risk, Step, destruction, leftovers, plan};
use kubi_deploy::render::plan_text;

#[test]
fn what_runs_as_built_needs_nothing() {
    let cluster = ha();
    let fake = running(&cluster);
    let plan = fake.plan(&cluster.build());
    assert!(plan.is_empty() && plan.problems.is_empty() && plan.risks.is_empty(), "{plan:?}");
    // A build that changed nothing changes nothing.
    assert!(fake.plan(&cluster.change(|_| {}).build()).is_empty());
}

#[test]
fn a_new_cluster_starts_all_at_once() {
    let cluster = ha();
    let fake = Fake::new(&cluster.build());
    let plan = fake.plan(&cluster.build());
    assert_eq!(nodes(&plan), ["create c-1 + create c-2 + create c-3 + create w-1 + create w-2 + create w-3"]);
    let files: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|s| if let Step::Upload { file, .. } = s { Some(file.as_str()) } else { None })
        .collect();
    assert_eq!(files.len(), 8, "one base, one artifact disk, six overlays: {files:?}");
    assert_eq!(files[0], "base-1.qcow2");
    assert!(plan.changed_nodes().all(|change| change.new_data.is_some() && !change.join_etcd && !change.drain));
    assert_eq!(plan.risks, []);
}

#[test]
fn a_changed_worker_alone_is_replaced() {
    let cluster = ha();
    let fake = running(&cluster);
    let plan = fake.plan(&cluster.change(|c| c.node("w-2").version = 2).build());
    assert_eq!(nodes(&plan), ["replace w-2"]);
    assert!(matches!(reasons(&plan).as_slice(), [Reason::Bundle { .. }]), "{plan:?}");
    assert!(plan.changed_nodes().all(|change| change.drain));
    assert_eq!(plan.risks, []);
}

#[test]
fn each_digest_that_changed_is_named() {
    let cluster = ha();
    let fake = running(&cluster);
    let changed = |change: &dyn Fn(&mut TestCluster)| reasons(&fake.plan(&cluster.change(change).build()));
    let artifacts = changed(&|c| c.node("w-1").artifacts = 2);
    assert!(matches!(artifacts.as_slice(), [Reason::Artifacts { .. }]), "{artifacts:?}");
    let base = changed(&|c| c.node("w-1").base = 2);
    assert!(matches!(base.as_slice(), [Reason::Base { .. }]), "{base:?}");
    assert_eq!(changed(&|c| c.node("w-1").memory *= 2), [Reason::Definition]);
    assert_eq!(changed(&|c| c.node("w-1").data *= 2), [Reason::DataGrows { from: 1 << 30, to: 2 << 30 }]);
    // A data disk never shrinks.
    assert_eq!(changed(&|c| c.node("w-1").data /= 2), []);
}

#[test]
fn controllers_come_before_workers_and_the_leader_last_of_them() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.state.lock().unwrap().etcd.leader = "c-2".into();
    let all = cluster.change(|c| c.nodes.iter_mut().for_each(|node| node.version = 2)).build();
    let expected = ["replace c-1", "replace c-3", "replace c-2", "replace w-1", "replace w-2", "replace w-3"];
    assert_eq!(nodes(&fake.plan(&all)), expected);
    assert_eq!(fake.plan(&all).risks, [Risk::LastSpareMember { members: 3 }]);
    let options = Options { max_unavailable: 2, ..Options::default() };
    assert_eq!(nodes(&plan(&all, &fake.observe(), &options))[3..], ["replace w-1 + replace w-2", "replace w-3"]);
}

#[test]
fn a_node_that_is_down_goes_first() {
    let cluster = ha();
    let fake = running(&cluster);
    fake.machines["one"].inner.lock().unwrap().domains.get_mut("dev-c-3").unwrap().since = None;
    let same = fake.plan(&cluster.build());
    assert_eq!((nodes(&same), reasons(&same)), (vec!["start c-3".to_owned()], vec![Reason::Stopped]));
    let changed = cluster.change(|c| c.node("c-1").version = 2).build();
    assert_eq!(nodes(&fake.plan(&changed)), ["start c-3", "replace c-1"]);
}

#[test]
fn a_node_that_left_the_spec_is_removed_and_keeps_its_data() {
    let cluster = ha();
    let fake = running(&cluster);
    let plan = fake.plan(&cluster.without("w-3").build());
    assert_eq!(nodes(&plan), ["remove w-3"]);
    let left = Risk::DataLeftBehind { hypervisor: "one".into(), node: "w-3".into(), volume: "dev-w-3-data.raw".into() };
    assert_eq!(plan.risks, [left]);
    let member = fake.plan(&cluster.without("c-3").build());
    // The others' units name it; they are replaced while it is still there to make a majority.
    assert_eq!(nodes(&member), ["replace c-2", "replace c-1", "remove c-3"]);
    assert!(matches!(member.steps.last(), Some(Step::Remove(removal)) if removal.etcd_member), "{member:?}");
    assert!(member.risks.contains(&Risk::Resize { from: 3, to: 2, spare: 0 }), "{:?}", member.risks);
}

#[test]
fn new_members_come_before_old_ones_leave() {
    let cluster = ha();
    let fake = running(&cluster);
    let swapped = cluster.change(|c| {
        c.nodes[2] = node("c-4", &["controller", "etcd"]);
        c.node("c-1").version = 2;
        c.node("w-1").version = 2;
    });
    let plan = fake.plan(&swapped.build());
    assert_eq!(nodes(&plan), ["create c-4", "remove c-3", "replace c-2", "replace c-1", "replace w-1"]);
    assert!(plan.risks.contains(&Risk::Resize { from: 3, to: 3, spare: 1 }), "{:?}", plan.risks);
    // One that is dead keeps etcd from taking anybody in.
    fake.cut(&["c-3"]);
    assert_eq!(nodes(&fake.plan(&swapped.build()))[..2], ["remove c-3", "create c-4"]);
    let new = plan.changed_nodes().find(|change| change.node == "c-4").unwrap();
    assert!(new.join_etcd);
}

#[test]
fn a_member_without_its_data_joins_anew() {
    let cluster = ha();
    let fake = running(&cluster);
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    inner.volumes.remove("dev-c-2-data.raw");
    inner.domains.get_mut("dev-c-2").unwrap().since = None;
    drop(inner);
    let plan = fake.plan(&cluster.build());
    let change = plan.changed_nodes().next().unwrap();
    assert!(change.join_etcd && change.new_data.is_some(), "{plan:?}");
    assert!(change.reasons.contains(&Reason::DataMissing), "{plan:?}");
    assert!(plan.risks.contains(&Risk::EmptyMember { node: "c-2".into(), volume: "dev-c-2-data.raw".into() }));
}

#[test]
fn a_node_moves_to_another_hypervisor() {
    let cluster = ha().change(|c| c.hypervisors.push("two".into()));
    let fake = running(&cluster);
    let plan = fake.plan(&cluster.change(|c| c.node("w-1").hypervisor = "two".into()).build());
    assert_eq!(nodes(&plan), ["create w-1"]);
    let change = plan.changed_nodes().next().unwrap();
    assert!(change.drain && change.leaves.as_ref().is_some_and(|old| old.hypervisor == "one"), "{change:?}");
    assert!(matches!(&plan.steps[..], [Step::Upload { .. }, .., Step::Nodes { .. }]), "{plan:?}");
    assert_eq!(reasons(&plan), [Reason::Moves { from: "one".into() }]);
}

#[test]
fn one_hypervisor_for_everything_is_a_risk_where_there_are_two() {
    let cluster = ha().change(|c| c.hypervisors.push("two".into()));
    let plan = Fake::new(&cluster.build()).plan(&cluster.build());
    let on_one = |what: &str| Risk::OneHypervisor { what: what.into(), hypervisor: "one".into() };
    assert_eq!(plan.risks, [on_one("etcd members"), on_one("controllers")]);
    let spread = cluster.change(|c| c.node("c-3").hypervisor = "two".into());
    let plan = Fake::new(&spread.build()).plan(&spread.build());
    assert_eq!(plan.risks, [Risk::MajorityOnOne { hypervisor: "one".into(), there: 2, members: 3 }]);
}

#[test]
fn a_single_controller_is_an_outage() {
    let cluster = ha().change(|c| c.nodes.retain(|node| !["c-2", "c-3"].contains(&node.name.as_str())));
    let fake = running(&cluster);
    let plan = fake.plan(&cluster.change(|c| c.node("c-1").version = 2).build());
    let risks = [Risk::NoQuorum { node: "c-1".into(), members: 1 }, Risk::LastController { node: "c-1".into() }];
    assert_eq!(plan.risks, risks);
    assert!(plan.risks.iter().all(Risk::is_outage));
}

#[test]
fn a_network_that_changes_stops_everything_first() {
    let cluster = ha();
    let fake = running(&cluster);
    let plan = fake.plan(&cluster.change(|c| c.cidr = "192.168.99.0/24".into()).build());
    assert!(matches!(&plan.steps[0], Step::ChangeNetwork { differences, .. } if differences.len() == 1), "{plan:?}");
    assert!(matches!(plan.steps.last(), Some(Step::Nodes { nodes }) if nodes.len() == 6), "{plan:?}");
    assert!(plan.risks.contains(&Risk::Outage { hypervisor: "one".into(), network: "dev-management".into() }));
}

#[test]
fn images_of_old_builds_go_when_nothing_needs_them() {
    let cluster = ha();
    let fake = running(&cluster);
    let second = cluster.change(|c| c.node("w-1").version = 2);
    let third = second.change(|c| c.node("w-1").version = 3);
    fake.apply(&second.build()).unwrap();
    let state = || fake.machines["one"].snapshot();
    let old = |kept: &[&kubi_deploy::build::Build]| leftovers(&[cluster.build()], kept, &state());
    assert_eq!(old(&[&second.build()]), ["w-1-101.qcow2".to_owned()].into(), "all else is still needed");
    assert_eq!(old(&[&cluster.build()]), [].into());
    // A node that was left behind keeps its images.
    let both = [cluster.build(), second.build()];
    assert_eq!(leftovers(&both, &[&third.build()], &state()), ["w-1-101.qcow2".to_owned()].into());
}

#[test]
fn destroying_spares_data_and_what_others_use() {
    let cluster = ha();
    let fake = running(&cluster);
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    let xml = "<domain><name>other</name><uuid>o</uuid><devices><disk><source volume='base-1.qcow2'/></disk></devices></domain>";
    inner.domains.insert("other".into(), FakeDomain { xml: xml.into(), since: None });
    inner.volumes.insert("somebody.raw".into(), (1, vec![], None));
    drop(inner);
    let state = fake.machines["one"].snapshot();
    let what = |with_data| destruction([cluster.build()].iter(), "one", &state, with_data);
    let kept = what(false);
    assert_eq!((kept.domains.len(), kept.networks.len(), kept.kept.len()), (6, 2, 6));
    assert!(
        !kept
            .volumes
            .iter()
            .any(|volume| volume.contains("data") || volume.contains("base") || volume.contains("somebody"))
    );
    assert_eq!(kept.volumes.len(), 6 + 6 + 1, "layers, overlays, the artifact disk: {:?}", kept.volumes);
    assert_eq!(what(true).volumes.len(), 6 + 6 + 1 + 6);
}

#[test]
fn only_the_nodes_asked_for() {
    let cluster = ha();
    let fake = running(&cluster);
    let changed = cluster.without("w-3").change(|c| c.nodes.iter_mut().for_each(|node| node.version = 2)).build();
    let only = Options { only: Some(["w-1".to_owned()].into()), ..Options::default() };
    assert_eq!(nodes(&plan(&changed, &fake.observe(), &only)), ["replace w-1"]);
}

#[test]
fn the_text_says_what_and_why() {
    let cluster = ha();
    let fake = running(&cluster);
    assert_eq!(plan_text(&fake.plan(&cluster.build())), "dev: build 1 is what runs; nothing to do\n");
    let plan = fake.plan(&cluster.without("w-3").change(|c| c.node("c-1").artifacts = 2).build());
    assert_eq!(
        plan_text(&plan),
        "dev: to build 3\n  \
         1. one: upload artifacts-2.squashfs (60 B)\n  \
         2. replace c-1 on one: artifact disk artifacts-1.squashfs -> artifacts-2.squashfs; pods move first; leads etcd\n  \
         3. remove w-3 from one: is not in the build; keeps dev-w-3-data.raw\n\
         risk: while one of etcd's 3 members is away, no other may fail\n\
         risk: the data disk of w-3, dev-w-3-data.raw, stays on one and is no longer used\n\
         3 step(s), 1 node(s)\n"
    );
}
