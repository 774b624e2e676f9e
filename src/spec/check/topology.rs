//! Who does what: controllers, etcd members, roles.

use super::super::addressing::{controllers, etcd_members};
use super::{Cluster, Problem, Problems, SpecPath};
use crate::spec::model::Role;

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    let at = SpecPath::of("spec.nodes");
    if cluster.spec.nodes.is_empty() {
        let help =
            "add one, such as {name: node-1, roles: [controller, worker], addresses: {cluster: ..., management: ...}}";
        problems.error("no-nodes", at, "a cluster needs at least one node", help);
        return;
    }
    let count = controllers(cluster).count();
    if count == 0 {
        problems.error("no-controller", at.clone(), "no node has the role controller", "add it to one node's roles");
    }
    let api = &cluster.spec.networks.api;
    if count > 1 && api.vip.is_none() && api.endpoint.is_none() {
        let message = format!("{count} controllers, but no address that leads to whichever of them is alive");
        let help = "write networks.api.vip (an unused address of the cluster network), or networks.api.endpoint";
        let problem = Problem::error("no-api-endpoint", SpecPath::of("spec.networks.api"), message);
        problems.0.push(problem.help(help).or_at(at.clone()));
    }
    etcd(cluster, at, problems);
    roles(cluster, problems);
}

fn etcd(cluster: &Cluster, at: SpecPath, problems: &mut Problems) {
    let members = etcd_members(cluster).len();
    if members > 0 && members.is_multiple_of(2) {
        let message =
            format!("{members} etcd members survive the loss of {}, as {} do", (members - 1) / 2, members - 1);
        problems.warning("even-etcd", at.clone(), message, format!("use {} or {} members", members - 1, members + 1));
    }
    if members > 7 {
        let message = format!("{members} etcd members: each write waits for {} of them", members / 2 + 1);
        problems.warning("many-etcd", at, message, "use 3, 5 or 7; give the role etcd to those nodes alone");
    }
}

fn roles(cluster: &Cluster, problems: &mut Problems) {
    for (index, node) in cluster.spec.nodes.iter().enumerate() {
        let at = || SpecPath::node(index).key("roles");
        if node.roles.is_empty() {
            let message = format!("{} has no role", node.name);
            problems.error("no-role", at(), message, "write one or more of controller, worker, etcd");
            continue;
        }
        for (position, role) in
            node.roles.iter().enumerate().filter(|(position, role)| node.roles[..*position].contains(role))
        {
            let message = format!("the role {} is written twice", name(*role));
            problems.error("duplicate-role", at().index(position), message, "keep one");
        }
    }
    for role in cluster.spec.roles.keys() {
        let controllers_are_members = *role == Role::Etcd && controllers(cluster).next().is_some();
        if !controllers_are_members && !cluster.spec.nodes.iter().any(|node| node.roles.contains(role)) {
            let message = format!("no node has the role {}", name(*role));
            let at = SpecPath::of("spec.roles").key(name(*role));
            problems.warning("unused-role", at, message, "leave it out, or add the role to a node");
        }
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Controller => "controller",
        Role::Worker => "worker",
        Role::Etcd => "etcd",
    }
}
