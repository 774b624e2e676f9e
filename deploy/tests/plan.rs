//! What is planned, for every kind of change.

mod common;

use common::cluster::{TestCluster, ha, node};
use common::machine::FakeDomain;
use common::world::Fake;
use kubi_deploy::deployment::NetworkMode;
use kubi_deploy::plan::{Action, Options, Plan, Problem, Reason, Risk, Step, destruction, leftovers, plan};
use kubi_deploy::render::plan_text;
use kubi_deploy::services::NodeInfo;

/// The cluster, deployed and healthy.
fn running(cluster: &TestCluster) -> Fake {
    let build = cluster.build();
    let fake = Fake::new(&build);
    fake.apply(&build).unwrap();
    fake.forget_log();
    fake
}

/// What the plan does to nodes: one string a step.
fn nodes(plan: &Plan) -> Vec<String> {
    let verb = |action: Action| format!("{action:?}").to_lowercase();
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::FirstBoot { nodes } | Step::Nodes { nodes } => {
                Some(nodes.iter().map(|c| format!("{} {}", verb(c.action), c.node)).collect::<Vec<_>>().join(" + "))
            }
            Step::Remove(removal) => Some(format!("remove {}", removal.node)),
            _ => None,
        })
        .collect()
}

fn reasons(plan: &Plan) -> Vec<Reason> {
    plan.changed_nodes().flat_map(|change| change.reasons.clone()).collect()
}

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
fn what_is_somebody_elses_is_in_the_way() {
    let cluster = ha();
    let fake = Fake::new(&cluster.build());
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    let foreign = |name: &str, volume: &str| FakeDomain {
        xml: format!(
            "<domain><name>{name}</name><uuid>other</uuid><devices><disk><source volume='{volume}'/></disk></devices></domain>"
        ),
        since: None,
    };
    inner.domains.insert("dev-c-1".into(), foreign("dev-c-1", "x"));
    inner.domains.insert("other".into(), foreign("other", "dev-w-1-data.raw"));
    let network = |name: &str, address: &str| {
        format!("<network><name>{name}</name><uuid>u</uuid><ip address='{address}' prefix='24'/></network>")
    };
    inner.networks.insert("dev-cluster".into(), (network("dev-cluster", "10.0.0.1"), true));
    inner.networks.insert("lan".into(), (network("lan", "192.168.122.7"), true));
    inner.networks.insert("off".into(), (network("off", "192.168.123.1"), false));
    inner.kvm = false;
    drop(inner);
    let hypervisor = || "one".to_owned();
    let problems = fake.plan(&cluster.build()).problems;
    assert_eq!(
        problems,
        [
            Problem::RangeTaken {
                hypervisor: hypervisor(),
                cidr: "192.168.122.0/24".into(),
                by: "lan".into(),
                free: "192.168.124.0/24".into()
            },
            Problem::NetworkTaken { hypervisor: hypervisor(), name: "dev-cluster".into() },
            Problem::DomainTaken { hypervisor: hypervisor(), name: "dev-c-1".into() },
            Problem::VolumeTaken { hypervisor: hypervisor(), volume: "dev-w-1-data.raw".into(), by: "other".into() },
            Problem::NoKvm { hypervisor: hypervisor() },
        ]
    );
    assert!(problems.iter().all(Problem::is_blocking));
    let emulated = plan(&cluster.build(), &fake.observe(), &Options { allow_tcg: true, ..Options::default() });
    assert!(!emulated.problems.contains(&Problem::NoKvm { hypervisor: hypervisor() }));
}

#[test]
fn another_cluster_of_the_same_name_is_left_alone() {
    let cluster = ha();
    let fake = running(&cluster);
    // Somebody else's, with the same names and UUIDs: these follow from names alone.
    let other = cluster.change(|c| c.identity = "sha256:2e".into());
    let plan = fake.plan(&other.without("w-3").build());
    assert_eq!(plan.problems.len(), 6, "{:?}", plan.problems);
    assert!(
        plan.problems.iter().all(|problem| matches!(problem, Problem::OtherCluster { .. }) && problem.is_blocking())
    );
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::Remove(_))), "{plan:?}");
    let state = fake.machines["one"].snapshot();
    let what = destruction([other.build()].iter(), "one", &state, true);
    assert_eq!((what.domains.len(), what.volumes.len(), what.networks.len()), (0, 0, 0), "{what:?}");
    // A mark of before there were identities is still the cluster's.
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    for domain in inner.domains.values_mut() {
        domain.xml = domain.xml.replace(" identity='sha256:1d'", "");
    }
    drop(inner);
    assert_eq!(fake.plan(&cluster.build()).problems, []);
}

