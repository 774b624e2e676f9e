//! The libvirt networks of one hypervisor. Format: <https://libvirt.org/formatnetwork.html>.

use super::identity;
use super::input::{Input, LibvirtError, NetworkKind};
use super::xml::{Element, element};
use crate::spec::model::ManagementMode;

/// A network's XML, with a final newline.
pub fn network_xml(input: &Input, kind: NetworkKind, hypervisor: &str) -> Result<String, LibvirtError> {
    let network = element("network")
        .child(element("name").text(input.network_name(kind)))
        .child(element("uuid").text(identity::network_uuid(&input.cluster, hypervisor, kind.as_str())));
    if let Some(bridge) = input.host_bridge(kind)? {
        let network = network.child(element("forward").with("mode", "bridge"));
        return network.child(element("bridge").with("name", bridge)).render();
    }
    match kind {
        NetworkKind::Management => management(input, network, hypervisor).render(),
        NetworkKind::Cluster => isolated(input, network, hypervisor).render(),
    }
}

/// The host is the gateway and answers DNS there. Addresses are the nodes' own, so there is no DHCP.
fn management(input: &Input, network: Element, hypervisor: &str) -> Element {
    let link = &input.management;
    let mode = if link.mode == ManagementMode::Routed { "route" } else { "nat" };
    let ip = element("ip").with("address", link.gateway).with("prefix", link.cidr.prefix_len());
    network
        .child(element("forward").with("mode", mode))
        .child(bridge(input, NetworkKind::Management))
        .child(bridge_mac(input, NetworkKind::Management, hypervisor))
        .child(element("dns").with("enable", "yes"))
        .child(ip)
}

/// Without an address of its own the host does not take part, and no DNS server is started.
fn isolated(input: &Input, network: Element, hypervisor: &str) -> Element {
    let network = network.child(bridge(input, NetworkKind::Cluster));
    let network = match input.cluster_network.mtu {
        Some(mtu) => network.child(element("mtu").with("size", mtu)),
        None => network,
    };
    network.child(bridge_mac(input, NetworkKind::Cluster, hypervisor)).child(element("dns").with("enable", "no"))
}

fn bridge(input: &Input, kind: NetworkKind) -> Element {
    let name = identity::bridge_name(&input.cluster, kind.as_str());
    element("bridge").with("name", name).with("stp", "on").with("delay", 0)
}

fn bridge_mac(input: &Input, kind: NetworkKind, hypervisor: &str) -> Element {
    element("mac").with("address", identity::bridge_mac(&input.cluster, hypervisor, kind.as_str()))
}
