//! Nodes booted under QEMU without KVM, as `deploy.json` describes them, and what they report on their consoles.

use super::{Daemon, require_tool, run};
use kubi::libvirt::{Boot, Deployment, DiskFormat, NetworkKind, NodeEntry};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// `out/CLUSTER/deploy/` as a deployer sees it.
pub struct Deploy {
    directory: PathBuf,
    pub deployment: Deployment,
}

impl Deploy {
    pub fn open(directory: &Path) -> Self {
        let path = directory.join("deploy.json");
        let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { directory: directory.to_owned(), deployment: serde_json::from_slice(&text).unwrap() }
    }

    pub fn node(&self, name: &str) -> &NodeEntry {
        self.deployment.nodes.iter().find(|node| node.name == name).unwrap()
    }

    pub fn image(&self, file: &str) -> PathBuf {
        self.directory.join(&self.deployment.image_directory).join(file)
    }
}

/// What a test adds to a node's machine.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Stands in for the artifact disk of a node that has none.
    pub artifacts: Option<PathBuf>,
    /// Ports of 127.0.0.1 that lead to ports of the node on the management network.
    pub forwards: Vec<(u16, u16)>,
}

/// A running node. Dropping it ends QEMU.
pub struct Machine {
    pub name: String,
    qemu: Daemon,
    console: PathBuf,
}

/// A cluster network that no other test run is on: multicast on the loopback interface.
pub fn multicast_group() -> String {
    let id = std::process::id();
    format!("230.77.{}.{}:{}", id / 250 % 250, id % 250 + 1, 20_000 + id % 10_000)
}

/// Boots a node. Disks, addresses and serials are those of `deploy.json`; the overlay is never written, and the data
/// disk is made in `scratch` unless it is there from an earlier boot.
pub fn boot(deploy: &Deploy, name: &str, group: &str, scratch: &Path, extras: &Extras) -> Machine {
    let node = deploy.node(name);
    let console = scratch.join(format!("{name}.console"));
    let mut command = Command::new(require_tool("qemu-system-x86_64", "qemu-system-x86"));
    command.args(["-name", &node.domain.name, "-uuid", &node.domain.uuid, "-machine", "q35", "-nodefaults"]);
    command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", &node.cpus.to_string()]);
    command.args(["-m", &format!("{}K", node.memory / 1024), "-display", "none", "-no-reboot"]);
    command.arg("-serial").arg(format!("file:{}", console.display()));
    command.args(["-smbios", &format!("type=11,value=kubi.bundle={},value=kubi.node={name}", node.bundle)]);
    command.args(["-device", "virtio-rng-pci"]);
    for (id, options, serial) in disks(deploy, node, scratch, extras) {
        command.args(["-drive", &format!("if=none,id={id},cache=unsafe,{options}")]);
        command.args(["-device", &format!("virtio-blk-pci,drive={id},serial={serial}")]);
    }
    for (id, options, mac) in networks(deploy, node, group, extras) {
        command.args(["-netdev", &format!("{options},id={id}")]);
        command.args(["-device", &format!("virtio-net-pci,netdev={id},mac={mac},romfile=")]);
    }
    if let Boot::Kernel { kernel, initrd, command_line, .. } = &node.boot {
        command.arg("-kernel").arg(deploy.image(kernel)).arg("-initrd").arg(deploy.image(initrd));
        command.args(["-append", command_line]);
    }
    let qemu = Daemon::start(&mut command, scratch.join(format!("{name}.qemu")));
    Machine { name: name.to_owned(), qemu, console }
}

