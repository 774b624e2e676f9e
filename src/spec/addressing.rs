//! Addresses and memberships that follow from the spec. Pure arithmetic, shared by the checks and by planning.

use super::model::{Cluster, Node, Role};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use thiserror::Error;

/// Why a node has no share of the pod network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PodCidrError {
    #[error("{address} is not in the cluster network {network}")]
    AddressOutsideNetwork { address: Ipv4Addr, network: Ipv4Net },
    #[error("nodePrefix {node_prefix} does not divide the pod network {pods}")]
    NodePrefix { node_prefix: u8, pods: Ipv4Net },
    #[error("the pod network {pods} has {shares} shares of /{node_prefix}, none for host number {host}")]
    TooFew { pods: Ipv4Net, node_prefix: u8, shares: u64, host: u32 },
}

/// A node's share of the pod network: its own `podCIDR`, or the share whose index is the node's host number in the cluster
/// network. With the defaults, 192.168.24.21 has 10.200.21.0/24. So a node's share never depends on other nodes.
pub fn pod_cidr(cluster: &Cluster, node: &Node) -> Result<Ipv4Net, PodCidrError> {
    if let Some(explicit) = node.pod_cidr {
        return Ok(explicit);
    }
    let (network, address) = (cluster.spec.networks.cluster.cidr, node.addresses.cluster);
    if !network.contains(&address) {
        return Err(PodCidrError::AddressOutsideNetwork { address, network });
    }
    let (pods, node_prefix) = (cluster.spec.networks.pods.cidr, cluster.spec.networks.pods.node_prefix);
    if node_prefix < pods.prefix_len() || node_prefix > 32 {
        return Err(PodCidrError::NodePrefix { node_prefix, pods });
    }
    let host = address.to_bits() - network.network().to_bits();
    let shares = 1_u64 << (node_prefix - pods.prefix_len());
    if u64::from(host) >= shares {
        return Err(PodCidrError::TooFew { pods, node_prefix, shares, host });
    }
    // Below 2^32: host < shares, so the share ends at the pod network's last address at the latest.
    let start = u64::from(pods.network().to_bits()) + (u64::from(host) << (32 - node_prefix));
    let start = Ipv4Addr::from_bits(start as u32);
    Ipv4Net::new(start, node_prefix).map_err(|_| PodCidrError::NodePrefix { node_prefix, pods })
}

/// Address number `number` of a network; 0 is the network's own. `None` beyond its end.
pub fn host(network: Ipv4Net, number: u32) -> Option<Ipv4Addr> {
    let address = network.network().to_bits().checked_add(number).map(Ipv4Addr::from_bits)?;
    network.contains(&address).then_some(address)
}

/// Whether an address is one that a machine may have: inside, not the network's own, not its broadcast address.
pub fn is_host(network: Ipv4Net, address: Ipv4Addr) -> bool {
    network.contains(&address)
        && (network.prefix_len() >= 31 || (address != network.network() && address != network.broadcast()))
}

/// The default route: `networks.management.gateway`, or the network's first address.
pub fn gateway(cluster: &Cluster) -> Ipv4Addr {
    let management = &cluster.spec.networks.management;
    management.gateway.or_else(|| host(management.cidr, 1)).unwrap_or_else(|| management.cidr.network())
}

/// `networks.management.nameservers`, or the gateway.
pub fn nameservers(cluster: &Cluster) -> Vec<Ipv4Addr> {
    match cluster.spec.networks.management.nameservers.as_slice() {
        [] => vec![gateway(cluster)],
        nameservers => nameservers.to_vec(),
    }
}

/// The `kubernetes` service: Kubernetes gives it the first address of the service network.
pub fn api_service(cluster: &Cluster) -> Ipv4Addr {
    let services = cluster.spec.networks.services.cidr;
    host(services, 1).unwrap_or_else(|| services.network())
}

/// The cluster DNS service: `networks.dns.address`, or the tenth address of the service network.
pub fn dns_service(cluster: &Cluster) -> Ipv4Addr {
    let services = cluster.spec.networks.services.cidr;
    cluster.spec.networks.dns.address.or_else(|| host(services, 10)).unwrap_or_else(|| services.broadcast())
}

/// Nodes that run the control plane, in the spec's order.
pub fn controllers(cluster: &Cluster) -> impl Iterator<Item = &Node> {
    cluster.spec.nodes.iter().filter(|node| node.roles.contains(&Role::Controller))
}

/// etcd's members: the nodes with the role `etcd`, or the controllers when there is none.
pub fn etcd_members(cluster: &Cluster) -> Vec<&Node> {
    let dedicated: Vec<&Node> = cluster.spec.nodes.iter().filter(|node| node.roles.contains(&Role::Etcd)).collect();
    if dedicated.is_empty() { controllers(cluster).collect() } else { dedicated }
}

/// Whether a node runs pods, and so has a kubelet and a share of the pod network. Nodes that only hold etcd do not.
pub fn runs_pods(node: &Node) -> bool {
    node.roles.iter().any(|role| matches!(role, Role::Controller | Role::Worker))
}

/// Where clients reach the API server: `api.endpoint`, else `api.vip`, else the only controller's cluster address.
pub fn api_host(cluster: &Cluster) -> Option<String> {
    let api = &cluster.spec.networks.api;
    let own = || controllers(cluster).next().map(|node| node.addresses.cluster.to_string());
    api.endpoint.clone().or_else(|| api.vip.map(|vip| vip.to_string())).or_else(own)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{minimal, node};
    use super::*;

    #[test]
    fn the_pod_share_follows_the_host_number() {
        let mut cluster = minimal();
        let share = |cluster: &Cluster, address: &str| {
            pod_cidr(cluster, &node("n", address, "192.168.122.21")).map(|net| net.to_string())
        };
        assert_eq!(share(&cluster, "192.168.24.21").unwrap(), "10.200.21.0/24");
        assert_eq!(share(&cluster, "192.168.24.255").unwrap(), "10.200.255.0/24");
        assert!(matches!(share(&cluster, "192.168.25.1"), Err(PodCidrError::AddressOutsideNetwork { .. })));
        cluster.spec.networks.pods.cidr = "10.200.0.0/18".parse().unwrap();
        assert_eq!(share(&cluster, "192.168.24.63").unwrap(), "10.200.63.0/24");
        assert!(matches!(share(&cluster, "192.168.24.64"), Err(PodCidrError::TooFew { shares: 64, host: 64, .. })));
        cluster.spec.networks.pods.node_prefix = 17;
        assert!(matches!(share(&cluster, "192.168.24.1"), Err(PodCidrError::NodePrefix { .. })));
        cluster.spec.networks.pods.cidr = "255.0.0.0/8".parse().unwrap();
        cluster.spec.networks.pods.node_prefix = 16;
        assert_eq!(share(&cluster, "192.168.24.255").unwrap(), "255.255.0.0/16");
    }

    #[test]
    fn addresses_that_are_not_written_follow_from_the_networks() {
        let cluster = minimal();
        assert_eq!(gateway(&cluster).to_string(), "192.168.122.1");
        assert_eq!(nameservers(&cluster), [gateway(&cluster)]);
        assert_eq!(api_service(&cluster).to_string(), "10.32.0.1");
        assert_eq!(dns_service(&cluster).to_string(), "10.32.0.10");
        assert_eq!(api_host(&cluster).as_deref(), Some("192.168.24.11"));
        assert_eq!(etcd_members(&cluster).len(), 1);
        assert_eq!(host("10.0.0.0/30".parse().unwrap(), 4), None);
    }
}
