//! Nodes booted from their overlays under QEMU without KVM: slow, but as real as a node gets.
//!
//! Nobody can log in to a node and nothing is put into its overlay for the test: what is checked is the report that
//! every node prints on its console.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reaches the machine"
)]

mod common;

use common::qemu::{self, Deploy, Extras, Report};
use common::{built, container, require_tool};
use kubi::libvirt::NetworkKind;
use std::collections::BTreeSet;
use std::time::Duration;

/// Emulated, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Files that systemd changes at boot by design: the recipes' users, the linker's cache, and its own mark.
const MAY_CHANGE: [&str; 11] = [
    "/etc/.pwd.lock",
    "/etc/.updated",
    "/etc/group",
    "/etc/group-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ld.so.cache",
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/shadow",
    "/etc/shadow-",
];

#[test]
fn a_controller_boots_from_its_overlay() {
    require_tool("qemu-system-x86_64", "qemu-system-x86");
    let scratch = tempfile::tempdir().unwrap();
    let built = built::example("lab");
    let deploy = Deploy::open(&built.deploy_directory());
    let artifacts = container::artifact_disk(scratch.path());
    let extras = Extras { artifacts: Some(artifacts), ..Extras::default() };
    let group = qemu::multicast_group();
    let mut machine = qemu::boot(&deploy, "lab-controller", &group, scratch.path(), &extras);
    let report = machine.report(LIMIT);

    identity(&deploy, "lab-controller", &report);
    network(&deploy, "lab-controller", &report);
    disks(&report);
    health(&report);
    untouched(&built, "lab-controller", &report);
    assert_eq!(report.all("etcd"), ["healthy", "read-back ok", "without-certificate refused"]);
    assert_eq!(report.all("ran"), [format!("{} {}", container::IMAGE, container::GREETING)]);
    let installed = built.package_version("containerd");
    assert!(installed.starts_with(report.one("containerd").split('~').next().unwrap()), "{installed}");
}

fn identity(deploy: &Deploy, name: &str, report: &Report) {
    let node = deploy.node(name);
    assert_eq!(report.one("hostname"), name);
    assert_eq!(report.one("node"), name);
    assert_eq!(report.one("bundle"), node.bundle.as_str());
    assert_eq!(report.one("machine-id"), node.machine_id);
}

fn network(deploy: &Deploy, name: &str, report: &Report) {
    let node = deploy.node(name);
    let gateway = deploy.deployment.networks.iter().find_map(|network| network.gateway).unwrap();
    let mut addresses = BTreeSet::new();
    let mut macs = BTreeSet::new();
    for interface in &node.interfaces {
        let name = interface.network.to_string();
        addresses.insert(format!("{name} {}/{}", interface.address, interface.prefix));
        macs.insert(format!("{name} {}", interface.mac));
        let cidr = deploy.deployment.networks.iter().find(|n| n.kind == interface.network).unwrap().cidr;
        let connected = format!("{cidr} dev {name} ");
        assert!(report.all("route").iter().any(|route| route.starts_with(&connected)), "{connected}: {report:#?}");
    }
    assert_eq!(report.all("address").into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), addresses);
    assert_eq!(report.all("mac").into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), macs);
    let defaults: Vec<_> = report.all("route").into_iter().filter(|route| route.starts_with("default")).collect();
    assert_eq!(defaults.len(), 1, "{defaults:?}");
    let expected = format!("default via {gateway} dev {} ", NetworkKind::Management);
    assert!(defaults[0].starts_with(&expected), "{defaults:?}");
    assert_eq!(report.all("nameserver"), [gateway.to_string()]);
}

/// State is on the data disk, artifacts are mounted read-only, and there is no swap.
fn disks(report: &Report) {
    let mounts: Vec<Vec<&str>> = report.all("mount").iter().map(|line| line.split(' ').collect()).collect();
    let mount = |target: &str| mounts.iter().find(|m| m[0] == target).unwrap_or_else(|| panic!("{target}: {mounts:?}"));
    assert_eq!(mount("/opt/kubi")[2..], ["squashfs", "ro"]);
    assert_eq!(mount("/var/lib/kubi/data")[2..], ["ext4", "rw"]);
    let data = mount("/var/lib/kubi/data")[1];
    for target in ["/var/lib/etcd", "/var/lib/containerd", "/var/lib/kubelet", "/var/log"] {
        assert!(mount(target)[1].starts_with(data), "{target} is not on the data disk: {mounts:?}");
    }
    assert_ne!(mount("/")[1], data);
    assert_eq!(report.one("swap"), "0");
}

/// The components of Kubernetes itself are not there: their units must not have been tried.
fn health(report: &Report) {
    assert_eq!(report.all("failed"), [""; 0]);
    assert_eq!(report.all("restarting"), [""; 0]);
    assert_eq!(report.one("state"), "running");
}

/// cloud-init found its seed and changed nothing, and nothing else changed what was reviewed.
fn untouched(built: &built::Built, name: &str, report: &Report) {
    let status = report.one("cloud-init");
    assert!(status == "absent" || status.ends_with("done") || status.ends_with("disabled"), "{status}");
    if status.ends_with("done") {
        assert!(report.one("cloud-init-datasource").contains("NoCloud"), "{report:#?}");
    }
    let paths = built.paths(name);
    for changed in report.all("changed") {
        assert!(!paths.contains(changed), "{changed} was changed after boot");
        assert!(MAY_CHANGE.contains(&changed), "{changed} is new or changed after boot");
    }
}