type Disk = (&'static str, String, String);

fn disks(deploy: &Deploy, node: &NodeEntry, scratch: &Path, extras: &Extras) -> Vec<Disk> {
    let overlay = deploy.image(&node.disks.root.backing);
    // `snapshot` is the throw-away layer that a deployer makes.
    let root = format!("file={},format=qcow2,snapshot=on", overlay.display());
    let mut disks = vec![("root", root, node.disks.root.serial.clone())];
    let own = node.disks.artifacts.as_ref().map(|volume| deploy.image(&volume.file));
    if let Some(file) = own.or_else(|| extras.artifacts.clone()) {
        let serial = node.disks.artifacts.as_ref().map_or("kubi-artifacts", |volume| &volume.serial);
        disks.push(("artifacts", format!("file={},format=raw,readonly=on", file.display()), serial.to_owned()));
    }
    if let Some(data) = &node.disks.data {
        assert_eq!(data.format, DiskFormat::Raw);
        let file = scratch.join(&data.volume);
        if !file.exists() {
            let mut create = Command::new(require_tool("qemu-img", "qemu-utils"));
            create.args(["create", "-q", "-f", "raw"]).arg(&file).arg(data.size.to_string());
            run(&mut create, Duration::from_secs(30)).success();
        }
        disks.push(("data", format!("file={},format=raw,discard=unmap", file.display()), data.serial.clone()));
    }
    disks
}

/// Management: QEMU's own network with the gateway of `deploy.json`, closed to the outside. Cluster: shared by group.
fn networks(deploy: &Deploy, node: &NodeEntry, group: &str, extras: &Extras) -> Vec<(&'static str, String, String)> {
    let network = |kind| deploy.deployment.networks.iter().find(|n| n.kind == kind && n.hypervisor == node.hypervisor);
    let network = |kind| network(kind).expect("each hypervisor has both networks");
    let interface = |kind| node.interfaces.iter().find(|i| i.network == kind).expect("each node is on both networks");
    let management = network(NetworkKind::Management);
    let gateway = management.gateway.expect("the management network has a gateway");
    let address = interface(NetworkKind::Management).address;
    let forward = |(from, to): &(u16, u16)| format!(",hostfwd=tcp:127.0.0.1:{from}-{address}:{to}");
    let forwards: String = extras.forwards.iter().map(forward).collect();
    // QEMU answers DNS on an address of its own, which must not be the gateway's.
    let dns = management.cidr.hosts().rfind(|host| *host != gateway).expect("a network has several hosts");
    let user = format!("user,restrict=on,ipv6=off,net={},host={gateway},dns={dns}{forwards}", management.cidr);
    vec![
        ("management", user, interface(NetworkKind::Management).mac.clone()),
        ("cluster", format!("socket,mcast={group},localaddr=127.0.0.1"), interface(NetworkKind::Cluster).mac.clone()),
    ]
}

impl Drop for Machine {
    /// Keeps the console for a look after the test: `target/tmp/NODE.console`.
    fn drop(&mut self) {
        let _ =
            std::fs::copy(&self.console, Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.console", self.name)));
    }
}

impl Machine {
    /// The console so far.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.console).unwrap_or_default()).replace('\r', "")
    }

    /// Waits for the report that a node prints after boot.
    #[track_caller]
    pub fn report(&mut self, limit: Duration) -> Report {
        let console = self.console.clone();
        let read = || String::from_utf8_lossy(&std::fs::read(&console).unwrap_or_default()).replace('\r', "");
        let done = || {
            let text = read();
            let panicked = text.lines().find(|line| line.contains("Kernel panic"));
            assert!(panicked.is_none(), "{panicked:?}\n{}", tail(&text));
            Report::parse(&text)
        };
        let what = format!("the report of {}", self.name);
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.qemu.wait_until(&what, limit, done)));
        outcome.unwrap_or_else(|panic| {
            eprintln!("console of {}:\n{}", self.name, tail(&read()));
            std::panic::resume_unwind(panic)
        })
    }
}

fn tail(text: &str) -> &str {
    &text[text.char_indices().rev().nth(8000).map_or(0, |(at, _)| at)..]
}

/// A node's report: values by key, in the order printed.
#[derive(Debug, Default)]
pub struct Report(BTreeMap<String, Vec<String>>);

impl Report {
    /// The report in a console's text, once it is complete.
    fn parse(text: &str) -> Option<Self> {
        let mut report = Self::default();
        // getty resets the terminal whenever it starts, in the middle of a line too.
        let text = plain(text);
        for line in text.lines().filter_map(|line| line.split_once("KUBI-REPORT ").map(|(_, rest)| rest)) {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            report.0.entry(key.to_owned()).or_default().push(value.trim().to_owned());
        }
        report.0.contains_key("end").then_some(report)
    }

    /// All values of a key.
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.0.get(key).into_iter().flatten().map(String::as_str).collect()
    }

    /// The one value of a key.
    #[track_caller]
    pub fn one(&self, key: &str) -> &str {
        match self.all(key)[..] {
            [value] => value,
            ref other => panic!("{key} has {} values in {self:#?}", other.len()),
        }
    }
}

/// Text without terminal control: CSI and OSC sequences (ECMA-48) and lone escapes.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('[') => {
                let _ = characters.by_ref().find(|c| ('@'..='~').contains(c));
            }
            Some(']') => {
                let _ = characters.by_ref().find(|c| *c == '\u{7}' || *c == '\u{9c}');
            }
            _ => {}
        }
    }
    out
}

#[test]
fn terminal_control_is_no_part_of_a_report() {
    assert_eq!(plain("running\u{1b}[!p\u{1b}]104\u{7}\u{1b}[?7h\u{1b}[6n\nnext"), "running\nnext");
}