#[test]
fn a_copy_of_a_node_is_not_the_node() {
    let cluster = ha();
    let fake = running(&cluster);
    let mut inner = fake.machines["one"].inner.lock().unwrap();
    let uuid = kubi_deploy::identity::domain_uuid("dev", "c-1");
    let xml = inner.domains["dev-c-1"].xml.replace("dev-c-1", "copy").replace(&uuid, "another");
    inner.domains.insert("copy".into(), FakeDomain { xml, since: None });
    drop(inner);
    let plan = fake.plan(&cluster.build());
    assert_eq!(plan.steps, [], "neither the copy nor the member is removed");
    let copy = Problem::Copy { hypervisor: "one".into(), name: "copy".into(), node: "c-1".into() };
    assert_eq!(plan.problems, [copy]);
}

#[test]
fn no_kubelet_is_newer_than_an_api_server() {
    let cluster = ha();
    let fake = running(&cluster);
    let upgrade = cluster.change(|c| {
        c.kubernetes = "1.37.0".into();
        c.nodes.iter_mut().for_each(|node| node.version = 2);
    });
    // A worker alone has to wait for the controllers.
    let only = |names: &[&str]| Options {
        only: Some(names.iter().map(|name| name.to_string()).collect()),
        ..Options::default()
    };
    let held = plan(&upgrade.build(), &fake.observe(), &only(&["w-1"]));
    let skew = Problem::Skew { node: "w-1".into(), by: "c-1".into(), version: "1.37.0".into() };
    assert_eq!((held.steps.as_slice(), held.problems.as_slice()), (&[][..], &[skew][..]));
    assert!(!held.is_blocked());
    // With another patch release it need not.
    let patch = upgrade.change(|c| c.kubernetes = "1.36.5".into());
    assert_eq!(nodes(&plan(&patch.build(), &fake.observe(), &only(&["w-1"]))), ["replace w-1"]);
    fake.apply(&upgrade.build()).unwrap();
    // The way back: workers first.
    let back = cluster.change(|_| {});
    let plan_back = fake.plan(&back.build());
    let kinds: Vec<String> = nodes(&plan_back).iter().map(|step| step.chars().take(9).collect()).collect();
    assert_eq!(kinds, ["replace w", "replace w", "replace w", "replace c", "replace c", "replace c"]);
    let controllers = plan(&back.build(), &fake.observe(), &only(&["c-1"]));
    assert!(
        matches!(controllers.problems.as_slice(), [Problem::Skew { node, by, .. }] if node == "c-1" && by == "w-1")
    );
    fake.apply(&back.build()).unwrap();
    assert!(fake.plan(&back.build()).is_empty());
}

#[test]
fn a_controller_out_of_reach_holds_the_workers_back() {
    let cluster = ha().change(|c| {
        c.hypervisors.push("two".into());
        c.node("c-3").hypervisor = "two".into();
    });
    let fake = running(&cluster);
    let upgrade = cluster.change(|c| {
        c.kubernetes = "1.37.0".into();
        c.nodes.iter_mut().for_each(|node| node.version = 2);
    });
    let mut observed = fake.observe();
    observed.hypervisors.insert("two".into(), Err("no route".into()));
    let told = NodeInfo { kubelet: "v1.36.4".into(), ..NodeInfo::default() };
    observed.nodes.insert("c-3".into(), told);
    let plan = plan(&upgrade.build(), &observed, &Options::default());
    assert!(plan.changed_nodes().all(|change| change.node.starts_with("c-")), "{plan:?}");
    assert_eq!(plan.problems.iter().filter(|problem| matches!(problem, Problem::Skew { .. })).count(), 3);
}

/// libvirt's packages define and start it, with the range that kubi prefers.
const STOCK: &str = "<network><name>default</name><uuid>s</uuid><forward mode='nat'/><bridge name='virbr0'/>\
    <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>";

