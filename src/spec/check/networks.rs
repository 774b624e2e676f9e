//! Networks against each other, and addresses and ports against their networks.

use super::super::addressing::{api_service, dns_service, gateway, host, is_host};
use super::super::names;
use super::super::units::PortRange;
use super::{Cluster, Facts, Problem, Problems, SpecPath};
use crate::spec::model::{ClusterMode, ManagementMode, Networks};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Ports that Kubernetes' own components listen on at every controller or node.
const COMPONENT_PORTS: [(u16, &str); 9] = [
    (2379, "etcd"),
    (2380, "etcd"),
    (2381, "etcd"),
    (10248, "kubelet"),
    (10249, "kube-proxy"),
    (10250, "kubelet"),
    (10256, "kube-proxy"),
    (10257, "kube-controller-manager"),
    (10259, "kube-scheduler"),
];

pub fn check(cluster: &Cluster, facts: &Facts, problems: &mut Problems) {
    let networks = &cluster.spec.networks;
    cidrs(networks, problems);
    management(cluster, problems);
    bridges(networks, problems);
    if let Some(mtu) = networks.cluster.mtu.filter(|mtu| !(1280..=9216).contains(mtu)) {
        let message = format!("{mtu} bytes is no usable MTU");
        problems.error(
            "bad-mtu",
            path("cluster.mtu"),
            message,
            "write 1280 to 9216; Ethernet has 1500, jumbo frames 9000",
        );
    }
    pods(networks, problems);
    services(cluster, problems);
    ports(networks, facts, problems);
    api(networks, problems);
}

fn path(key: &str) -> SpecPath {
    SpecPath::of(&format!("spec.networks.{key}"))
}

fn overlap(left: Ipv4Net, right: Ipv4Net) -> bool {
    left.contains(&right) || right.contains(&left)
}

fn cidrs(networks: &Networks, problems: &mut Problems) {
    let all = [
        ("management", networks.management.cidr),
        ("cluster", networks.cluster.cidr),
        ("pods", networks.pods.cidr),
        ("services", networks.services.cidr),
    ];
    for (position, (name, cidr)) in all.iter().enumerate() {
        let at = path(name).key("cidr");
        if cidr.addr() != cidr.network() {
            let message = format!("{cidr} is an address inside a network");
            problems.error("host-bits", at.clone(), message, format!("write {}", cidr.trunc()));
        }
        if reserved(*cidr) {
            let message = format!("{cidr} is reserved: no machine can have addresses in it");
            let help = "write a private network (RFC 1918): part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16";
            problems.error("reserved-network", at.clone(), message, help);
        }
        for (other, other_cidr) in all[..position].iter().filter(|(_, other)| overlap(*cidr, *other)) {
            let message = format!("the {name} network {cidr} overlaps the {other} network {other_cidr}");
            let problem = Problem::error("networks-overlap", at.clone(), message);
            problems.0.push(problem.help("give each network a range of its own").or_at(path(other).key("cidr")));
        }
    }
    for (name, cidr) in all[..2].iter().filter(|(_, cidr)| cidr.prefix_len() > 30) {
        let message = format!("{cidr} has no room for machines");
        problems.error("network-too-small", path(name).key("cidr"), message, "write a prefix length of 30 or less");
    }
}

/// "This network", loopback, link-local, multicast and above (RFC 6890).
fn reserved(cidr: Ipv4Net) -> bool {
    let nets = [(0, 0, 8), (127, 0, 8), (169, 254, 16), (224, 0, 3)];
    nets.iter().any(|(a, b, prefix)| overlap(cidr, Ipv4Net::new_assert(Ipv4Addr::new(*a, *b, 0, 0), *prefix)))
}

