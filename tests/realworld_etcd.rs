//! A cluster of three real etcd members with the rendered units' own flags and certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reaches the machine"
)]

mod common;

use common::cluster::{self, Rendered};
use common::{Daemon, Finished, free_port, require_tool, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const MEMBERS: [&str; 3] = ["kubi-controller-01", "kubi-controller-02", "kubi-controller-03"];

/// The example with three controllers, with etcd as Debian has it here, on loopback addresses. Connections to those come
/// from 127.0.0.1, and a member asks whether its peer's certificate has the address it comes from.
fn rendered() -> Rendered {
    let spec = "spec:\n  components: {etcd: {from: package}}\n";
    let text = cluster::example("ha").replacen("spec:\n", spec, 1);
    let text = text.replacen("pki: {epoch: 2026-11-01}", "pki: {epoch: 2026-11-01, sans: {etcd-peer: [127.0.0.1]}}", 1);
    cluster::render_with(&text, &cluster::installed_packages(), cluster::onto_loopback)
}

fn address(rendered: &Rendered, node: &str) -> String {
    let node = rendered.cluster.spec.nodes.iter().find(|n| n.name == node).unwrap();
    node.addresses.cluster.to_string()
}

/// Starts a member with the flags of its unit. Paths move below temporary directories; so do the two ports on 127.0.0.1,
/// which the members would fight over.
fn start(rendered: &Rendered, node: &str, data: &Path) -> Daemon {
    let flags = rendered.exec_start(node, "etcd.service");
    let (program, flags) = flags.split_first().unwrap();
    assert!(flags.len() > 20, "{flags:?}");
    let client = format!("127.0.0.1:{}", free_port());
    let metrics = format!("127.0.0.1:{}", free_port());
    let place = |flag: &String| {
        flag.replace("127.0.0.1:2379", &client)
            .replace("127.0.0.1:2381", &metrics)
            .replace("/var/lib/etcd", data.join(node).to_str().unwrap())
            .replace("/etc/etcd/", &format!("{}/", rendered.file(node, "/etc/etcd").display()))
    };
    let mut command = Command::new(program);
    command.args(flags.iter().map(place)).env_clear().envs(rendered.environment(node, "etcd.service"));
    Daemon::start(&mut command, data.join(format!("{node}.log")))
}

struct Client<'a> {
    rendered: &'a Rendered,
    etcdctl: PathBuf,
}

impl Client<'_> {
    /// Runs etcdctl against one member; `identity` is a certificate and key path without extension on a node.
    fn call(&self, member: &str, identity: Option<(&str, &str)>, arguments: &[&str]) -> Finished {
        let mut command = Command::new(&self.etcdctl);
        command.env("ETCDCTL_API", "3").args(["--command-timeout=10s", "--dial-timeout=5s"]);
        command.arg(format!("--endpoints=https://{}:2379", address(self.rendered, member)));
        command.arg(format!("--cacert={}", self.rendered.file(member, "/etc/etcd/ca.crt").display()));
        if let Some((node, path)) = identity {
            command.arg(format!("--cert={}", self.rendered.file(node, &format!("{path}.crt")).display()));
            command.arg(format!("--key={}", self.rendered.file(node, &format!("{path}.key")).display()));
        }
        run(command.args(arguments), Duration::from_secs(60))
    }
}

#[test]
fn three_members_form_a_cluster_that_only_its_clients_may_use() {
    let etcd = require_tool("etcd", "etcd-server");
    let etcdctl = require_tool("etcdctl", "etcd-client");
    let rendered = rendered();
    assert_eq!(rendered.exec_start(MEMBERS[0], "etcd.service")[0], etcd.to_str().unwrap());
    let data = tempfile::tempdir().unwrap();
    let mut members: Vec<Daemon> = MEMBERS.iter().map(|node| start(&rendered, node, data.path())).collect();
    let client = Client { rendered: &rendered, etcdctl };
    let own = |node| Some((node, "/etc/etcd/client"));

    for (daemon, node) in members.iter_mut().zip(MEMBERS) {
        let healthy = || client.call(node, own(node), &["endpoint", "health"]).status.success().then_some(());
        daemon.wait_until(&format!("etcd on {node}"), Duration::from_secs(120), healthy);
    }
    let list = client.call(MEMBERS[0], own(MEMBERS[0]), &["member", "list"]).success();
    assert_eq!(list.lines().filter(|line| line.contains("started")).count(), 3, "{list}");

    // Written on one, read on another; the API server's identity works too.
    client.call(MEMBERS[0], own(MEMBERS[0]), &["put", "kubi", "three"]).success();
    let api_server = Some((MEMBERS[1], "/etc/kubernetes/kube-apiserver/etcd-client"));
    let read = client.call(MEMBERS[2], api_server, &["get", "kubi", "--print-value-only"]).success();
    assert_eq!(read.trim(), "three");

    // No certificate, and one of another authority.
    let refused = client.call(MEMBERS[0], None, &["get", "kubi"]).failure();
    assert!(!refused.contains("three"), "{refused}");
    let stranger = Some((MEMBERS[0], "/etc/kubernetes/kube-apiserver/kubelet-client"));
    client.call(MEMBERS[0], stranger, &["get", "kubi"]).failure();
    for (daemon, node) in members.iter_mut().zip(MEMBERS) {
        assert!(daemon.ended().is_none(), "{node} died:\n{}", daemon.log_text());
    }
}

#[test]
fn the_peer_port_refuses_clients_without_a_certificate() {
    require_tool("etcd", "etcd-server");
    let openssl = require_tool("openssl", "openssl");
    let text = cluster::example("single").replacen("spec:\n", "spec:\n  components: {etcd: {from: package}}\n", 1);
    let rendered = cluster::render_with(&text, &cluster::installed_packages(), cluster::onto_loopback);
    let node = rendered.cluster.spec.nodes[0].name.clone();
    let data = tempfile::tempdir().unwrap();
    let mut daemon = start(&rendered, &node, data.path());
    let peer = format!("{}:2380", address(&rendered, &node));
    let ca = rendered.file(&node, "/etc/etcd/ca.crt");
    let greet = |identity: bool| {
        let mut command = Command::new(&openssl);
        // TLS 1.2: the server's verdict on the client is part of the handshake.
        command.args(["s_client", "-tls1_2", "-verify_return_error", "-connect", &peer, "-CAfile"]).arg(&ca);
        if identity {
            command.arg("-cert").arg(rendered.file(&node, "/etc/etcd/peer.crt"));
            command.arg("-key").arg(rendered.file(&node, "/etc/etcd/peer.key"));
        }
        run(&mut command, Duration::from_secs(20))
    };
    daemon.wait_until("the peer port", Duration::from_secs(60), || greet(true).status.success().then_some(()));
    greet(false).failure();
}
