//! What is in the way of a plan, and what a plan works around.

mod common;

use common::cluster::ha;
use common::machine::FakeDomain;
use common::scenes::{nodes, reasons, running};
use common::world::Fake;
use kubi_deploy::deployment::NetworkMode;
use kubi_deploy::plan::{Options, Problem, Reason, Risk, Step, destruction, plan};
use kubi_deploy::services::NodeInfo;

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
