//! Every rendered kubeconfig, read by kubectl and used for a TLS handshake with a server that holds the API server's
//! rendered certificate and asks for one.
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
use kubi::tree::Kind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const API_SERVER: &str = "/etc/kubernetes/kube-apiserver";

/// All kubeconfigs of a cluster: those on nodes and the operator's.
fn kubeconfigs(rendered: &Rendered) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (node, tree) in &rendered.trees {
        for (path, entry) in tree.iter() {
            let Kind::File(contents) = &entry.kind else { continue };
            if String::from_utf8_lossy(contents.bytes()).contains("client-certificate-data:") {
                assert!(contents.is_secret(), "{node}:{path} embeds no key");
                assert_eq!(entry.mode.bits(), 0o600, "{node}:{path}");
                found.push(rendered.file(node, path.as_str()));
            }
        }
    }
    found.push(rendered.operator("admin.kubeconfig"));
    found.push(rendered.operator("super-admin.kubeconfig"));
    found
}

fn kubectl(tool: &Path, kubeconfig: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(tool);
    // Nothing of the user's own: no cache, no configuration, no proxy.
    command.env_clear().env("HOME", "/nonexistent").env("PATH", "/usr/bin:/bin");
    command.arg("--kubeconfig").arg(kubeconfig).args(arguments);
    run(&mut command, Duration::from_secs(60))
}

#[test]
fn kubectl_reads_every_kubeconfig() {
    let tool = require_tool("kubectl", "kubernetes-client");
    for example in cluster::example_names() {
        let rendered = cluster::render(&cluster::example(&example));
        let all = kubeconfigs(&rendered);
        assert!(all.len() >= 2 + 2 * rendered.trees.len(), "{example}: {all:?}");
        for kubeconfig in all {
            let view = kubectl(&tool, &kubeconfig, &["config", "view", "--minify", "-o", "json"]).success();
            let view: serde_json::Value = serde_json::from_str(&view).unwrap();
            let server = view["clusters"][0]["cluster"]["server"].as_str().unwrap();
            assert!(server.starts_with("https://"), "{}: {server}", kubeconfig.display());
            assert!(view["users"][0]["user"]["client-key-data"].is_string(), "{}: {view}", kubeconfig.display());
        }
    }
}

#[test]
fn the_operator_can_ask_any_controller() {
    let tool = require_tool("kubectl", "kubernetes-client");
    let servers = |text: &str| -> Vec<(String, String)> {
        let rendered = cluster::render(text);
        let admin = rendered.operator("admin.kubeconfig");
        let contexts = kubectl(&tool, &admin, &["config", "get-contexts", "-o", "name"]).success();
        let server = |context: &str| {
            let arguments =
                ["--context", context, "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"];
            (context.to_owned(), kubectl(&tool, &admin, &arguments).success())
        };
        contexts.lines().map(server).collect()
    };
    let named = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter()
            .map(|(context, server)| (format!("kubi-admin@{context}"), format!("https://{server}:6443")))
            .collect()
    };
    let expected = named(&[
        ("ha", "192.168.122.11"),
        ("ha.kubi-controller-01", "192.168.122.11"),
        ("ha.kubi-controller-02", "192.168.122.12"),
        ("ha.kubi-controller-03", "192.168.122.13"),
    ]);
    let ha = cluster::example("ha");
    assert_eq!(servers(&ha), expected);
    // An endpoint stands for all of them, and a single controller for itself.
    let vip = ha.lines().find(|line| line.trim_start().starts_with("api: {")).unwrap();
    let endpoint = ha.replace(vip, &vip.replace("api: {", "api: {endpoint: api.example, "));
    assert_eq!(servers(&endpoint), named(&[("ha", "api.example")]));
    assert_eq!(servers(&cluster::example("single")).len(), 1);
}

/// A TLS server with a controller's rendered certificate that wants clients to show one of `authority`.
fn server(rendered: &Rendered, node: &str, authority: &str, directory: &Path) -> (Daemon, u16) {
    let port = free_port();
    let file = |name: &str| rendered.file(node, &format!("{API_SERVER}/{name}"));
    let mut command = Command::new(require_tool("openssl", "openssl"));
    command.args(["s_server", "-www", "-Verify", "3", "-verify_return_error", "-accept"]).arg(port.to_string());
    command.arg("-CAfile").arg(file(authority));
    command.arg("-cert").arg(file("server.crt")).arg("-key").arg(file("server.key"));
    let mut daemon = Daemon::start(&mut command, directory.join(format!("{authority}.log")));
    let log = daemon.log.clone();
    let ready = move || std::fs::read_to_string(&log).unwrap().contains("ACCEPT").then_some(());
    daemon.wait_until("openssl s_server", Duration::from_secs(20), ready);
    (daemon, port)
}

#[test]
fn every_kubeconfig_completes_a_mutual_handshake_with_the_api_servers_certificate() {
    let tool = require_tool("kubectl", "kubernetes-client");
    let directory = tempfile::tempdir().unwrap();
    for example in ["kubicluster", "ha"] {
        let rendered = cluster::render(&cluster::example(example));
        let controller = rendered.trees.keys().find(|name| name.contains("controller")).unwrap().clone();
        let (_right, port) = server(&rendered, &controller, "client-ca.crt", directory.path());
        let (_other, strange_port) = server(&rendered, &controller, "front-proxy-ca.crt", directory.path());
        for kubeconfig in kubeconfigs(&rendered) {
            // s_server's status page, and so proof that both sides were content with each other's certificate.
            let status = |port: u16| {
                let url = format!("--server=https://localhost:{port}");
                kubectl(&tool, &kubeconfig, &[&url, "--request-timeout=20s", "get", "--raw", "/"])
            };
            let page = status(port).success();
            assert!(page.contains("BEGIN SSL SESSION PARAMETERS") || page.contains("s_server"), "{page}");
            status(strange_port).failure();
        }
    }
}
