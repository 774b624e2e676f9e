//! The real libvirt library, on its built-in test driver: no hypervisor, no daemon, nothing left behind.

mod common;

use kubi_deploy::build::Build;
use kubi_deploy::edge::Folder;
use kubi_deploy::hypervisor::{Hypervisor, HypervisorError, Libvirt, NewVolume};
use kubi_deploy::mark::Mark;
use kubi_deploy::observed::{Observed, State};
use kubi_deploy::plan::{Options, Plan, Problem, Risk, Step, plan};
use std::path::Path;
use virt::connect::Connect;

const POOL: &str = "default-pool";

/// Written by `kubi build` for three etcd members and a controller.
fn built() -> Build {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    Folder::find(&data, Some("quorum")).unwrap().build().unwrap()
}

fn plan_with(build: &Build, state: &State) -> Plan {
    let mut observed = Observed::default();
    observed.hypervisors.insert("local".into(), Ok(state.clone()));
    plan(build, &observed, &Options::default())
}

/// One connection and one test: the driver's world belongs to the whole process.
#[test]
fn what_is_defined_is_seen_again() {
    let libvirt = Libvirt::open("test:///default").unwrap();
    let build = built();
    let state = libvirt.observe(POOL).unwrap();
    assert_eq!(state.domains.iter().map(|domain| domain.name.as_str()).collect::<Vec<_>>(), ["test"]);
    assert!(state.domains[0].mark.is_none() && state.domains[0].running);
    let pool = state.pool.clone().unwrap();
    assert!(pool.active && pool.is_directory() && pool.available > 0, "{pool:?}");
    assert!(libvirt.observe("another").unwrap().pool.is_none());

    // The driver's own network is what libvirt's packages bring: it does.
    let stock = plan_with(&build, &state);
    assert!(!stock.problems.iter().any(|problem| matches!(problem, Problem::RangeTaken { .. })), "{stock:?}");
    let shared = Risk::SharedNetwork { hypervisor: "local".into(), network: "default".into() };
    assert!(stock.risks.contains(&shared), "{stock:?}");
    libvirt.remove_network("default").unwrap();
    libvirt.remove_network("default").unwrap();

    networks(&libvirt, &build);
    volumes(&libvirt);
    domains(&libvirt, &build);
}

fn networks(libvirt: &Libvirt, build: &Build) {
    let steps = |state: &State| {
        let steps = plan_with(build, state).steps;
        steps
            .iter()
            .filter(|s| {
                matches!(s, Step::DefineNetwork { .. } | Step::StartNetwork { .. } | Step::ChangeNetwork { .. })
            })
            .count()
    };
    assert_eq!(steps(&libvirt.observe(POOL).unwrap()), 2);
    for network in &build.deployment.networks {
        libvirt.define_network(build.network_xml(network)).unwrap();
    }
    assert_eq!(steps(&libvirt.observe(POOL).unwrap()), 2, "they are there, but not started");
    for network in &build.deployment.networks {
        libvirt.start_network(&network.name).unwrap();
    }
    assert_eq!(steps(&libvirt.observe(POOL).unwrap()), 0, "what libvirt makes of kubi's XML is no difference");
}

fn volumes(libvirt: &Libvirt) {
    let volume = |name: &str, capacity| NewVolume {
        name: name.into(),
        format: kubi_deploy::deployment::Format::Raw,
        capacity: Some(capacity),
        backing: None,
    };
    libvirt.create_volume(POOL, &volume("quorum-etcd-1-data.raw", 1 << 20)).unwrap();
    assert_eq!(libvirt.observe(POOL).unwrap().pool.unwrap().volumes["quorum-etcd-1-data.raw"].capacity, 1 << 20);
    let error = libvirt.create_volume(POOL, &volume("quorum-etcd-1-data.raw", 1)).unwrap_err();
    assert!(matches!(error, HypervisorError::Failed { .. }), "{error}");
    libvirt.delete_volume(POOL, "quorum-etcd-1-data.raw").unwrap();
    libvirt.delete_volume(POOL, "quorum-etcd-1-data.raw").unwrap();
    assert!(libvirt.observe(POOL).unwrap().pool.unwrap().volumes.is_empty());
}

fn domains(libvirt: &Libvirt, build: &Build) {
    let node = &build.deployment.nodes[0];
    let xml = build.domain_xml(node).replace("<domain type='qemu'>", "<domain type='test'>");
    libvirt.define_domain(&xml).unwrap();
    let find = || libvirt.observe(POOL).unwrap().domains.into_iter().find(|d| d.uuid == node.domain.uuid).unwrap();
    let domain = find();
    assert!(!domain.running && domain.belongs_to(&build.deployment));
    assert_eq!(domain.disks["kubi-root"].chain[..2], [node.disks.root.volume.clone(), node.disks.root.backing.clone()]);
    let mark = Mark { healthy: true, build: 7, ..domain.mark.unwrap() };
    libvirt.start_domain(&node.domain.name).unwrap();
    libvirt.set_mark(&node.domain.name, &mark).unwrap();
    assert_eq!(find().mark, Some(mark));
    assert!(libvirt.is_running(&node.domain.name).unwrap());
    libvirt.stop_domain(&node.domain.name).unwrap();
    libvirt.stop_domain(&node.domain.name).unwrap();
    saved(libvirt, &node.domain.name);
    libvirt.undefine_domain(&node.domain.name).unwrap();
    assert!(matches!(libvirt.start_domain(&node.domain.name), Err(HypervisorError::Failed { .. })));
}

/// As libvirt-guests does when the host shuts down.
fn saved(libvirt: &Libvirt, name: &str) {
    let connection = Connect::open(Some("test:///default")).unwrap();
    let domain = connection.lookup_domain_by_name(name).unwrap();
    domain.create().unwrap();
    domain.managed_save(0).unwrap();
    assert!(!libvirt.is_running(name).unwrap());
    libvirt.start_domain(name).unwrap();
    assert!(!domain.has_managed_save(0).unwrap(), "the memory of the layer before is resumed");
    domain.managed_save(0).unwrap();
}

#[test]
fn nobody_there_is_said_clearly() {
    let error = Libvirt::open("qemu+unix:///system?socket=/nowhere/libvirt-sock").err().unwrap();
    assert!(matches!(error, HypervisorError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("Is libvirtd installed and running there?"), "{error}");
}
