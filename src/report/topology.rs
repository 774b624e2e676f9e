//! A cluster as a picture needs it: hypervisors, what runs on them, networks, and how the API server is reached.

use crate::diff::ranges;
use crate::plan::{NodePlan, Plan, operator_host};
use crate::spec::{Node, Role};
use serde::Serialize;

/// More nodes of the same roles on one hypervisor than this are drawn as one card.
const SINGLY: usize = 12;

/// What [`super::svg()`], [`super::dot()`] and [`super::mermaid()`] draw.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    pub cluster: String,
    pub kubernetes: String,
    pub api: Api,
    pub networks: Vec<Network>,
    /// In the spec's order.
    pub hypervisors: Vec<Hypervisor>,
}

/// How clients reach the API server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    pub url: String,
    /// `virtual address`, `load balancer` or `controller`.
    pub kind: &'static str,
    /// The controllers behind it, as ranges of names.
    pub controllers: String,
    /// Where the operator reaches it.
    pub operator_url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// `management`, `cluster`, `pods` or `services`.
    pub name: &'static str,
    pub cidr: String,
    /// `nat`, `routed`, `isolated`, `bridge`; empty for networks inside the cluster.
    pub mode: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hypervisor {
    pub name: String,
    pub uri: String,
    pub cards: Vec<Card>,
}

/// One node, or many alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// The node's name, or a range of names.
    pub title: String,
    pub nodes: usize,
    pub roles: Vec<Role>,
    /// Short facts, one a line: addresses, size, pods.
    pub lines: Vec<String>,
}

impl Card {
    /// The role that gives a card its colour.
    pub fn main_role(&self) -> Role {
        let first = |role| self.roles.contains(&role).then_some(role);
        first(Role::Controller).or(first(Role::Etcd)).unwrap_or(Role::Worker)
    }

    pub fn role_names(&self) -> String {
        self.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
    }
}

/// What `plan` describes, without looking at anything that was built.
pub fn topology(plan: &Plan<'_>) -> Topology {
    let cluster = plan.cluster;
    let networks = &cluster.spec.networks;
    let network = |name, cidr: ipnet::Ipv4Net, mode: String| Network { name, cidr: cidr.trunc().to_string(), mode };
    Topology {
        cluster: cluster.metadata.name.clone(),
        kubernetes: cluster.spec.kubernetes.version.to_string(),
        api: api(plan),
        networks: vec![
            network("cluster", networks.cluster.cidr, text_of(&networks.cluster.mode)),
            network("management", networks.management.cidr, text_of(&networks.management.mode)),
            network("pods", networks.pods.cidr, String::new()),
            network("services", networks.services.cidr, String::new()),
        ],
        hypervisors: hypervisors(plan),
    }
}

fn api(plan: &Plan<'_>) -> Api {
    let api = &plan.cluster.spec.networks.api;
    let controllers: Vec<String> = with_role(plan, Role::Controller);
    Api {
        url: format!("https://{}:{}", crate::plan::api_host(plan.cluster), api.port),
        kind: match (&api.endpoint, api.vip) {
            (Some(_), _) => "load balancer",
            (None, Some(_)) => "virtual address",
            (None, None) => "controller",
        },
        controllers: ranges(&controllers),
        operator_url: format!("https://{}:{}", operator_host(plan.cluster), api.port),
    }
}

fn with_role(plan: &Plan<'_>, role: Role) -> Vec<String> {
    plan.nodes.iter().filter(|node| node.roles.contains(&role)).map(|node| node.name.clone()).collect()
}

fn hypervisors(plan: &Plan<'_>) -> Vec<Hypervisor> {
    let spec = &plan.cluster.spec;
    let mut all: Vec<Hypervisor> = spec
        .hypervisors
        .iter()
        .map(|hypervisor| Hypervisor { name: hypervisor.name.clone(), uri: hypervisor.uri.clone(), cards: vec![] })
        .collect();
    if all.is_empty() {
        let only = crate::libvirt::only_hypervisor();
        all.push(Hypervisor { name: only.name, uri: only.uri, cards: vec![] });
    }
    let first = all[0].name.clone();
    for hypervisor in &mut all {
        let here = |node: &&NodePlan| spec.nodes[node.index].hypervisor.as_ref().unwrap_or(&first) == &hypervisor.name;
        let nodes: Vec<&NodePlan> = plan.nodes.iter().filter(here).collect();
        hypervisor.cards = cards(plan, &nodes);
    }
    all
}

/// One card for each node, or for each set of roles that too many have.
fn cards(plan: &Plan<'_>, nodes: &[&NodePlan]) -> Vec<Card> {
    let mut kinds: Vec<&[Role]> = Vec::new();
    for node in nodes {
        if !kinds.contains(&node.roles.as_slice()) {
            kinds.push(&node.roles);
        }
    }
    let mut cards = Vec::new();
    for roles in kinds {
        let alike: Vec<&NodePlan> = nodes.iter().copied().filter(|node| node.roles == roles).collect();
        if alike.len() > SINGLY {
            cards.push(many(&alike));
        } else {
            cards.extend(alike.into_iter().map(|node| single(&plan.cluster.spec.nodes[node.index], node)));
        }
    }
    cards
}

fn single(spec: &Node, plan: &NodePlan) -> Card {
    let size = plan.class.size;
    Card {
        title: plan.name.clone(),
        nodes: 1,
        roles: plan.roles.clone(),
        lines: vec![
            format!("cluster {}", spec.addresses.cluster),
            format!("management {}", spec.addresses.management),
            format!("pods {}", plan.pod_cidr),
            format!("{} CPU, {}, {}", size.cpus, size.memory, plan.class.architecture.name()),
        ],
    }
}

fn many(nodes: &[&NodePlan]) -> Card {
    let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let cpus: u64 = nodes.iter().map(|node| u64::from(node.class.size.cpus)).sum();
    let memory: u64 = nodes.iter().map(|node| node.class.size.memory.0).sum();
    Card {
        title: ranges(&names),
        nodes: nodes.len(),
        roles: nodes.first().map(|node| node.roles.clone()).unwrap_or_default(),
        lines: vec![format!("{} nodes", nodes.len()), format!("{cpus} CPU, {} GiB in all", memory >> 30)],
    }
}

/// A mode as the spec writes it.
fn text_of(mode: &impl Serialize) -> String {
    serde_json::to_value(mode).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
