//! kubi-deploy against real libvirt daemons, as Debian configures them, with machines that boot nothing. Run by `make e2e`.

mod common;

use common::e2e::{output, virsh};
use common::mini::{Mini, NAT, deploy};
use common::second::{Second, new_folder};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STOCK: &str = "<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>\
    <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>";

const APPLY: [&str; 4] = ["apply", "--yes", "--shutdown-timeout", "1"];

fn mini() -> Mini {
    Mini::new(new_folder("mini"), "one", "qemu:///system".into(), NAT)
}

fn define_network(xml: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), xml).unwrap();
    virsh(&["net-define", file.path().to_str().unwrap()]);
    virsh(&["net-start", "default"]);
}

#[test]
#[ignore = "needs libvirt: make e2e"]
fn a_stock_host() {
    let mut mini = mini();
    let folder = mini.folder.clone();
    define_network(STOCK);
    mini.write();
    // No pool either, at first.
    let applied = deploy(&folder, 0, &APPLY);
    assert!(applied.contains("libvirt's own network default on one is used as it is"), "{applied}");
    assert!(deploy(&folder, 0, &["plan"]).contains("nothing to do"));
    assert!(virsh(&["dumpxml", "mini-on-one"]).contains("network='default'"));

    // The machine runs as libvirt's own user, who may read what was uploaded by root, and write its own disks.
    let user: u32 = output(Command::new("id").args(["-u", "libvirt-qemu"])).trim().parse().unwrap();
    let process = std::fs::read_to_string("/run/libvirt/qemu/mini-on-one.pid").unwrap();
    assert_eq!(std::fs::metadata(format!("/proc/{}", process.trim())).unwrap().uid(), user);
    let owner = |file: &str| std::fs::metadata(Path::new("/var/lib/libvirt/images").join(file)).unwrap().uid();
    assert_eq!((owner("mini-on-one-root.qcow2"), owner("mini-on-one-data.raw")), (user, user));

    // A change, uploads and all, while the base is owned by that user.
    mini.change();
    let applied = deploy(&folder, 0, &APPLY);
    assert!(applied.contains("replace on-one on one: domain XML"), "{applied}");

    virsh(&["suspend", "mini-on-one"]);
    let status = deploy(&folder, 0, &["status"]);
    assert!(status.contains("paused"), "{status}");
    virsh(&["resume", "mini-on-one"]);
    saved_memory(&folder);
    a_stranger(&mut mini);
    copies(&folder);
    deploy(&folder, 0, &["destroy", "--confirm", "mini", "--with-data"]);
    // Other tests may have left some of theirs, which is nobody's business here.
    let networks = virsh(&["net-list", "--all", "--name"]);
    assert!(networks.lines().any(|name| name.trim() == "default") && !networks.contains("mini"), "{networks}");
    assert!(!virsh(&["list", "--all", "--name"]).contains("mini"));
    virsh(&["net-destroy", "default"]);
    virsh(&["net-undefine", "default"]);
}

/// As libvirt-guests does when the host shuts down.
fn saved_memory(folder: &Path) {
    virsh(&["managedsave", "mini-on-one"]);
    assert!(deploy(folder, 2, &["plan"]).contains("does not run"));
    deploy(folder, 0, &APPLY);
    let info = virsh(&["dominfo", "mini-on-one"]);
    assert!(info.contains("Managed save:   no"), "{info}");
}

fn a_stranger(mini: &mut Mini) {
    mini.identity = "sha256:2e";
    mini.next();
    let plan = deploy(&mini.folder, 1, &["plan"]);
    assert!(plan.contains("is of another cluster that is called mini too"), "{plan}");
    mini.identity = "sha256:1d";
    mini.write();
}

fn copies(folder: &Path) {
    let xml = virsh(&["dumpxml", "--inactive", "mini-on-one"]);
    let uuid = kubi_deploy::identity::domain_uuid("mini", "on-one");
    let copy = xml.replace(&uuid, &kubi_deploy::identity::domain_uuid("mini", "copy")).replace("mini-on-one", "copy");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), copy).unwrap();
    virsh(&["define", file.path().to_str().unwrap()]);
    let plan = deploy(folder, 1, &["plan"]);
    assert!(plan.contains("the domain copy on hypervisor one has the mark of node on-one"), "{plan}");
    // What the message says helps.
    virsh(&["metadata", "copy", "urn:kubi:node:v1", "--remove", "--config"]);
    assert!(deploy(folder, 0, &["plan"]).contains("nothing to do"));
    virsh(&["undefine", "copy"]);
}

#[test]
#[ignore = "needs libvirt: make e2e"]
fn two_hypervisors() {
    let second = Second::apart();
    let mut mini = mini();
    let folder = mini.folder.clone();
    mini.hypervisors.push(("two", second.socket_uri()));
    mini.write();
    deploy(&folder, 0, &APPLY);
    let status: Value = serde_json::from_str(&deploy(&folder, 0, &["--output", "json", "status"])).unwrap();
    let states: Vec<&Value> =
        status["hypervisors"].as_array().unwrap().iter().map(|hypervisor| &hypervisor["domains"][0]["state"]).collect();
    assert_eq!(states, ["running", "running"], "{status}");

    // One that hangs: it accepts connections and says nothing.
    mini.change();
    second.signal("STOP");
    let start = Instant::now();
    let applied = deploy(&folder, 3, &APPLY);
    assert!(start.elapsed() < Duration::from_secs(180), "{:?}", start.elapsed());
    assert!(applied.contains("hypervisor two cannot be reached") && applied.contains("no answer within"), "{applied}");
    assert!(applied.contains("on-one: healthy"), "the other one's work is done: {applied}");
    second.signal("CONT");
    let applied = deploy(&folder, 0, &APPLY);
    assert!(applied.contains("replace on-two") && !applied.contains("replace on-one"), "{applied}");

    // One that hangs while it is at work.
    mini.change();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubi-deploy"));
    child.args(["apply", "--yes", "--shutdown-timeout", "15", "--only", "on-two"]).current_dir(&folder);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It shuts down a guest that does not listen: until that is given up, it asks again and again.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("shutting down")));
    second.signal("STOP");
    let output = child.wait_with_output().unwrap();
    second.signal("CONT");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("was lost") && error.contains(&second.socket_uri()), "{error}");
    deploy(&folder, 0, &APPLY);
    deploy(&folder, 0, &["destroy", "--confirm", "mini", "--with-data"]);
}
