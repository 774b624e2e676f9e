//! Each node by itself: name, addresses, labels, taints.

use super::super::addressing::{gateway, is_host, runs_pods};
use super::super::names::{self, DNS_LABEL_HELP, dns_label};
use super::{Cluster, Problem, Problems, SpecPath};
use crate::spec::model::Node;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Names of every machine itself, and of the API server inside the cluster.
const RESERVED_NAMES: [&str; 4] = ["localhost", "ip6-localhost", "ip6-loopback", "kubernetes"];

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    for (index, node) in cluster.spec.nodes.iter().enumerate() {
        let at = || SpecPath::node(index);
        if let Err(message) = dns_label(&node.name) {
            problems.error("bad-name", at().key("name"), message, DNS_LABEL_HELP);
        }
        if RESERVED_NAMES.contains(&node.name.as_str()) {
            let message = format!("{:?} already means something else in certificates and /etc/hosts", node.name);
            problems.error("bad-name", at().key("name"), message, "write another name");
        }
        without_kubelet(node, at, problems);
        labels(node, at, problems);
        taints(node, at, problems);
    }
    let nodes = cluster.spec.nodes.iter().enumerate();
    let by_name = nodes.map(|(index, node)| (&node.name, move || SpecPath::node(index).key("name")));
    let message = |name: &&String, first: &SpecPath| format!("{name} is also the name of {}", first.parent());
    problems.duplicates("duplicate-name", by_name, message, "give every node a name of its own");
    addresses(cluster, problems);
}

/// Kubernetes does not know a node that only holds etcd.
fn without_kubelet(node: &Node, at: impl Fn() -> SpecPath, problems: &mut Problems) {
    if runs_pods(node) || node.roles.is_empty() {
        return;
    }
    for (key, given) in [("labels", !node.labels.is_empty()), ("taints", !node.taints.is_empty())] {
        if given {
            let message = format!("{} runs no kubelet: nothing has its {key}", node.name);
            problems.warning("no-kubelet", at().key(key), message, "leave them out");
        }
    }
}

fn addresses(cluster: &Cluster, problems: &mut Problems) {
    let networks = &cluster.spec.networks;
    let vip = networks.api.vip;
    type Get = fn(&Node) -> Ipv4Addr;
    let both: [(&str, Ipv4Net, Option<Ipv4Addr>, &str, Get); 2] = [
        ("cluster", networks.cluster.cidr, vip, "virtual address of the API", |node| node.addresses.cluster),
        ("management", networks.management.cidr, Some(gateway(cluster)), "gateway", |node| node.addresses.management),
    ];
    for (name, cidr, taken, by, get) in both {
        let all = || {
            let at = move |index| move || SpecPath::node(index).key("addresses").key(name);
            cluster.spec.nodes.iter().enumerate().map(move |(index, node)| (get(node), at(index)))
        };
        for (address, at) in all() {
            if !cidr.contains(&address) {
                let message = format!("{address} is not in the {name} network {cidr}");
                problems.error(
                    "address-outside-network",
                    at(),
                    message,
                    format!("write an address of {cidr}, or change networks.{name}.cidr"),
                );
            } else if !is_host(cidr, address) {
                let what = if address == cidr.network() { "network's own" } else { "broadcast" };
                let message = format!("{address} is the {what} address of the {name} network {cidr}");
                problems.error("address-reserved", at(), message, "write an address between the two");
            } else if taken == Some(address) {
                let message = format!("{address} is the {by}");
                problems.error("address-taken", at(), message, "write another address");
            }
        }
        let message = |address: &Ipv4Addr, first: &SpecPath| format!("{address} is already at {first}");
        problems.duplicates("duplicate-address", all(), message, "give every node an address of its own");
    }
}

/// Label prefixes that a kubelet may set on its own node although they are Kubernetes' own.
/// <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>
const ALLOWED_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const ALLOWED_KEYS: [&str; 5] = [
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

fn labels(node: &Node, at: impl Fn() -> SpecPath, problems: &mut Problems) {
    for (key, value) in &node.labels {
        let at = || at().key("labels").key(key.as_str());
        let (prefix, _) = key.split_once('/').unwrap_or(("", key));
        let within =
            |domain: &str| prefix == domain || prefix.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        if let Err(message) = names::label_key(key) {
            let help = "write letters, digits, - _ . (63 at most), before that a DNS name and / if you like";
            problems.0.push(Problem::error("bad-label", at(), message).help(help).at_key());
        } else if prefix == "kubi" {
            let problem = Problem::error("reserved-label", at(), "labels that begin with kubi/ are kubi's own");
            problems.0.push(problem.help("write another prefix").at_key());
        } else if (within("kubernetes.io") || within("k8s.io"))
            && !ALLOWED_PREFIXES.iter().any(|allowed| within(allowed))
            && !ALLOWED_KEYS.contains(&key.as_str())
        {
            let message = format!("no kubelet may set the label {key} on its own node");
            let help = "write a prefix of your own or node.kubernetes.io/; roles are shown from `roles`";
            problems.0.push(Problem::error("reserved-label", at(), message).help(help).at_key());
        } else if let Err(message) = names::label_value(value) {
            problems.error("bad-label", at(), message, "write letters, digits, - _ . (63 at most), or nothing");
        }
    }
}

fn taints(node: &Node, at: impl Fn() -> SpecPath, problems: &mut Problems) {
    let at = |index| at().key("taints").index(index);
    let at = &at;
    let mut parsed = vec![];
    for (index, taint) in node.taints.iter().enumerate() {
        match names::taint(taint) {
            Ok((key, _, effect)) => parsed.push((format!("{key}:{effect}"), move || at(index))),
            Err(message) => {
                let help =
                    "write key=value:Effect or key:Effect; the effect is NoSchedule, PreferNoSchedule or NoExecute";
                problems.error("bad-taint", at(index), message, help);
            }
        }
    }
    let message = |taint: &String, _: &SpecPath| format!("a taint {taint} is already there");
    problems.duplicates("duplicate-taint", parsed, message, "keep one value for each key and effect");
}
