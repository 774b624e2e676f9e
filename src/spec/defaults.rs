//! Default values of the spec: those of kubicluster.

use super::model::*;
use super::units::{Lifetime, PortRange};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

const fn net(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

impl Default for Management {
    fn default() -> Self {
        Self {
            cidr: net(192, 168, 122, 0, 24),
            mode: ManagementMode::Nat,
            gateway: None,
            nameservers: vec![],
            time_servers: vec![],
            bridge: None,
        }
    }
}

impl Default for ClusterNetwork {
    fn default() -> Self {
        Self { cidr: net(192, 168, 24, 0, 24), mode: ClusterMode::Isolated, bridge: None, mtu: None }
    }
}

impl Default for Pods {
    fn default() -> Self {
        Self { cidr: net(10, 200, 0, 0, 16), node_prefix: 24 }
    }
}

impl Default for Services {
    fn default() -> Self {
        Self { cidr: net(10, 32, 0, 0, 24), node_ports: PortRange { first: 30000, last: 32767 } }
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self { domain: "cluster.local".to_owned(), address: None }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self { port: 6443, vip: None, endpoint: None }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        let years = |n: u64| Lifetime { seconds: n * 365 * 86_400 };
        Self { authority: years(10), certificate: years(1) }
    }
}

impl Default for Encryption {
    fn default() -> Self {
        Self {
            providers: vec![EncryptionProvider::Secretbox, EncryptionProvider::Identity],
            keys: vec!["key1".to_owned()],
            resources: vec!["secrets".to_owned()],
        }
    }
}
