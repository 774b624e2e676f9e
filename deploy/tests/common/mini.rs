//! A build of machines that boot nothing: a real libvirt with real images, a few seconds long.

use kubi_deploy::build::digest;
use kubi_deploy::identity::domain_uuid;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const NAT: &str = "<forward mode='nat'/><bridge name='kubimini'/><mac address='52:00:00:00:00:01'/><ip address='192.168.122.1' prefix='24'/>";
/// A bridge that the test makes.
pub const BRIDGE: &str = "<forward mode='bridge'/><bridge name='br-mini'/>";

/// One node on each of its hypervisors, by name and URI; nothing is waited for.
pub struct Mini {
    pub folder: PathBuf,
    pub hypervisors: Vec<(&'static str, String)>,
    pub number: u64,
    /// Bytes; changes the definition and nothing else.
    pub memory: u64,
    pub identity: &'static str,
    pub network: &'static str,
}

impl Mini {
    pub fn new(folder: PathBuf, hypervisor: &'static str, uri: String, network: &'static str) -> Self {
        let hypervisors = vec![(hypervisor, uri)];
        Self { folder, hypervisors, number: 1, memory: 64 << 20, identity: "sha256:1d", network }
    }

    /// The next build, whose only hypervisor is reached another way.
    pub fn again(&mut self, uri: String) {
        self.hypervisors[0].1 = uri;
        self.next();
    }

    /// The next build.
    pub fn next(&mut self) {
        self.number += 1;
        self.write();
    }

    /// The next build, in which every machine is another one.
    pub fn change(&mut self) {
        self.memory *= 2;
        self.next();
    }

    fn image(&self, name: &str, backing: Option<&str>) -> Value {
        let images = self.folder.join("out/mini/images");
        std::fs::create_dir_all(&images).unwrap();
        let path = images.join(name);
        if !path.exists() {
            let mut command = Command::new("qemu-img");
            command.current_dir(&images).args(["create", "-q", "-f", "qcow2"]);
            if let Some(backing) = backing {
                command.args(["-b", backing, "-F", "qcow2"]);
            }
            assert!(command.args([name, "8M"]).status().unwrap().success());
        }
        let bytes = std::fs::read(&path).unwrap();
        let names: Vec<&str> = self.hypervisors.iter().map(|(name, _)| *name).collect();
        let mut image = json!({"file": name, "role": if backing.is_some() { "overlay" } else { "base" }, "format": "qcow2",
            "digest": digest(&bytes), "size": bytes.len(), "hypervisors": names});
        backing.iter().for_each(|backing| image["backing"] = json!(backing));
        image
    }

    fn domain_xml(&self, node: &str) -> String {
        format!(
            "<domain type='qemu'><name>mini-{node}</name><uuid>{}</uuid><metadata><kubi:node xmlns:kubi='urn:kubi:node:v1' cluster='mini' \
             node='{node}' bundle='sha256:aa'/></metadata><memory unit='b'>{}</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os><features><acpi/></features><devices>\
             <disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='default' volume='mini-{node}-root.qcow2'/>\
             <backingStore type='volume'><format type='qcow2'/><source pool='default' volume='overlay.qcow2'/>\
             <backingStore type='volume'><format type='qcow2'/><source pool='default' volume='base.qcow2'/><backingStore/></backingStore>\
             </backingStore><target dev='vda' bus='virtio'/><serial>kubi-root</serial></disk>\
             <disk type='volume' device='disk'><driver name='qemu' type='raw'/><source pool='default' volume='mini-{node}-data.raw'/>\
             <target dev='vdb' bus='virtio'/><serial>kubi-data</serial></disk>\
             <interface type='network'><source network='mini-management'/><model type='virtio'/></interface>\
             <serial type='pty'><log file='/var/lib/libvirt/images/mini-{node}-console.log' append='on'/></serial>\
             </devices></domain>",
            domain_uuid("mini", node),
            self.memory
        )
    }

    fn node(&self, node: &str, hypervisor: &str) -> Value {
        json!({"name": node, "roles": ["worker"], "hypervisor": hypervisor, "architecture": "amd64", "cpus": 1, "memory": self.memory,
            "domain": {"name": format!("mini-{node}"), "uuid": domain_uuid("mini", node), "xml": format!("domains/{node}.xml"),
                "metadata": {"namespace": "urn:kubi:node:v1", "prefix": "kubi", "element": "<e/>"}},
            "machineId": "m", "interfaces": [], "bundle": "sha256:aa", "boot": {"kind": "firmware"}, "waitFor": [],
            "disks": {"root": {"volume": format!("mini-{node}-root.qcow2"), "format": "qcow2", "backing": "overlay.qcow2", "serial": "kubi-root"},
                "data": {"volume": format!("mini-{node}-data.raw"), "format": "raw", "size": 1 << 20, "serial": "kubi-data"}}})
    }

    /// Writes `out/mini` as `kubi build` would.
    pub fn write(&self) {
        let deploy = self.folder.join("out/mini/deploy");
        let mut files: Vec<(String, String)> = Vec::new();
        let (mut nodes, mut networks) = (Vec::new(), Vec::new());
        for (hypervisor, _) in &self.hypervisors {
            let node = format!("on-{hypervisor}");
            files.push((format!("domains/{node}.xml"), self.domain_xml(&node)));
            nodes.push(self.node(&node, hypervisor));
            let (uuid, xml) = (domain_uuid("network", hypervisor), format!("networks/{hypervisor}/management.xml"));
            let text = format!("<network><name>mini-management</name><uuid>{uuid}</uuid>{}</network>", self.network);
            files.push((xml.clone(), text));
            let mode = if self.network.contains("'nat'") { "nat" } else { "bridge" };
            networks.push(json!({"hypervisor": hypervisor, "kind": "management", "name": "mini-management", "uuid": uuid, "mode": mode,
                "xml": xml, "cidr": "192.168.122.0/24", "bridge": "kubimini"}));
        }
        let uris = self
            .hypervisors
            .iter()
            .map(|(name, uri)| json!({"name": name, "uri": uri, "pool": "default", "accelerator": "tcg"}));
        let deployment = json!({"apiVersion": "kubi/v1alpha1", "kind": "Deployment", "cluster": "mini", "identity": self.identity,
            "kubernetesVersion": "1.36.4", "api": {"host": "h", "port": 6443, "url": "https://h:6443"}, "imageDirectory": "../images",
            "hypervisors": uris.collect::<Vec<_>>(), "networks": networks, "nodes": nodes,
            "images": [self.image("base.qcow2", None), self.image("overlay.qcow2", Some("base.qcow2"))]});
        files.push(("deploy.json".into(), deployment.to_string()));
        let mut digests = serde_json::Map::new();
        for (path, text) in &files {
            digests.insert(format!("deploy/{path}"), digest(text.as_bytes()).into());
            write(&deploy.join(path), text);
        }
        write(&self.folder.join("out/mini/build.json"), &json!({"number": self.number, "files": digests}).to_string());
    }
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubi-deploy")).args(arguments).current_dir(folder).output().unwrap()
}

/// Ends with the exit code that is expected; gives what was printed, errors too.
#[track_caller]
pub fn deploy(folder: &Path, code: i32, arguments: &[&str]) -> String {
    eprintln!("kubi-deploy {arguments:?}");
    expect(code, arguments, &run(folder, arguments))
}

#[track_caller]
pub fn expect(code: i32, arguments: &[&str], output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "kubi-deploy {arguments:?}\n{text}");
    text
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
