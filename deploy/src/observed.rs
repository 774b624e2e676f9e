//! What there is: every hypervisor's pool, networks and domains, and how etcd's members are, at one moment.
//!
//! In: libvirt's XML and numbers. Out: values for [`crate::plan`]. Never asks anybody.

use crate::deployment::Deployment;
use crate::identity::domain_uuid;
use crate::mark::Mark;
use crate::network_facts::NetworkFacts;
use crate::services::{MemberInfo, NodeInfo};
use roxmltree::{Document, Node};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a plan depends on beside the deployment.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// By name of the hypervisor; an error says why it could not be asked.
    pub hypervisors: BTreeMap<String, Result<State, String>>,
    /// Kubernetes' nodes by name, when the API could be asked.
    pub nodes: BTreeMap<String, NodeInfo>,
    /// What etcd itself says, when it could be asked.
    pub etcd: Option<Etcd>,
    /// Hypervisors that builds which were deployed before had each node on.
    pub places: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone, Debug, Default)]
pub struct Etcd {
    /// Name of the member that leads.
    pub leader: Option<String>,
    pub members: Vec<SeenMember>,
}

#[derive(Clone, Debug)]
pub struct SeenMember {
    pub info: MemberInfo,
    pub healthy: bool,
}

impl Etcd {
    /// A member that has not started has no name yet.
    pub fn knows(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.info.name == name)
    }

    pub fn voters(&self) -> impl Iterator<Item = &SeenMember> {
        self.members.iter().filter(|member| !member.info.learner)
    }
}

impl Observed {
    /// The marks of the cluster's domains, by UUID.
    pub fn marks(&self, deployment: &Deployment) -> BTreeMap<String, Mark> {
        let domains = self.hypervisors.values().flatten().flat_map(|state| &state.domains);
        let own = domains.filter(|domain| domain.belongs_to(deployment));
        own.filter_map(|domain| Some((domain.uuid.clone(), domain.mark.clone()?))).collect()
    }

    /// Whether a hypervisor runs the domain with this UUID.
    pub fn runs(&self, hypervisor: &str, uuid: &str) -> bool {
        let Some(Ok(state)) = self.hypervisors.get(hypervisor) else { return false };
        state.domains.iter().any(|domain| domain.uuid == uuid && domain.running)
    }

    /// Where members of etcd are reached, by name: as the build says, and as their domains do.
    pub fn member_urls(&self, deployment: &Deployment) -> MemberUrls {
        let domains = self.hypervisors.values().flatten().flat_map(|state| &state.domains);
        let own = domains.filter(|domain| domain.belongs_to(deployment));
        let marks = own.filter_map(|domain| domain.mark.as_ref());
        let marked = marks.filter_map(|mark| Some((mark.node.clone(), mark.etcd.clone()?)));
        let built = deployment.etcd_members().map(|(_, member)| (member.name.clone(), member.management_url.clone()));
        let mut urls = MemberUrls::new();
        for (name, url) in marked.chain(built) {
            urls.entry(name).or_default().insert(url);
        }
        urls
    }
}

/// Serials of a node's throw-away layer and of its data disk, in every build.
pub const ROOT_SERIAL: &str = "kubi-root";
pub const DATA_SERIAL: &str = "kubi-data";

/// Client URLs of members of etcd on the management network, by name. While an address changes, there are two.
pub type MemberUrls = BTreeMap<String, BTreeSet<String>>;

/// One hypervisor.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Whether it can run domains of type kvm.
    pub kvm: bool,
    /// The pool that the deployment names, if it is there.
    pub pool: Option<Pool>,
    /// Where this user's own libvirt keeps images, when it is that one.
    pub own_images: Option<String>,
    pub networks: Vec<Network>,
    pub domains: Vec<Domain>,
}

#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub active: bool,
    /// libvirt's type: `dir`, `fs`, `netfs`, `logical` ...
    pub kind: String,
    pub directory: String,
    /// Free bytes.
    pub available: u64,
    pub volumes: BTreeMap<String, Volume>,
}

impl Pool {
    /// Kernels and consoles are files with a path.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind.as_str(), "dir" | "fs" | "netfs")
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Virtual size in bytes.
    pub capacity: u64,
    /// Bytes that it takes.
    pub allocation: u64,
}

#[derive(Clone, Debug)]
pub struct Network {
    pub name: String,
    pub uuid: String,
    pub active: bool,
    pub facts: NetworkFacts,
}

#[derive(Clone, Debug)]
pub struct Domain {
    pub name: String,
    pub uuid: String,
    pub running: bool,
    /// Runs, but its processors stand still.
    pub paused: bool,
    pub mark: Option<Mark>,
    /// By serial.
    pub disks: BTreeMap<String, DomainDisk>,
    /// Every volume that it uses, backing files too.
    pub volumes: BTreeSet<String>,
    /// libvirt networks that its interfaces are on.
    pub networks: BTreeSet<String>,
}

