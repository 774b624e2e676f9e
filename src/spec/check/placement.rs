//! Each node's share of the pod network.

use super::super::addressing::{PodCidrError, pod_cidr, runs_pods};
use super::{Cluster, Problems, SpecPath};
use ipnet::Ipv4Net;

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    let pods = cluster.spec.networks.pods.cidr;
    let mut shares: Vec<(Ipv4Net, usize)> = vec![];
    for (index, node) in cluster.spec.nodes.iter().enumerate().filter(|(_, node)| runs_pods(node)) {
        let explicit = || SpecPath::node(index).key("podCIDR");
        match pod_cidr(cluster, node) {
            Ok(share) if node.pod_cidr.is_some() && !pods.contains(&share) => {
                let message = format!("{share} is not in the pod network {pods}");
                problems.error("pod-cidr-outside-network", explicit(), message, format!("write a part of {pods}"));
            }
            Ok(share) if node.pod_cidr.is_some() && share.addr() != share.network() => {
                let message = format!("{share} is an address inside a network");
                problems.error("host-bits", explicit(), message, format!("write {}", share.trunc()));
            }
            Ok(share) if node.pod_cidr.is_some() && share.prefix_len() > 30 => {
                problems.error(
                    "pod-cidr-too-small",
                    explicit(),
                    format!("{share} has no room for pods"),
                    "write a /30 or larger",
                );
            }
            Ok(share) => shares.push((share, index)),
            // Said elsewhere, of the address and of nodePrefix.
            Err(PodCidrError::AddressOutsideNetwork { .. } | PodCidrError::NodePrefix { .. }) => {}
            Err(error @ PodCidrError::TooFew { .. }) => {
                let at = SpecPath::node(index).key("addresses").key("cluster");
                let help =
                    "write a lower address, a larger networks.pods.cidr, a longer nodePrefix, or this node's podCIDR";
                problems.error("no-pod-share", at, error.to_string(), help);
            }
        }
    }
    overlaps(cluster, shares, problems);
}

/// Sorted by start, a share can only overlap one that reaches furthest of those before it.
fn overlaps(cluster: &Cluster, mut shares: Vec<(Ipv4Net, usize)>, problems: &mut Problems) {
    shares.sort_by_key(|(share, index)| (share.network(), share.prefix_len(), *index));
    let mut widest: Option<(Ipv4Net, usize)> = None;
    for (share, index) in shares {
        if let Some((other, other_index)) = widest.filter(|(other, _)| share.network() <= other.broadcast()) {
            // Shares that follow from one address are one problem, and said of the address.
            let nodes = &cluster.spec.nodes;
            let same = nodes[index].addresses.cluster == nodes[other_index].addresses.cluster;
            if !(same && nodes[index].pod_cidr.is_none() && nodes[other_index].pod_cidr.is_none()) {
                let (at, first) = match nodes[index].pod_cidr {
                    Some(_) => (index, other_index),
                    None if nodes[other_index].pod_cidr.is_some() => (other_index, index),
                    None => (index, other_index),
                };
                let message = format!(
                    "the pod network shares {share} and {other} of {} and {} overlap",
                    nodes[at].name, nodes[first].name
                );
                let help = "shares that are not written follow from cluster addresses: write one outside them";
                problems.error("pod-cidr-overlap", SpecPath::node(at).key("podCIDR"), message, help);
            }
        }
        if widest.is_none_or(|(other, _)| share.broadcast() > other.broadcast()) {
            widest = Some((share, index));
        }
    }
}