#[test]
fn libvirts_own_network_is_used_as_it_is() {
    let cluster = ha();
    let fake = Fake::new(&cluster.build());
    let stock = |active: bool| {
        fake.machines["one"].inner.lock().unwrap().networks.insert("default".into(), (STOCK.into(), active));
    };
    stock(true);
    let first = fake.plan(&cluster.build());
    assert_eq!(first.problems, []);
    assert_eq!(first.risks, [Risk::SharedNetwork { hypervisor: "one".into(), network: "default".into() }]);
    fake.apply(&cluster.build()).unwrap();
    let networks = |name: &str| fake.machines["one"].inner.lock().unwrap().networks.contains_key(name);
    assert!(networks("dev-cluster") && !networks("dev-management"));
    let xml = fake.machines["one"].inner.lock().unwrap().domains["dev-c-1"].xml.clone();
    assert!(xml.contains("<source network='default'/>") && xml.contains("<source network='dev-cluster'/>"), "{xml}");
    assert!(fake.plan(&cluster.build()).is_empty());
    let state = fake.machines["one"].snapshot();
    assert_eq!(destruction([cluster.build()].iter(), "one", &state, true).networks, ["dev-cluster".to_owned()].into());
    // Without it, the cluster gets its own, and the nodes move there.
    stock(false);
    let plan = fake.plan(&cluster.build());
    let moves = Reason::NetworkChanges { network: "dev-management".into() };
    assert!(reasons(&plan).iter().all(|reason| *reason == moves), "{plan:?}");
    assert_eq!(nodes(&plan).len(), 6);
    fake.apply(&cluster.build()).unwrap();
    assert!(networks("dev-management") && fake.plan(&cluster.build()).is_empty());
}

#[test]
fn a_session_makes_no_bridges() {
    let cluster = ha();
    let mut build = cluster.build();
    build.deployment.hypervisors[0].uri = "qemu:///session".into();
    let fake = Fake::new(&build);
    let problems = fake.plan(&build).problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|problem| matches!(problem, Problem::SessionNetwork { .. })), "{problems:?}");
    build.deployment.networks.iter_mut().for_each(|network| network.mode = NetworkMode::Bridge);
    assert_eq!(fake.plan(&build).problems, []);
}

#[test]
fn pools_are_made_started_or_missing() {
    let cluster = ha();
    let fake = Fake::new(&cluster.build());
    let with = |change: &dyn Fn(&mut kubi_deploy::observed::State)| {
        let mut observed = fake.observe();
        change(observed.hypervisors.get_mut("one").unwrap().as_mut().unwrap());
        plan(&cluster.build(), &observed, &Options::default())
    };
    assert!(matches!(with(&|state| state.pool = None).steps[0], Step::CreatePool { .. }));
    assert!(matches!(with(&|state| state.pool.as_mut().unwrap().active = false).steps[0], Step::StartPool { .. }));
    let kind = with(&|state| state.pool.as_mut().unwrap().kind = "logical".into());
    assert!(matches!(kind.problems.as_slice(), [Problem::PoolKind { .. }]), "{kind:?}");
    let full = with(&|state| state.pool.as_mut().unwrap().available = 3);
    assert!(matches!(full.problems.as_slice(), [Problem::PoolFull { available: 3, .. }]), "{full:?}");
}

#[test]
fn a_hypervisor_out_of_reach_does_not_stop_the_others() {
    let cluster = ha().change(|c| {
        c.hypervisors.push("two".into());
        c.node("w-3").hypervisor = "two".into();
    });
    let fake = running(&cluster);
    let changed = cluster.change(|c| c.nodes.iter_mut().for_each(|node| node.version = 2)).build();
    let mut observed = fake.observe();
    observed.hypervisors.insert("two".into(), Err("no route".into()));
    let plan = plan(&changed, &observed, &Options::default());
    assert_eq!(plan.problems, [Problem::Unreachable { hypervisor: "two".into(), reason: "no route".into() }]);
    assert!(!plan.is_blocked());
    assert!(!plan.changed_nodes().any(|change| change.node == "w-3"), "{plan:?}");
    assert_eq!(plan.changed_nodes().count(), 5);
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