fn management(cluster: &Cluster, problems: &mut Problems) {
    let management = &cluster.spec.networks.management;
    let gateway = gateway(cluster);
    if management.gateway.is_some() && !is_host(management.cidr, gateway) {
        let message = format!("the gateway {gateway} is no host address of the management network {}", management.cidr);
        problems.error("gateway-outside-network", path("management.gateway"), message, first_host(management.cidr));
    }
    if management.nameservers.len() > 2 {
        let message = format!("{} name servers are too many", management.nameservers.len());
        let help = "keep two: glibc reads three at most, and pods have cluster DNS as another one";
        problems.error("too-many-nameservers", path("management.nameservers").index(2), message, help);
    }
    nameservers(cluster, problems);
    for (index, server) in management.time_servers.iter().enumerate() {
        if let Err(message) = names::host(server) {
            let help = "write a host name or an address, without port";
            problems.error("bad-host", path("management.timeServers").index(index), message, help);
        }
    }
}

/// CoreDNS asks the nodes' name servers: one that is itself, or that only pods reach, answers nobody.
fn nameservers(cluster: &Cluster, problems: &mut Problems) {
    let networks = &cluster.spec.networks;
    let at = &path("management.nameservers");
    let servers = &networks.management.nameservers;
    for (index, server) in servers.iter().enumerate() {
        let wrong = if server.is_loopback() {
            "is the machine that asks: cluster DNS would ask itself"
        } else if server.is_unspecified() || server.is_multicast() || server.is_broadcast() {
            "is no machine's address"
        } else if networks.services.cidr.contains(server) {
            "is in the service network: cluster DNS would ask itself"
        } else if networks.pods.cidr.contains(server) {
            "is in the pod network, which exists only after names can be looked up"
        } else {
            continue;
        };
        let help = "write a name server that the nodes reach, or leave it out for the management network's gateway";
        problems.error("bad-nameserver", at.index(index), format!("{server} {wrong}"), help);
    }
    let all = servers.iter().enumerate().map(|(index, server)| (server, move || at.index(index)));
    problems.duplicates("duplicate-nameserver", all, |server, _| format!("{server} is already there"), "keep one");
}

fn first_host(network: Ipv4Net) -> String {
    match (host(network, 1), host(network, 2)) {
        (Some(first), Some(_)) => format!("write an address from {first} on, below {}", network.broadcast()),
        _ => "write an address inside the network".to_owned(),
    }
}

fn bridges(networks: &Networks, problems: &mut Problems) {
    let both = [
        ("management", networks.management.mode == ManagementMode::Bridge, &networks.management.bridge),
        ("cluster", networks.cluster.mode == ClusterMode::Bridge, &networks.cluster.bridge),
    ];
    for (name, bridged, bridge) in both {
        match bridge {
            None if bridged => {
                let message = format!("the {name} network is bridged, but to which host bridge is not written");
                problems.error(
                    "no-bridge",
                    path(name).key("mode"),
                    message,
                    "add `bridge: br0` with the hypervisor's bridge",
                );
            }
            Some(_) if !bridged => {
                let help = "write `mode: bridge`, or leave `bridge` out";
                problems.error(
                    "unused-bridge",
                    path(name).key("bridge"),
                    "only `mode: bridge` uses a host bridge",
                    help,
                );
            }
            Some(bridge) => {
                if let Err(message) = names::interface(bridge) {
                    problems.error(
                        "bad-interface",
                        path(name).key("bridge"),
                        message,
                        "write at most 15 letters, digits and -",
                    );
                }
            }
            None => {}
        }
    }
}

fn pods(networks: &Networks, problems: &mut Problems) {
    let (cidr, node_prefix) = (networks.pods.cidr, networks.pods.node_prefix);
    if node_prefix < cidr.prefix_len() || node_prefix > 30 {
        let message = format!("a node's share cannot be a /{node_prefix} of the pod network {cidr}");
        let help = format!("write a prefix length from {} to 30; the default is 24", cidr.prefix_len().min(30));
        problems.error("bad-node-prefix", path("pods.nodePrefix"), message, help);
    } else if node_prefix > 25 {
        let room = (1_u32 << (32 - node_prefix)) - 3;
        let message = format!("a /{node_prefix} has addresses for {room} pods, but a kubelet starts up to 110");
        problems.warning(
            "small-node-prefix",
            path("pods.nodePrefix"),
            message,
            "write 25 or less, or lower kubelet's maxPods",
        );
    }
}

