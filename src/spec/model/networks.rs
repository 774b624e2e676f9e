//! `spec.networks`: addresses of machines, pods and services, and how the API server is reached.

use crate::spec::schema::Network;
use crate::spec::units::PortRange;
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Networks {
    pub management: Management,
    pub cluster: ClusterNetwork,
    pub pods: Pods,
    pub services: Services,
    pub dns: Dns,
    pub api: Api,
}

/// Hypervisor to node. Holds the default route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Management {
    #[schemars(with = "Network")]
    pub cidr: Ipv4Net, // 192.168.122.0/24
    pub mode: ManagementMode,
    /// Default route; the first address of the network when unset.
    pub gateway: Option<Ipv4Addr>,
    /// At most two: glibc reads three and pods add one. The gateway when unset.
    pub nameservers: Vec<Ipv4Addr>,
    /// NTP servers; the distribution's when empty.
    pub time_servers: Vec<String>,
    /// Host bridge, for `mode: bridge`.
    pub bridge: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ManagementMode {
    Nat,
    Routed,
    Bridge,
}

/// Node to node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterNetwork {
    #[schemars(with = "Network")]
    pub cidr: Ipv4Net, // 192.168.24.0/24
    pub mode: ClusterMode,
    /// Host bridge, for `mode: bridge`; needed when nodes sit on several hypervisors.
    pub bridge: Option<String>,
    pub mtu: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClusterMode {
    Isolated,
    Bridge,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Pods {
    #[schemars(with = "Network")]
    pub cidr: Ipv4Net, // 10.200.0.0/16
    /// Prefix length of one node's share.
    pub node_prefix: u8, // 24
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Services {
    #[schemars(with = "Network")]
    pub cidr: Ipv4Net, // 10.32.0.0/24
    pub node_ports: PortRange, // 30000-32767
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    pub domain: String, // cluster.local
    /// Cluster DNS service address; the tenth of the service network when unset.
    pub address: Option<Ipv4Addr>,
}

/// How everybody reaches the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Api {
    pub port: u16, // 6443
    /// Virtual address on the cluster network; required with more than one controller unless `endpoint` is set.
    pub vip: Option<Ipv4Addr>,
    /// Host name or address of a load balancer of your own.
    pub endpoint: Option<String>,
}
