//! etcd's members come and go, on a real libvirtd and emulated nodes, under a writer. Run by `scripts/e2e e2e_grow`.

mod common;

use common::e2e::{Cluster, Writer, output};
use std::collections::BTreeSet;
use std::process::Command;

const ENDPOINTS: &str =
    "https://192.168.122.11:2379,https://192.168.122.12:2379,https://192.168.122.13:2379,https://192.168.122.14:2379";

/// The controller's hypervisor does not answer: everything else is done.
fn apply(cluster: &Cluster) -> String {
    cluster.build();
    let patience = ["--health-timeout", "900", "--shutdown-timeout", "60"];
    let text = cluster.deploy(3, &[&["apply", "--yes"], &patience[..]].concat());
    eprint!("{text}");
    text
}

fn member(number: u8) -> String {
    format!(
        "- {{name: etcd-{number}, roles: [etcd], hypervisor: local, addresses: {{cluster: 192.168.24.1{number}, management: 192.168.122.1{number}}}}}"
    )
}

/// Names of those that vote, as etcd's own program sees them.
fn voters(cluster: &Cluster) -> BTreeSet<String> {
    let endpoint = "https://192.168.122.11:2379";
    let text = output(cluster.etcdctl(endpoint).args(["member", "list", "--write-out=simple"]));
    // id, status, name, peer URL, client URL, learner
    let fields = text.lines().map(|line| line.split(", ").map(str::trim).collect::<Vec<_>>());
    fields.filter(|fields| fields[1] == "started" && fields[5] == "false").map(|fields| fields[2].to_owned()).collect()
}

fn keys(cluster: &Cluster, endpoint: &str) -> BTreeSet<String> {
    // Of this member alone: not what the others would answer for it.
    let arguments = ["get", "--prefix", "w", "--keys-only", "--consistency=s"];
    let text = output(cluster.etcdctl(endpoint).args(arguments));
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
#[ignore = "boots machines: scripts/e2e e2e_grow"]
fn one_becomes_three_and_one_is_exchanged() {
    let cluster = Cluster::new("grow");
    output(Command::new("ip").args(["link", "add", "br-grow", "type", "bridge"]));
    output(Command::new("ip").args(["link", "set", "br-grow", "up"]));
    cluster.step("one member");
    apply(&cluster);
    assert_eq!(voters(&cluster), ["etcd-1".to_owned()].into());

    cluster.step("three members, under a writer");
    let writer = Writer::start(&cluster, ENDPOINTS, "w1");
    cluster.edit("# more members", &format!("{}\n    {}", member(2), member(3)));
    let text = apply(&cluster);
    assert!(text.contains("etcd goes from 1 to 3 members"), "{text}");
    assert_eq!(voters(&cluster), ["etcd-1", "etcd-2", "etcd-3"].map(str::to_owned).into());

    cluster.step("etcd-4 instead of etcd-2");
    cluster.edit(&member(2), &member(4));
    let text = apply(&cluster);
    assert_eq!(text.matches("etcd takes it in as a new member").count(), 1, "{text}");
    assert_eq!(voters(&cluster), ["etcd-1", "etcd-3", "etcd-4"].map(str::to_owned).into());

    let (acknowledged, failed) = writer.finish();
    cluster.step(&format!("{} writes were acknowledged, {failed} were not", acknowledged.len()));
    assert!(acknowledged.len() > 50);
    std::thread::sleep(std::time::Duration::from_secs(5));
    for number in [1, 3, 4] {
        let there = keys(&cluster, &format!("https://192.168.122.1{number}:2379"));
        assert_eq!(acknowledged.difference(&there).count(), 0, "etcd-{number} lacks acknowledged writes");
    }
    cluster.deploy(3, &["destroy", "--confirm", "grow", "--with-data"]);
    cluster.step("done");
}
