//! For each kind of spec change, which nodes' bundles may change: a small change has a small effect.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::cluster::{debian_13, example, render_with};
use kubi::bundle::{Identity, bundle};
use kubi::spec::{Cluster, Node, Role};
use kubi::tree::Digest;
use std::collections::{BTreeMap, BTreeSet};

fn digests(text: &str, change: impl FnOnce(&mut Cluster)) -> BTreeMap<String, Digest> {
    let rendered = render_with(text, &debian_13(), change);
    let digest = |node: &String| {
        let node_spec = rendered.cluster.spec.nodes.iter().find(|n| n.name == *node).unwrap();
        let identity = Identity {
            cluster: rendered.cluster.metadata.name.clone(),
            node: node.clone(),
            architecture: node_spec.architecture,
        };
        bundle(&rendered.trees[node], &identity).unwrap().digest
    };
    rendered.trees.keys().map(|node| (node.clone(), digest(node))).collect()
}

/// Nodes of both whose bundle differs.
fn changed(example_name: &str, change: impl FnOnce(&mut Cluster)) -> BTreeSet<String> {
    let text = example(example_name);
    let before = digests(&text, |_| {});
    let after = digests(&text, change);
    before
        .into_iter()
        .filter(|(node, digest)| after.get(node).is_some_and(|new| new != digest))
        .map(|(node, _)| node)
        .collect()
}

fn names(cluster: &str, wanted: impl Fn(&Node) -> bool) -> BTreeSet<String> {
    let (cluster, _) = kubi::spec::read(&example(cluster), &Default::default()).unwrap();
    cluster.spec.nodes.iter().filter(|node| wanted(node)).map(|node| node.name.clone()).collect()
}

fn rotate(cluster: &mut Cluster, name: &str) {
    cluster.spec.pki.generations.insert(name.to_owned(), 2);
}

fn another_worker(cluster: &mut Cluster) {
    let mut node = cluster.spec.nodes.iter().rfind(|n| n.roles == [Role::Worker]).unwrap().clone();
    node.name = "kubi-worker-0099".into();
    let last = |address: std::net::Ipv4Addr| {
        let [a, b, c, _] = address.octets();
        std::net::Ipv4Addr::new(a, b, c, 99)
    };
    node.addresses.cluster = last(node.addresses.cluster);
    node.addresses.management = last(node.addresses.management);
    cluster.spec.nodes.push(node);
}

#[test]
fn adding_or_removing_a_worker_changes_no_other_node() {
    for name in ["kubicluster", "ha"] {
        assert_eq!(changed(name, another_worker), BTreeSet::new(), "{name}");
        let last = |cluster: &mut Cluster| drop(cluster.spec.nodes.pop());
        assert_eq!(changed(name, last), BTreeSet::new(), "{name}");
    }
}

#[test]
fn what_belongs_to_one_node_changes_that_node_alone() {
    let worker = "kubi-worker-0001";
    let only = BTreeSet::from([worker.to_owned()]);
    let with = |change: fn(&mut Node)| {
        changed("kubicluster", move |cluster| {
            change(cluster.spec.nodes.iter_mut().find(|node| node.name == worker).unwrap());
        })
    };
    assert_eq!(with(|node| drop(node.labels.insert("disk".into(), "ssd".into()))), only);
    assert_eq!(with(|node| node.addresses.cluster = "192.168.24.77".parse().unwrap()), only);
    assert_eq!(with(|node| node.addresses.management = "192.168.122.77".parse().unwrap()), only);
    assert_eq!(with(|node| node.taints.push("dedicated=db:NoSchedule".into())), only);
}

#[test]
fn the_size_of_a_machine_is_no_part_of_its_tree() {
    let grown = changed("kubicluster", |cluster| {
        cluster.spec.machine.cpus = Some(8);
        cluster.spec.nodes[1].machine.memory = Some("16GiB".parse().unwrap());
    });
    // The instance id names the plan, so at most the node with its own size may change.
    assert!(grown.len() <= 1, "{grown:?}");
}

#[test]
fn what_belongs_to_a_role_changes_that_role_alone() {
    let controllers = names("kubicluster", |node| node.roles.contains(&Role::Controller));
    let generation = |name: &'static str| changed("kubicluster", move |cluster| rotate(cluster, name));
    assert_eq!(generation("kube-apiserver"), controllers);
    assert_eq!(generation("service-account"), controllers);
    assert_eq!(generation("etcd-server"), controllers);
    assert_eq!(changed("kubicluster", |c| c.spec.networks.services.node_ports.last = 31000), controllers);
    assert_eq!(changed("kubicluster", |c| c.spec.encryption.keys.insert(0, "key2".into())), controllers);
}

#[test]
fn what_belongs_to_the_cluster_changes_every_node() {
    let all = names("kubicluster", |_| true);
    assert_eq!(changed("kubicluster", |c| rotate(c, "ca/cluster")), all);
    assert_eq!(changed("kubicluster", |c| c.spec.networks.dns.domain = "example.internal".into()), all);
    assert_eq!(changed("kubicluster", |c| c.metadata.name = "other".into()), all);
}

#[test]
fn rotating_the_etcd_authority_leaves_workers_alone() {
    let controllers = names("kubicluster", |node| node.roles.contains(&Role::Controller));
    assert_eq!(changed("kubicluster", |c| rotate(c, "ca/etcd")), controllers);
}

#[test]
fn a_node_of_another_role_is_known_to_whom_it_concerns() {
    // Every kubelet talks to the virtual address: a fourth controller is news to the other controllers alone.
    let changed = changed("ha", |cluster| {
        let mut node = cluster.spec.nodes.iter().find(|n| n.roles.contains(&Role::Controller)).unwrap().clone();
        node.name = "kubi-controller-99".into();
        node.addresses.cluster = "192.168.24.99".parse().unwrap();
        node.addresses.management = "192.168.122.99".parse().unwrap();
        cluster.spec.nodes.push(node);
    });
    let controllers = names("ha", |node| node.roles.contains(&Role::Controller));
    assert!(controllers.is_subset(&changed), "{changed:?}");
}
