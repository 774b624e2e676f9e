//! What matters of a libvirt network's XML, so that the built one and the defined one can be compared: libvirt adds and
//! reorders elements, and keeps no metadata for networks.

use roxmltree::{Document, Node};
use serde::Serialize;
use std::net::Ipv4Addr;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkFacts {
    /// `nat`, `route`, `bridge`; absent: isolated.
    pub forward: Option<String>,
    pub bridge: Option<String>,
    pub mac: Option<String>,
    pub mtu: Option<String>,
    /// The host's addresses in it, as `ADDRESS/PREFIX`.
    pub addresses: Vec<String>,
    pub dns: bool,
    /// Hands out addresses. kubi's own networks do not.
    pub dhcp: bool,
}

impl NetworkFacts {
    /// Reads a `<network>`.
    pub fn read(xml: &str) -> Result<Self, roxmltree::Error> {
        let document = Document::parse(xml)?;
        let network = document.root_element();
        let child = |name: &str| network.children().find(|node| node.has_tag_name(name));
        let attribute = |element: &str, name: &str| child(element)?.attribute(name).map(str::to_owned);
        let forward = child("forward").map(|forward| forward.attribute("mode").unwrap_or("nat").to_owned());
        Ok(Self {
            bridge: attribute("bridge", "name"),
            // A bridge of the host's own has its own address; libvirt writes none.
            mac: attribute("mac", "address").filter(|_| forward.as_deref() != Some("bridge")),
            mtu: attribute("mtu", "size"),
            dhcp: network.descendants().any(|node| node.has_tag_name("dhcp")),
            addresses: network.children().filter_map(address).collect(),
            dns: attribute("dns", "enable").as_deref() != Some("no"),
            forward,
        })
    }

    /// What differs, in words; empty when nothing does.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut out = Vec::new();
        let mut compare = |what: &str, is: Option<&str>, wanted: Option<&str>| {
            if is != wanted {
                out.push(format!("{what} is {}, not {}", is.unwrap_or("unset"), wanted.unwrap_or("unset")));
            }
        };
        compare("mode", Some(self.mode()), Some(wanted.mode()));
        compare("bridge", self.bridge.as_deref(), wanted.bridge.as_deref());
        compare("MAC address", self.mac.as_deref(), wanted.mac.as_deref());
        compare("MTU", self.mtu.as_deref(), wanted.mtu.as_deref());
        compare("address", Some(&self.addresses.join(" ")), Some(&wanted.addresses.join(" ")));
        if wanted.forward.as_deref() != Some("bridge") {
            compare("DNS", Some(on_off(self.dns)), Some(on_off(wanted.dns)));
        }
        out
    }

    /// Whether nodes that were built for `wanted` work here as well: the same host address, name server and way out.
    pub fn serves(&self, wanted: &Self) -> bool {
        let same = self.forward == wanted.forward && self.addresses == wanted.addresses && self.dns == wanted.dns;
        same && self.mtu == wanted.mtu
    }

    fn mode(&self) -> &str {
        self.forward.as_deref().unwrap_or("isolated")
    }

    /// Whether the host has an address here that lies in `cidr`, or the other way round.
    pub fn overlaps(&self, cidr: &str) -> bool {
        let Some(wanted) = range(cidr) else { return false };
        let ranges = self.addresses.iter().filter_map(|address| range(address));
        ranges.into_iter().any(|(first, last)| first <= wanted.1 && wanted.0 <= last)
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn address(node: Node<'_, '_>) -> Option<String> {
    if !node.has_tag_name("ip") {
        return None;
    }
    let address = node.attribute("address")?;
    let prefix = match (node.attribute("prefix"), node.attribute("netmask")) {
        (Some(prefix), _) => prefix.to_owned(),
        (None, Some(mask)) => u32::from(mask.parse::<Ipv4Addr>().ok()?).count_ones().to_string(),
        (None, None) => "24".to_owned(),
    };
    Some(format!("{address}/{prefix}"))
}

/// First and last address of `ADDRESS/PREFIX`; `None` for IPv6, which kubi does not use here.
fn range(cidr: &str) -> Option<(u32, u32)> {
    let (address, prefix) = cidr.split_once('/')?;
    let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
    let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    Some((address & mask, address | !mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &str = "<network><name>dev-management</name><uuid>u</uuid><forward mode='nat'/><bridge name='kubi1' stp='on' delay='0'/>\
         <mac address='52:00:00:00:00:01'/><dns enable='yes'/><ip address='192.168.122.1' prefix='24'/></network>";
    /// What libvirt makes of it.
    const DEFINED: &str = "<network connections='2'><name>dev-management</name><uuid>u</uuid><forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward>\
         <bridge name='kubi1' stp='on' delay='0'/><mac address='52:00:00:00:00:01'/><dns enable='yes'/><ip address='192.168.122.1' netmask='255.255.255.0'/></network>";

    #[test]
    fn what_libvirt_adds_is_no_difference() {
        let (built, defined) = (NetworkFacts::read(BUILT).unwrap(), NetworkFacts::read(DEFINED).unwrap());
        assert_eq!(defined.differences(&built), [""; 0]);
    }

    #[test]
    fn differences_are_named() {
        let built = NetworkFacts::read(BUILT).unwrap();
        let routed =
            NetworkFacts::read(&DEFINED.replace("mode='nat'", "mode='route'").replace("122.1'", "123.1'")).unwrap();
        assert_eq!(
            routed.differences(&built),
            ["mode is route, not nat", "address is 192.168.123.1/24, not 192.168.122.1/24"]
        );
        let isolated = NetworkFacts::read("<network><bridge name='b'/><dns enable='no'/></network>").unwrap();
        assert_eq!(isolated.mode(), "isolated");
        assert!(!isolated.dns);
    }

    #[test]
    fn a_taken_range_is_seen() {
        let facts = NetworkFacts::read(DEFINED).unwrap();
        for (cidr, taken) in [
            ("192.168.122.0/24", true),
            ("192.168.0.0/16", true),
            ("192.168.122.64/26", true),
            ("192.168.123.0/24", false),
            ("0.0.0.0/0", true),
            ("fd00::/64", false),
        ] {
            assert_eq!(facts.overlaps(cidr), taken, "{cidr}");
        }
    }
}