fn services(cluster: &Cluster, problems: &mut Problems) {
    let (services, dns) = (cluster.spec.networks.services.cidr, &cluster.spec.networks.dns);
    // kube-apiserver, --service-cluster-ip-range: at most 20 bits, at least 8 addresses.
    if !(12..=29).contains(&services.prefix_len()) {
        let message = format!("the API server takes no service network as large or small as {services}");
        problems.error("bad-service-network", path("services.cidr"), message, "write a prefix length from 12 to 29");
    } else if dns.address.is_none() && host(services, 10).is_none_or(|tenth| !is_host(services, tenth)) {
        let message = format!("{services} has no tenth address for cluster DNS");
        problems.error(
            "dns-outside-services",
            path("services.cidr"),
            message,
            "write networks.dns.address, or a larger network",
        );
    }
    let address = dns_service(cluster);
    if dns.address.is_some() && !is_host(services, address) {
        let message = format!("the DNS address {address} is no host address of the service network {services}");
        problems.error("dns-outside-services", path("dns.address"), message, first_host(services));
    } else if dns.address.is_some() && address == api_service(cluster) {
        let message = format!("{address} belongs to the `kubernetes` service: the API server takes the first address");
        problems.error("dns-is-api", path("dns.address"), message, "write another address of the service network");
    }
    if let Err(message) = names::dns_name(&dns.domain) {
        problems.error("bad-domain", path("dns.domain"), message, "write a DNS name such as cluster.local");
    }
}

fn ports(networks: &Networks, facts: &Facts, problems: &mut Problems) {
    let (nodes, api) = (networks.services.node_ports, networks.api.port);
    let within = |range: PortRange, port: u16| (range.first..=range.last).contains(&port);
    let at = path("services.nodePorts");
    let local = facts.local_ports;
    if nodes.first <= local.last && local.first <= nodes.last {
        let message = format!("node ports {nodes} overlap {local}, which Linux hands out to outgoing connections");
        problems.error(
            "node-ports-overlap",
            at.clone(),
            message,
            format!("end below {}; the default is 30000-32767", local.first),
        );
    }
    if within(nodes, api) {
        let message = format!("node ports {nodes} include the API server's port {api}");
        problems.error(
            "node-ports-overlap",
            at.clone(),
            message,
            "move one of them; the defaults are 30000-32767 and 6443",
        );
    }
    let taken: Vec<String> = (COMPONENT_PORTS.iter().filter(|(port, _)| within(nodes, *port)))
        .map(|(port, component)| format!("{port} of {component}"))
        .collect();
    if !taken.is_empty() {
        let message = format!("node ports {nodes} include {}", taken.join(", "));
        problems.error("node-ports-overlap", at.clone(), message, "the default is 30000-32767");
    }
    if let Some((port, component)) = COMPONENT_PORTS.iter().find(|(port, _)| *port == api) {
        let message = format!("{component} listens on port {port}");
        problems.error("port-taken", path("api.port"), message, "write another port; the default is 6443");
    }
    if nodes.first < 1024 {
        let message = format!("node ports {nodes} include well-known ports such as those of SSH and HTTP");
        problems.warning("low-node-ports", at, message, "the default is 30000-32767");
    }
    if api == 0 {
        problems.error("bad-port", path("api.port"), "0 is no port", "the default is 6443");
    }
    if within(local, api) {
        let message = format!("port {api} is in {local}, which Linux hands out to outgoing connections");
        problems.warning("api-port-local", path("api.port"), message, "write a lower port; the default is 6443");
    }
}

fn api(networks: &Networks, problems: &mut Problems) {
    let cluster = networks.cluster.cidr;
    if let Some(vip) = networks.api.vip.filter(|vip| !is_host(cluster, *vip)) {
        let message = format!("the virtual address {vip} is no host address of the cluster network {cluster}");
        problems.error("vip-outside-network", path("api.vip"), message, first_host(cluster));
    }
    if let Some(Err(message)) = networks.api.endpoint.as_deref().map(names::host) {
        let help = "write a host name or an address; the port is networks.api.port";
        problems.error("bad-host", path("api.endpoint"), message, help);
    }
}
