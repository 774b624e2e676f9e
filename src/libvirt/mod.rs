//! What libvirt and `kubi-deploy` need: one domain per node, one network per hypervisor and kind, and `deploy.json`.
//!
//! In: an [`Input`] of finished values. Out: bytes by path below `deploy/`. Never talks to libvirt, never reads a file.

mod deployment;
mod domain;
mod domain_parts;
pub mod identity;
mod input;
mod kept;
mod network;
mod schema;
#[cfg(test)]
mod tests;
mod xml;

pub use deployment::deploy_json;
pub use domain::domain_xml;
pub use input::{
    BootInput, ClusterLink, DiskFormat, ImageFile, Input, LibvirtError, ManagementLink, NetworkKind, NodeInput,
    only_hypervisor,
};
pub use kept::Kept;
pub use network::network_xml;
pub use schema::{
    Api, Boot, ClientCertificate, DataDisk, Deployment, DeploymentKind, DeploymentVersion, Disks, Domain, EtcdMember,
    HypervisorEntry, Image, ImageRole, Interface, Metadata, Network, NetworkMode, NodeEntry, RootDisk, Volume, Wait,
    deployment_schema,
};

/// Where `deploy.json` lies below `deploy/`.
pub const DEPLOY_JSON: &str = "deploy.json";

/// One file of the `deploy/` directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployFile {
    /// Relative to `deploy/`: `domains/NODE.xml`, `networks/HYPERVISOR/KIND.xml`, `deploy.json`.
    pub path: String,
    pub contents: Vec<u8>,
}

/// All files of `deploy/`, sorted by path.
pub fn deploy_files(input: &Input) -> Result<Vec<DeployFile>, LibvirtError> {
    let mut files = shared_files(input, &Kept::default())?;
    for node in &input.nodes {
        files.push(domain_file(input, node)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// `deploy.json` and the networks: what is not one node's alone.
pub fn shared_files(input: &Input, kept: &Kept<'_>) -> Result<Vec<DeployFile>, LibvirtError> {
    let json = deploy_json(input, kept)?;
    let mut files = vec![DeployFile { path: DEPLOY_JSON.to_owned(), contents: json }];
    for hypervisor in &input.hypervisors {
        for kind in NetworkKind::ALL {
            let contents = network_xml(input, kind, &hypervisor.name)?.into_bytes();
            files.push(DeployFile { path: network_path(&hypervisor.name, kind), contents });
        }
    }
    Ok(files)
}

/// A node's domain, of an input that [`shared_files`] finds nothing wrong with. A function of the node and of the input's
/// other fields.
pub fn domain_file(input: &Input, node: &NodeInput) -> Result<DeployFile, LibvirtError> {
    Ok(DeployFile { path: domain_path(&node.name), contents: domain_xml(input, node)?.into_bytes() })
}

/// Where the domain of a node lies below `deploy/`.
pub fn domain_path(node: &str) -> String {
    format!("domains/{node}.xml")
}

fn network_path(hypervisor: &str, kind: NetworkKind) -> String {
    format!("networks/{hypervisor}/{kind}.xml")
}
