//! One build, whole and in memory: the deployment, its number, and the XML files beside it.

use crate::deployment::{Deployment, Network, Node};
use crate::network_facts::NetworkFacts;
use roxmltree::Document;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Clone, Debug)]
pub struct Build {
    /// Counts the cluster's builds, from 1.
    pub number: u64,
    pub deployment: Deployment,
    /// XML text by the path that `deploy.json` gives.
    pub xml: BTreeMap<String, String>,
}

impl Build {
    pub fn domain_xml(&self, node: &Node) -> &str {
        self.text(&node.domain.xml)
    }

    pub fn network_xml(&self, network: &Network) -> &str {
        self.text(&network.xml)
    }

    /// The digest of a node's domain as it was built.
    pub fn definition(&self, node: &Node) -> String {
        digest(self.domain_xml(node).as_bytes())
    }

    /// `None` when the XML cannot be read.
    pub fn network_facts(&self, network: &Network) -> Option<NetworkFacts> {
        NetworkFacts::read(self.network_xml(network)).ok()
    }

    /// The path of a domain or network whose XML is not the one that `deploy.json` speaks of: whoever reads one would be told
    /// of another.
    pub fn mismatch(&self) -> Option<&str> {
        let deployment = &self.deployment;
        let domains = deployment.nodes.iter().map(|node| (&node.domain.xml, &node.domain.name, &node.domain.uuid));
        let networks = deployment.networks.iter().map(|network| (&network.xml, &network.name, &network.uuid));
        let mut all = domains.chain(networks);
        all.find(|(path, name, uuid)| !is_of(self.text(path), name, uuid)).map(|(path, ..)| path.as_str())
    }

    fn text(&self, path: &str) -> &str {
        self.xml.get(path).map(String::as_str).unwrap_or_default()
    }
}

fn is_of(xml: &str, name: &str, uuid: &str) -> bool {
    let Ok(document) = Document::parse(xml) else { return false };
    let texts = |tag: &str| -> Vec<&str> {
        let children = document.root_element().children().filter(|node| node.has_tag_name(tag));
        children.filter_map(|node| node.text()).collect()
    };
    texts("name") == [name] && texts("uuid") == [uuid]
}

/// `sha256:` and 64 hex digits.
pub fn digest(bytes: &[u8]) -> String {
    text_digest(&Sha256::digest(bytes))
}

/// The text form of a finished hash.
pub fn text_digest(hash: &[u8]) -> String {
    format!("sha256:{}", hex(hash))
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
