//! kubi-deploy against a real libvirtd and emulated nodes. Run by `make e2e`, which sets the stage.

mod common;

use common::e2e::{Cluster, Writer, output, pool_files, virsh};
use std::collections::BTreeSet;
use std::time::Duration;

const MEMBERS: &str = "etcd-1,etcd-2,etcd-3";
const ENDPOINTS: &str = "https://192.168.122.11:2379,https://192.168.122.12:2379,https://192.168.122.13:2379";
/// For an emulated machine on a busy one.
const PATIENCE: [&str; 4] = ["--health-timeout", "900", "--shutdown-timeout", "60"];

fn apply(cluster: &Cluster, more: &[&str]) -> String {
    cluster.deploy(0, &[&["apply", "--yes", "--only", MEMBERS], &PATIENCE[..], more].concat())
}

/// Names of the nodes that a plan replaces, in its order.
fn replaced(cluster: &Cluster) -> Vec<String> {
    let plan = cluster.json(2, &["plan", "--only", MEMBERS]);
    let steps = plan["steps"].as_array().unwrap();
    let changes = steps.iter().flat_map(|step| step["nodes"].as_array().cloned().unwrap_or_default());
    changes
        .map(|change| {
            assert_eq!(change["action"], "replace");
            change["node"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn domain_ids() -> Vec<String> {
    ["etcd-1", "etcd-2", "etcd-3"].map(|node| virsh(&["domid", &format!("quorum-{node}")])).to_vec()
}

fn keys(cluster: &Cluster) -> BTreeSet<String> {
    let text = output(cluster.etcdctl(ENDPOINTS).args(["get", "--prefix", "w", "--keys-only"]));
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A domain and a network of somebody else's.
fn foreign() {
    let folder = tempfile::tempdir().unwrap();
    let define = |what: &str, xml: &str| {
        let path = folder.path().join("x.xml");
        std::fs::write(&path, xml).unwrap();
        virsh(&[what, path.to_str().unwrap()]);
    };
    define(
        "define",
        "<domain type='qemu'><name>foreign</name><memory>65536</memory><os><type>hvm</type></os></domain>",
    );
    define("net-define", "<network><name>foreign</name><bridge name='foreign0'/></network>");
}

#[test]
#[ignore = "boots machines: make e2e"]
fn three_members() {
    let cluster = Cluster::new("quorum");
    foreign();
    cluster.build();

    cluster.step("first boot");
    let plan = cluster.json(2, &["plan", "--only", MEMBERS]);
    assert_eq!(plan["problems"], serde_json::json!([]));
    apply(&cluster, &[]);
    assert!(cluster.deploy(0, &["plan", "--only", MEMBERS]).contains("nothing to do"));
    let health = output(cluster.etcdctl(ENDPOINTS).args(["endpoint", "health", "--write-out=json"]));
    assert_eq!(health.matches("\"health\":true").count(), 3, "{health}");
    let operator = cluster.folder.join("out/quorum/operator/etcd-ca.crt");
    let stranger = std::process::Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .arg("--cacert")
        .arg(operator)
        .args(["--command-timeout=5s", "--endpoints", ENDPOINTS, "get", "x"])
        .output()
        .unwrap();
    assert!(!stranger.status.success(), "etcd talks to anybody");

    cluster.step("two nodes change, under a writer");
    let before = domain_ids();
    cluster.edit("101M", "111M");
    cluster.edit("102M", "112M");
    cluster.build();
    let mut names = replaced(&cluster);
    names.sort();
    assert_eq!(names, ["etcd-1", "etcd-2"]);
    let writer = Writer::start(&cluster, ENDPOINTS, "w1");
    apply(&cluster, &[]);
    let (acknowledged, failed) = writer.finish();
    cluster.step(&format!("{} writes were acknowledged, {failed} were not", acknowledged.len()));
    assert!(acknowledged.len() > 20);
    let there = keys(&cluster);
    assert_eq!(acknowledged.difference(&there).count(), 0, "acknowledged writes are lost");
    let after = domain_ids();
    assert!(before[0] != after[0] && before[1] != after[1] && before[2] == after[2], "{before:?} {after:?}");

    cluster.step("killed at ten points");
    // A node that was shutting down when its deployer was killed is off the next time, and starts at once.
    let off = ["shutting down", "starting"];
    let points: [(&[&str], u64); 10] = [
        (&["to build"], 0),
        (&["uploading"], 0),
        (&["uploading"], 10),
        (&["uploading"], 30),
        (&off, 0),
        (&["starting"], 1500),
        (&off, 700),
        (&["starting"], 0),
        (&["starting"], 30),
        (&["starting"], 300),
    ];
    let quick = ["apply", "--yes", "--only", MEMBERS, "--shutdown-timeout", "5"];
    for (number, (until, milliseconds)) in points.into_iter().enumerate() {
        cluster.edit(&format!("{}M}}}}", 203 + number), &format!("{}M}}}}", 204 + number));
        cluster.build();
        let killed = cluster.kill(&quick, until, Duration::from_millis(milliseconds));
        assert!(killed, "it was done before {until:?} and {milliseconds} ms");
        assert_eq!(replaced_or_waiting(&cluster), ["etcd-3"], "after {until:?} and {milliseconds} ms");
    }
    apply(&cluster, &[]);
    assert!(cluster.deploy(0, &["plan", "--only", MEMBERS]).contains("nothing to do"));
    assert_eq!(acknowledged.difference(&keys(&cluster)).count(), 0, "acknowledged writes are lost");

    cluster.step("status");
    let status = cluster.json(0, &["status"]);
    let members = status["etcd"].as_array().unwrap();
    assert!(members.iter().all(|member| member["healthy"] == true), "{status}");
    assert_eq!(members.iter().filter(|member| member["leader"] == true).count(), 1, "{status}");
    assert!(members.iter().all(|member| member["databaseSize"].as_u64().unwrap() > 0), "{status}");
    let domains = status["hypervisors"][0]["domains"].as_array().unwrap();
    assert!(domains[..3].iter().all(|d| d["running"] == d["built"] && d["seenHealthy"] == true), "{status}");
    assert_eq!(domains[3]["state"], "missing");
    let expiries: Vec<&str> =
        status["certificates"].as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert!(expiries.contains(&"etcd member etcd-2"), "{status}");
    assert!(cluster.deploy(0, &["console", "etcd-1", "--no-follow"]).contains("KUBI-REPORT etcd healthy"));

    cluster.step("back to the build before");
    let rolled = cluster.deploy(0, &[&["rollback", "--yes", "--only", MEMBERS], &PATIENCE[..]].concat());
    assert!(rolled.contains("replace etcd-3") && !rolled.contains("replace etcd-1"), "{rolled}");
    assert_eq!(replaced(&cluster), ["etcd-3"], "the newest build is ahead again");
    assert_eq!(acknowledged.difference(&keys(&cluster)).count(), 0, "acknowledged writes are lost");

    cluster.step("a member loses its data");
    virsh(&["destroy", "quorum-etcd-2"]);
    virsh(&["vol-delete", "quorum-etcd-2-data.raw", "--pool", "default"]);
    let lost = cluster.deploy(0, &[&["rollback", "11", "--yes", "--only", MEMBERS], &PATIENCE[..]].concat());
    assert!(lost.contains("etcd takes it in as a new member"), "{lost}");
    let own = output(cluster.etcdctl("https://192.168.122.12:2379").args(["get", "--prefix", "w1/", "--keys-only"]));
    assert!(
        own.lines().filter(|line| !line.is_empty()).count() >= acknowledged.len(),
        "it has copied what the others have"
    );

    cluster.step("destroy");
    cluster.deploy(0, &["destroy", "--confirm", "quorum"]);
    assert_eq!(virsh(&["list", "--all", "--name"]).trim(), "foreign");
    assert_eq!(virsh(&["net-list", "--all", "--name"]).trim(), "foreign");
    let data = [1, 2, 3].map(|n| format!("quorum-etcd-{n}-data.raw"));
    assert_eq!(pool_files(), data.clone().into());
    cluster.deploy(0, &["destroy", "--confirm", "quorum", "--with-data"]);
    assert_eq!(pool_files(), BTreeSet::new());
    cluster.step("done");
}

/// The nodes that a plan touches in any way.
fn replaced_or_waiting(cluster: &Cluster) -> Vec<String> {
    let plan = cluster.json(2, &["plan", "--only", MEMBERS]);
    let steps = plan["steps"].as_array().unwrap();
    let changes = steps.iter().flat_map(|step| step["nodes"].as_array().cloned().unwrap_or_default());
    changes.map(|change| change["node"].as_str().unwrap().to_owned()).collect()
}
