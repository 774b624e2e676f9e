//! Clusters as `kubi build` describes them, in the documented form.

use kubi_deploy::build::{Build, digest};
use kubi_deploy::deployment::Deployment;
use kubi_deploy::identity::{domain_uuid, network_uuid};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A node of a test's cluster; everything else follows from these.
#[derive(Clone, Debug)]
pub struct TestNode {
    pub name: String,
    pub roles: Vec<&'static str>,
    pub hypervisor: String,
    /// Stands for everything that makes a bundle what it is.
    pub version: u32,
    pub artifacts: u32,
    pub base: u32,
    pub memory: u64,
    pub data: u64,
    /// Tells two addresses of one member apart.
    pub peer: &'static str,
    /// Has the address of a node that is no more.
    pub peer_of: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct TestCluster {
    pub name: String,
    /// Of its root secret.
    pub identity: String,
    pub number: u64,
    pub nodes: Vec<TestNode>,
    pub hypervisors: Vec<String>,
    pub accelerator: &'static str,
    pub cidr: String,
    pub kubernetes: String,
}

pub fn node(name: &str, roles: &[&'static str]) -> TestNode {
    TestNode {
        name: name.into(),
        roles: roles.to_vec(),
        hypervisor: "one".into(),
        version: 1,
        artifacts: 1,
        base: 1,
        memory: 1 << 30,
        data: 1 << 30,
        peer: "",
        peer_of: None,
    }
}

/// Three controllers that are etcd members, and three workers.
pub fn ha() -> TestCluster {
    let controllers = (1..=3).map(|n| node(&format!("c-{n}"), &["controller", "etcd"]));
    let workers = (1..=3).map(|n| node(&format!("w-{n}"), &["worker"]));
    TestCluster {
        name: "dev".into(),
        identity: "sha256:1d".into(),
        number: 1,
        nodes: controllers.chain(workers).collect(),
        hypervisors: vec!["one".into()],
        accelerator: "kvm",
        cidr: "192.168.122.0/24".into(),
        kubernetes: "1.36.4".into(),
    }
}

/// A base image of this version takes several segments to send.
pub const BIG: u32 = 9;

/// Bytes of an image file, as tests make them.
pub fn image_bytes(file: &str) -> Vec<u8> {
    if file == image_name("base", BIG, ".qcow2") {
        return vec![7; 150 << 20];
    }
    file.repeat(3).into_bytes()
}

/// A file name that holds the digest of the bytes that [`image_bytes`] gives for it: tests need only that it changes.
fn image_name(kind: &str, version: u32, end: &str) -> String {
    format!("{kind}-{version}{end}")
}

impl TestCluster {
    pub fn change(&self, change: impl FnOnce(&mut TestCluster)) -> TestCluster {
        let mut changed = self.clone();
        changed.number += 1;
        change(&mut changed);
        changed
    }

    pub fn node(&mut self, name: &str) -> &mut TestNode {
        self.nodes.iter_mut().find(|node| node.name == name).unwrap()
    }

    pub fn without(&self, name: &str) -> TestCluster {
        self.change(|cluster| cluster.nodes.retain(|node| node.name != name))
    }

    pub fn build(&self) -> Build {
        let mut xml = BTreeMap::new();
        for node in &self.nodes {
            xml.insert(format!("domains/{}.xml", node.name), self.domain_xml(node));
        }
        for hypervisor in &self.hypervisors {
            for kind in ["management", "cluster"] {
                xml.insert(format!("networks/{hypervisor}/{kind}.xml"), self.network_xml(hypervisor, kind));
            }
        }
        let text = self.deploy_json().to_string();
        Build { number: self.number, deployment: Deployment::parse(&text).unwrap(), xml }
    }

    fn bundle(&self, node: &TestNode) -> String {
        digest(format!("{} {}", node.name, node.version).as_bytes())
    }

    fn overlay(&self, node: &TestNode) -> String {
        image_name(&node.name, node.version * 100 + node.base, ".qcow2")
    }

    fn address(node: &TestNode) -> String {
        let (kind, number) = node.name.split_once('-').unwrap();
        format!("192.168.122.{}{number}", if kind == "c" { 1 } else { 2 })
    }

    pub fn network_uuid(&self, hypervisor: &str, kind: &str) -> String {
        network_uuid(&self.name, hypervisor, kind)
    }

    fn network_xml(&self, hypervisor: &str, kind: &str) -> String {
        let gateway = self.cidr.replace(".0/24", ".1");
        let (forward, ip) = match kind {
            "management" => ("<forward mode='nat'/>", format!("<ip address='{gateway}' prefix='24'/>")),
            _ => ("", String::new()),
        };
        format!(
            "<network><name>{}-{kind}</name><uuid>{}</uuid>{forward}<bridge name='br-{kind}'/>{ip}</network>",
            self.name,
            self.network_uuid(hypervisor, kind)
        )
    }

    fn domain_xml(&self, node: &TestNode) -> String {
        let (cluster, name) = (&self.name, &node.name);
        let uuid = domain_uuid(cluster, name);
        let etcd = self.etcd_settings(node);
        format!(
            "<domain type='{}'><name>{cluster}-{name}</name><uuid>{uuid}</uuid><metadata>\
             <kubi:node xmlns:kubi='urn:kubi:node:v1' cluster='{cluster}' node='{name}' bundle='{}'/></metadata>\
             <memory>{}</memory><sysinfo><oemStrings><entry>kubi.node={name}</entry>{etcd}</oemStrings></sysinfo><devices>\
             <disk type='volume'><source pool='default' volume='{cluster}-{name}-root.qcow2'/><backingStore type='volume'>\
             <source pool='default' volume='{}'/><backingStore type='volume'><source pool='default' volume='{}'/></backingStore>\
             </backingStore><serial>kubi-root</serial></disk>\
             <disk type='volume'><source pool='default' volume='{}'/><serial>kubi-artifacts</serial></disk>\
             <disk type='volume'><source pool='default' volume='{cluster}-{name}-data.raw'/><serial>kubi-data</serial></disk>\
             <interface type='network'><source network='{cluster}-management'/></interface>\
             <interface type='network'><source network='{cluster}-cluster'/></interface></devices></domain>",
            self.accelerator,
            self.bundle(node),
            node.memory,
            self.overlay(node),
            image_name("base", node.base, ".qcow2"),
            image_name("artifacts", node.artifacts, ".squashfs"),
        )
    }

    fn is_member(node: &TestNode) -> bool {
        node.roles.contains(&"etcd")
    }

    pub fn peer_url(node: &TestNode) -> String {
        format!("https://peer-{}{}:2380", node.peer_of.unwrap_or(&node.name), node.peer)
    }

    /// What the bundle of a member says; the pretended guest reads it here.
    fn etcd_settings(&self, node: &TestNode) -> String {
        if !Self::is_member(node) {
            return String::new();
        }
        let members = self.nodes.iter().filter(|node| Self::is_member(node));
        let initial: Vec<String> = members.map(|m| format!("{}={}", m.name, Self::peer_url(m))).collect();
        format!("<entry>guest.peer={}</entry><entry>guest.initial={}</entry>", Self::peer_url(node), initial.join(","))
    }

    fn images(&self) -> Vec<Value> {
        let mut images: BTreeMap<(u8, String), Value> = BTreeMap::new();
        let mut add = |order, file: String, role, format, backing: Option<String>, hypervisor: &str| {
            let bytes = image_bytes(&file);
            let entry = images.entry((order, file.clone())).or_insert_with(|| {
                let mut image = json!({"file": file, "role": role, "format": format, "digest": digest(&bytes),
                                       "size": bytes.len(), "hypervisors": []});
                backing.iter().for_each(|backing| image["backing"] = json!(backing));
                image
            });
            let list = entry["hypervisors"].as_array_mut().unwrap();
            if !list.contains(&json!(hypervisor)) {
                list.push(json!(hypervisor));
            }
        };
        for node in &self.nodes {
            let base = image_name("base", node.base, ".qcow2");
            add(0, base.clone(), "base", "qcow2", None, &node.hypervisor);
            add(1, image_name("artifacts", node.artifacts, ".squashfs"), "artifacts", "raw", None, &node.hypervisor);
            add(2, self.overlay(node), "overlay", "qcow2", Some(base), &node.hypervisor);
        }
        images.into_values().collect()
    }

    fn node_json(&self, node: &TestNode) -> Value {
        let (cluster, name, address) = (&self.name, &node.name, Self::address(node));
        let mut wait = Vec::new();
        let etcd = node.roles.contains(&"etcd").then(|| {
            wait.push(json!({"kind": "etcdMember", "url": format!("https://{address}:2379")}));
            json!({"name": name, "peerUrl": Self::peer_url(node), "clientUrl": format!("https://{name}:2379"),
                   "managementUrl": format!("https://{address}:2379")})
        });
        if node.roles.contains(&"controller") {
            wait.push(json!({"kind": "apiServer", "url": format!("https://{address}:6443/readyz")}));
        }
        wait.push(json!({"kind": "node", "name": name, "label": self.bundle(node)[7..70]}));
        let mut value = json!({
            "name": name, "roles": node.roles, "hypervisor": node.hypervisor, "architecture": "amd64", "cpus": 1,
            "memory": node.memory, "machineId": "m", "interfaces": [], "bundle": self.bundle(node),
            "domain": {"name": format!("{cluster}-{name}"), "uuid": domain_uuid(cluster, name),
                       "xml": format!("domains/{name}.xml"),
                       "metadata": {"namespace": "urn:kubi:node:v1", "prefix": "kubi", "element": "<e/>"}},
            "disks": {"root": {"volume": format!("{cluster}-{name}-root.qcow2"), "format": "qcow2",
                               "backing": self.overlay(node), "serial": "kubi-root"},
                      "artifacts": {"file": image_name("artifacts", node.artifacts, ".squashfs"), "serial": "kubi-artifacts"},
                      "data": {"volume": format!("{cluster}-{name}-data.raw"), "format": "raw", "size": node.data,
                               "serial": "kubi-data"}},
            "boot": {"kind": "firmware"}, "waitFor": wait, "taints": [format!("version={}:NoSchedule", node.version)],
        });
        etcd.into_iter().for_each(|etcd| value["etcd"] = etcd);
        value
    }

    fn deploy_json(&self) -> Value {
        let hypervisors = self.hypervisors.iter().map(
            |name| json!({"name": name, "uri": "qemu:///system", "pool": "default", "accelerator": self.accelerator}),
        );
        let networks = self.hypervisors.iter().flat_map(|hypervisor| {
            [("management", "nat"), ("cluster", "isolated")].map(|(kind, mode)| {
                json!({"hypervisor": hypervisor, "kind": kind, "name": format!("{}-{kind}", self.name),
                       "uuid": self.network_uuid(hypervisor, kind), "mode": mode,
                       "xml": format!("networks/{hypervisor}/{kind}.xml"), "cidr": self.cidr, "bridge": format!("br-{kind}")})
            })
        });
        json!({
            "apiVersion": "kubi/v1alpha1", "kind": "Deployment", "cluster": self.name, "identity": self.identity, "kubernetesVersion": self.kubernetes,
            "api": {"host": "h", "port": 6443, "url": "https://h:6443"}, "imageDirectory": "../images",
            "hypervisors": hypervisors.collect::<Vec<_>>(), "networks": networks.collect::<Vec<_>>(),
            "images": self.images(), "nodes": self.nodes.iter().map(|node| self.node_json(node)).collect::<Vec<_>>(),
        })
    }
}
