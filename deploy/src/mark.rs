//! The ownership mark in a domain's metadata: whose domain it is, what it runs, and whether it was ever seen healthy.
//!
//! A domain without a mark of this cluster is somebody else's and is never touched. The mark is all that kubi-deploy
//! remembers: there is no state file to lose.

use roxmltree::{Document, Node};
use serde::Serialize;
use std::fmt::Write as _;

/// XML namespace of the mark.
pub const NAMESPACE: &str = "urn:kubi:node:v1";
/// Prefix of that namespace.
pub const PREFIX: &str = "kubi";

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    pub cluster: String,
    /// Tells clusters of the same name apart; absent when an older kubi-deploy wrote the mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    pub node: String,
    /// Manifest digest of the bundle that the domain was started with.
    pub bundle: String,
    /// Number of the newest build that was deployed and had it like this; 0 when unknown.
    pub build: u64,
    /// Release of Kubernetes that it was started with; absent when an older kubi-deploy wrote the mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// SHA-256 of the domain's XML as it was built.
    pub definition: String,
    /// What the Node's boot was called before it was started, until it is healthy.
    #[serde(skip)]
    pub old_boot: Option<String>,
    /// All conditions held at least once since it was started.
    pub healthy: bool,
    /// Of a member of etcd: where operators reach it. It is asked for its health also when the build has it no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd: Option<String>,
}

impl Mark {
    /// The mark in a domain's XML, or in an element of its own.
    pub fn find(document: &Document<'_>) -> Option<Self> {
        document.descendants().find(|node| is_mark(*node)).and_then(Self::read)
    }

    fn read(element: Node<'_, '_>) -> Option<Self> {
        let attribute = |name: &str| element.attribute(name).unwrap_or_default().to_owned();
        Some(Self {
            cluster: element.attribute("cluster")?.to_owned(),
            identity: element.attribute("identity").map(str::to_owned),
            node: element.attribute("node")?.to_owned(),
            bundle: attribute("bundle"),
            build: attribute("build").parse().unwrap_or(0),
            kubernetes: element.attribute("kubernetes").map(str::to_owned),
            old_boot: element.attribute("oldBoot").map(str::to_owned),
            definition: attribute("definition"),
            healthy: attribute("healthy") == "yes",
            etcd: element.attribute("etcd").map(str::to_owned),
        })
    }

    /// The element without its namespace declaration, as libvirt's metadata call wants it.
    pub fn element(&self) -> String {
        self.write("node", "")
    }

    /// The element with its namespace, for a domain's XML.
    pub fn namespaced(&self) -> String {
        self.write(&format!("{PREFIX}:node"), &format!(" xmlns:{PREFIX}='{NAMESPACE}'"))
    }

    fn write(&self, name: &str, namespace: &str) -> String {
        let mut out = format!("<{name}{namespace}");
        let build = self.build.to_string();
        let attributes = [
            ("cluster", self.cluster.as_str()),
            ("node", &self.node),
            ("bundle", &self.bundle),
            ("build", &build),
            ("definition", &self.definition),
            ("healthy", if self.healthy { "yes" } else { "no" }),
        ];
        let optional = [
            ("identity", &self.identity),
            ("kubernetes", &self.kubernetes),
            ("oldBoot", &self.old_boot),
            ("etcd", &self.etcd),
        ];
        let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
        for (key, value) in attributes.into_iter().chain(optional) {
            // Writing to a String cannot fail.
            let _ = write!(out, " {key}='{}'", escape(value));
        }
        out + "/>"
    }
}

/// Whether an XML element is a mark.
pub fn is_mark(node: Node<'_, '_>) -> bool {
    node.is_element() && node.tag_name().namespace() == Some(NAMESPACE) && node.tag_name().name() == "node"
}

/// Text that is safe in XML text and attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark {
            cluster: "dev".into(),
            identity: Some("sha256:ee".into()),
            node: "c-1".into(),
            bundle: "sha256:ab".into(),
            build: 7,
            kubernetes: Some("1.36.4".into()),
            old_boot: Some("b".into()),
            definition: "sha256:cd".into(),
            healthy: true,
            etcd: Some("https://h:2379".into()),
        }
    }

    #[test]
    fn marks_survive_a_round_trip() {
        for healthy in [true, false] {
            let kept = |text: Option<String>| text.filter(|_| healthy);
            let mark = Mark {
                healthy,
                etcd: kept(mark().etcd),
                identity: kept(mark().identity),
                old_boot: kept(mark().old_boot),
                kubernetes: kept(mark().kubernetes),
                ..mark()
            };
            let xml = format!("<domain><metadata>{}</metadata></domain>", mark.namespaced());
            assert_eq!(Mark::find(&Document::parse(&xml).unwrap()), Some(mark));
        }
    }

    #[test]
    fn what_others_wrote_is_no_mark() {
        for xml in [
            "<domain><metadata/></domain>",
            "<domain><metadata><node cluster='dev' node='c-1'/></metadata></domain>",
            "<domain xmlns:kubi='urn:else'><metadata><kubi:node cluster='dev' node='c-1'/></metadata></domain>",
            "<domain xmlns:kubi='urn:kubi:node:v1'><metadata><kubi:node cluster='dev'/></metadata></domain>",
        ] {
            assert_eq!(Mark::find(&Document::parse(xml).unwrap()), None, "{xml}");
        }
    }

    #[test]
    fn the_first_builds_marks_are_read() {
        let xml = "<kubi:node xmlns:kubi='urn:kubi:node:v1' cluster='dev' node='c-1' bundle='sha256:ab'/>";
        let mark = Mark::find(&Document::parse(xml).unwrap()).unwrap();
        assert_eq!((mark.build, mark.healthy, mark.definition.as_str()), (0, false, ""));
    }
}
