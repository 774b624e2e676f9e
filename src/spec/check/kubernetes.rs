//! Names of the whole, and the Kubernetes version.

use super::super::names::{DNS_LABEL_HELP, dns_label, dns_name};
use super::{Cluster, Facts, Problems, SpecPath};

/// `out/store`, beside which every cluster has its folder.
const RESERVED: &str = "store";

pub fn check(cluster: &Cluster, facts: &Facts, problems: &mut Problems) {
    if let Err(message) = dns_label(&cluster.metadata.name) {
        problems.error("bad-name", SpecPath::of("metadata.name"), message, DNS_LABEL_HELP);
    }
    if cluster.metadata.name == RESERVED {
        let message = format!("{RESERVED:?} is the folder of all clusters' bundles: no cluster can have this name");
        problems.error("bad-name", SpecPath::of("metadata.name"), message, "write another name");
    }
    version(cluster, facts, problems);
    if let Err(message) = dns_name(&cluster.spec.base) {
        let help = "write the name of a base image, such as debian-13, or one added with `kubi base add`";
        problems.error("bad-name", SpecPath::of("spec.base"), message, help);
    }
}

fn version(cluster: &Cluster, facts: &Facts, problems: &mut Problems) {
    let version = cluster.spec.kubernetes.version;
    if version.major == 1 && facts.supported_minors.contains(&version.minor) {
        return;
    }
    let message = if version.major == 1 && facts.known_minors.contains(&version.minor) {
        format!("Kubernetes 1.{} exists, but this kubi has no recipes for it yet", version.minor)
    } else {
        format!("Kubernetes {}.{} is not supported", version.major, version.minor)
    };
    let supported: Vec<String> = facts.supported_minors.iter().map(|minor| format!("1.{minor}")).collect();
    let help = format!("write a release of {}", supported.join(", "));
    problems.error("unsupported-kubernetes", SpecPath::of("spec.kubernetes.version"), message, help);
}