/// A disk's volumes: the top first, then what it is based on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DomainDisk {
    pub chain: Vec<String>,
}

impl Domain {
    /// Reads a domain's inactive XML.
    pub fn read(xml: &str, running: bool) -> Result<Self, roxmltree::Error> {
        let document = Document::parse(xml)?;
        let root = document.root_element();
        let text = |name: &str| {
            root.children()
                .find(|node| node.has_tag_name(name))
                .and_then(|node| node.text())
                .unwrap_or_default()
                .to_owned()
        };
        let disks = root.descendants().filter(|node| node.has_tag_name("disk")).filter_map(disk).collect();
        Ok(Self {
            name: text("name"),
            uuid: text("uuid"),
            running,
            paused: false,
            mark: Mark::find(&document),
            disks,
            volumes: volumes(root),
            networks: root
                .descendants()
                .filter(|node| node.has_tag_name("source"))
                .filter_map(|source| source.attribute("network").map(str::to_owned))
                .collect(),
        })
    }

    /// Whether it is the cluster's: it has the cluster's mark, and the UUID that the mark's node has. A clone has another.
    pub fn belongs_to(&self, deployment: &Deployment) -> bool {
        self.has_mark_of(deployment)
            && self.mark.as_ref().is_some_and(|mark| self.uuid == domain_uuid(&mark.cluster, &mark.node))
    }

    /// Whether it has the mark of this very cluster, not of another one of the same name.
    pub fn has_mark_of(&self, deployment: &Deployment) -> bool {
        let Some(mark) = self.mark.as_ref().filter(|mark| mark.cluster == deployment.cluster) else { return false };
        // Older kubis knew no identity.
        mark.identity.is_none() || deployment.identity.is_none() || mark.identity == deployment.identity
    }
}

fn disk(disk: Node<'_, '_>) -> Option<(String, DomainDisk)> {
    let serial = disk.children().find(|node| node.has_tag_name("serial"))?.text()?.to_owned();
    let mut chain = Vec::new();
    let mut level = Some(disk);
    while let Some(node) = level {
        let source = node.children().find(|child| child.has_tag_name("source"));
        chain.extend(source.and_then(volume_name));
        level = node.children().find(|child| child.has_tag_name("backingStore"));
    }
    Some((serial, DomainDisk { chain }))
}

fn volumes(root: Node<'_, '_>) -> BTreeSet<String> {
    let sources = root.descendants().filter(|node| node.has_tag_name("source")).filter_map(volume_name);
    let paths = root.descendants().filter(|node| matches!(node.tag_name().name(), "kernel" | "initrd"));
    sources.chain(paths.filter_map(|node| file_name(node.text()?))).collect()
}

/// A volume of a pool, or the last part of a path.
fn volume_name(source: Node<'_, '_>) -> Option<String> {
    source.attribute("volume").map(str::to_owned).or_else(|| file_name(source.attribute("file")?))
}

fn file_name(path: &str) -> Option<String> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<domain type='qemu'><name>dev-c</name><uuid>u-1</uuid><metadata>\
         <kubi:node xmlns:kubi='urn:kubi:node:v1' cluster='dev' node='c' bundle='sha256:aa' build='4'/></metadata>\
         <os><kernel>/pool/kernel-1</kernel></os><devices>\
         <disk type='volume'><source pool='default' volume='dev-c-root.qcow2'/><backingStore type='volume'>\
         <source pool='default' volume='c-1.qcow2'/><backingStore type='file'><source file='/pool/base.qcow2'/></backingStore>\
         </backingStore><serial>kubi-root</serial></disk>\
         <disk type='volume'><source pool='default' volume='dev-c-data.raw'/><serial>kubi-data</serial></disk>\
         <disk type='file'><source file='/elsewhere/cd.iso'/></disk></devices></domain>";

    #[test]
    fn a_domains_xml_tells_whose_it_is_and_what_it_runs_on() {
        let domain = Domain::read(XML, true).unwrap();
        assert_eq!((domain.name.as_str(), domain.uuid.as_str(), domain.running), ("dev-c", "u-1", true));
        assert_eq!(domain.mark.unwrap().build, 4);
        assert_eq!(domain.disks["kubi-root"].chain, ["dev-c-root.qcow2", "c-1.qcow2", "base.qcow2"]);
        assert_eq!(domain.disks["kubi-data"].chain, ["dev-c-data.raw"]);
        let volumes: Vec<&str> = domain.volumes.iter().map(String::as_str).collect();
        assert_eq!(volumes, ["base.qcow2", "c-1.qcow2", "cd.iso", "dev-c-data.raw", "dev-c-root.qcow2", "kernel-1"]);
    }
}
