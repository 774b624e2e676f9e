//! What templates see. recipes/README.md lists every name; a template that reads another one is refused.

use super::class::Class;
use super::node::effective_roles;
use crate::recipe::Recipes;
use crate::spec::addressing::{gateway, host, pod_cidr};
use crate::spec::{Cluster, Node, Role, Value};
use crate::template::value;
use serde_json::json;
use std::sync::OnceLock;
use tera::Context;

/// Context that is the same for all nodes.
#[derive(Debug)]
pub struct Shared {
    /// Kubernetes' minor version: `1.36`.
    pub minor: String,
    values: Vec<(&'static str, tera::Value)>,
    /// All nodes; made when the first recipe asks for them.
    nodes: OnceLock<tera::Value>,
}

/// The address that clients of the API server use.
pub fn api_host(cluster: &Cluster) -> String {
    let api = &cluster.spec.networks.api;
    let controller = || cluster.spec.nodes.iter().find(|n| n.roles.contains(&Role::Controller));
    let vip = || api.vip.map(|vip| vip.to_string());
    api.endpoint.clone().or_else(vip).or_else(|| Some(controller()?.addresses.cluster.to_string())).unwrap_or_default()
}

/// Where the operator reaches the API server: from a hypervisor, which is on the management network only.
pub fn operator_host(cluster: &Cluster) -> String {
    let controller = || cluster.spec.nodes.iter().find(|n| n.roles.contains(&Role::Controller));
    let own = cluster.spec.networks.api.endpoint.clone();
    own.or_else(|| Some(controller()?.addresses.management.to_string())).unwrap_or_default()
}

fn peer(node: &Node) -> Value {
    json!({"name": node.name, "addresses": node.addresses})
}

impl Shared {
    pub fn new(cluster: &Cluster, recipes: &Recipes) -> Self {
        let spec = &cluster.spec;
        let version = spec.kubernetes.version;
        let minor = format!("{}.{}", version.major, version.minor);
        let with_role = |role: Role| -> Vec<Value> {
            spec.nodes.iter().filter(|n| effective_roles(cluster, n).contains(&role)).map(peer).collect()
        };
        let values = vec![
            ("cluster", value(&json!({"name": cluster.metadata.name}))),
            ("kubernetes", value(&json!({"version": version, "minor": minor}))),
            ("table", value(&recipes.versions.table(&minor))),
            ("networks", value(&networks(cluster))),
            ("api", value(&api(cluster))),
            ("controllers", value(&with_role(Role::Controller))),
            ("etcdMembers", value(&with_role(Role::Etcd))),
            ("encryption", value(&spec.encryption)),
            ("pki", value(&spec.pki)),
        ];
        Self { minor, values, nodes: OnceLock::new() }
    }

    /// For expressions that hold for the whole cluster.
    pub fn cluster_context(&self) -> Context {
        let mut context = Context::new();
        for (name, value) in &self.values {
            context.insert_value(*name, value.clone());
        }
        context
    }

    /// For a recipe on the nodes of a class, without a node.
    pub fn recipe_context(&self, cluster: &Cluster, class: &Class, recipe: &str) -> Context {
        let mut context = self.cluster_context();
        for (name, value) in class.context_values() {
            context.insert_value(name, value);
        }
        context.insert_value("params", value(&class.params.get(recipe)));
        if class.uses_nodes {
            let all = || value(&cluster.spec.nodes.iter().map(|node| whole_peer(cluster, node)).collect::<Vec<_>>());
            context.insert_value("nodes", self.nodes.get_or_init(all).clone());
        }
        context
    }
}

fn whole_peer(cluster: &Cluster, node: &Node) -> Value {
    let mut peer = peer(node);
    peer["roles"] = json!(effective_roles(cluster, node));
    peer["podCIDR"] = json!(pod_cidr(cluster, node).ok());
    peer
}

fn networks(cluster: &Cluster) -> Value {
    let networks = &cluster.spec.networks;
    let management = &networks.management;
    let gateway = gateway(cluster);
    let nameservers = if management.nameservers.is_empty() { vec![gateway] } else { management.nameservers.clone() };
    let dns = networks.dns.address.or_else(|| host(networks.services.cidr, 10));
    json!({
        "management": {
            "cidr": management.cidr.trunc(), "prefix": management.cidr.prefix_len(), "gateway": gateway,
            "nameservers": nameservers, "timeServers": management.time_servers, "mode": management.mode,
        },
        "cluster": {
            "cidr": networks.cluster.cidr.trunc(), "prefix": networks.cluster.cidr.prefix_len(), "mtu": networks.cluster.mtu,
        },
        "pods": {"cidr": networks.pods.cidr.trunc(), "nodePrefix": networks.pods.node_prefix},
        "services": {
            "cidr": networks.services.cidr.trunc(), "apiAddress": host(networks.services.cidr, 1),
            "nodePorts": networks.services.node_ports,
        },
        "dns": {"domain": networks.dns.domain, "address": dns},
    })
}

fn api(cluster: &Cluster) -> Value {
    let api = &cluster.spec.networks.api;
    let host = api_host(cluster);
    // An endpoint that is an address needs no entry in hosts, and must not stand there as a name.
    let named = api.endpoint.clone().filter(|endpoint| endpoint.parse::<std::net::IpAddr>().is_err());
    let name = named.unwrap_or_else(|| format!("api.{}", cluster.metadata.name));
    json!({
        "port": api.port, "host": host, "name": name, "vip": api.vip, "endpoint": api.endpoint,
        "url": format!("https://{host}:{}", api.port),
        "localUrl": format!("https://127.0.0.1:{}", api.port),
        "operatorUrl": format!("https://{}:{}", operator_host(cluster), api.port),
    })
}
