//! etcd and a real API server, started with the rendered units' own flags, and what each rendered kubeconfig may do.
//!
//! Debian does not package Kubernetes' server. Point `KUBI_KUBE_BIN` to a directory with `kube-apiserver` and `kubectl`
//! as unpacked from a release of the examples' minor version; without it this test says so and checks nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reaches the machine"
)]
#![allow(clippy::print_stderr, reason = "a test that checks nothing must say so")]

mod common;

use common::cluster::{self, Rendered};
use common::{Daemon, Finished, free_port, require_tool, run, run_tool};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CONTROLLER: &str = "kubi-controller-01";
const WORKER: &str = "kubi-worker-0001";

struct ControlPlane {
    rendered: Rendered,
    kubectl: PathBuf,
    etcdctl: PathBuf,
    etcd: Daemon,
    api_server: Daemon,
    _data: tempfile::TempDir,
}

fn kube_binaries() -> Option<PathBuf> {
    let found = std::env::var_os("KUBI_KUBE_BIN").map(PathBuf::from);
    if found.is_none() {
        eprintln!("\n*** NOT CHECKED: no API server was started, because KUBI_KUBE_BIN is not set. ***\n");
    }
    found
}

/// Flags of a rendered unit with node paths moved to the temporary tree; binaries come from `program`.
fn command(rendered: &Rendered, unit: &str, program: &Path, moved: &[(&str, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for flag in &rendered.exec_start(CONTROLLER, unit)[1..] {
        command.arg(moved.iter().fold(flag.clone(), |flag, (from, to)| flag.replace(from, to)));
    }
    command
}

fn start(binaries: &Path) -> ControlPlane {
    let etcd = require_tool("etcd", "etcd-server");
    let etcdctl = require_tool("etcdctl", "etcd-client");
    let api_server = binaries.join("kube-apiserver");
    let said = run_tool(&api_server, ["--version"]).success();
    let version = said.trim().trim_start_matches("Kubernetes v").to_owned();
    let text = cluster::example("kubicluster");
    let text = text.replacen("{version: 1.36.4}", &format!("{{version: {version}}}"), 1);
    let text = text.replacen("spec:\n", "spec:\n  components: {etcd: {from: package}}\n", 1);
    let port = free_port();
    let rendered = cluster::render_with(&text, &cluster::installed_packages(), |cluster| {
        cluster::onto_loopback(cluster);
        cluster.spec.networks.api.port = port;
    });
    let data = tempfile::tempdir().unwrap();
    let place = |path: &str| data.path().join(path).display().to_string();
    let tree = |path: &str| rendered.file(CONTROLLER, path).display().to_string();
    let mut etcd = Daemon::start(
        &mut command(
            &rendered,
            "etcd.service",
            &etcd,
            &[
                ("127.0.0.1:2379", format!("127.0.0.1:{}", free_port())),
                ("127.0.0.1:2381", format!("127.0.0.1:{}", free_port())),
                ("/var/lib/etcd", place("etcd")),
                ("/etc/etcd", tree("/etc/etcd")),
            ],
        ),
        data.path().join("etcd.log"),
    );
    let mut api_server = Daemon::start(
        &mut command(
            &rendered,
            "kube-apiserver.service",
            &api_server,
            &[
                ("/etc/kubernetes", tree("/etc/kubernetes")),
                ("/var/log/kube-apiserver", place("log")),
                // Endpoints may not be loopback addresses; this one is for documentation (RFC 5737).
                (&format!("--advertise-address={}", address(&rendered)), "--advertise-address=192.0.2.1".into()),
            ],
        ),
        data.path().join("kube-apiserver.log"),
    );
    let kubectl = binaries.join("kubectl");
    let ready = || {
        let url = "/readyz";
        let answer = call(&kubectl, &rendered.operator("super-admin.kubeconfig"), &["get", "--raw", url]);
        (answer.status.success() && answer.stdout == "ok").then_some(())
    };
    api_server.wait_until("/readyz", Duration::from_secs(180), ready);
    assert!(etcd.ended().is_none(), "{}", etcd.log_text());
    ControlPlane { rendered, kubectl, etcdctl, etcd, api_server, _data: data }
}

fn address(rendered: &Rendered) -> String {
    let node = rendered.cluster.spec.nodes.iter().find(|n| n.name == CONTROLLER).unwrap();
    node.addresses.cluster.to_string()
}

fn call(kubectl: &Path, kubeconfig: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(kubectl);
    command.env_clear().env("HOME", "/nonexistent");
    command.arg("--kubeconfig").arg(kubeconfig).arg("--request-timeout=30s").args(arguments);
    run(&mut command, Duration::from_secs(90))
}

impl ControlPlane {
    fn kubectl(&self, kubeconfig: &Path, arguments: &[&str]) -> Finished {
        call(&self.kubectl, kubeconfig, arguments)
    }

    fn may(&self, kubeconfig: &Path, question: &str) -> bool {
        let words: Vec<&str> = ["auth", "can-i"].into_iter().chain(question.split(' ')).collect();
        let answer = self.kubectl(kubeconfig, &words);
        match answer.stdout.trim().lines().last().unwrap_or("") {
            "yes" => true,
            word if word.starts_with("no") => false,
            _ => panic!("can-i {question}: {answer:?}"),
        }
    }
}

/// Who may do what: a kubeconfig by node and path, a question to `kubectl auth can-i`, and the answer.
const RIGHTS: &[(&str, &str, &str, bool)] = &[
    (CONTROLLER, "/etc/kubernetes/kube-controller-manager/kubeconfig", "list secrets --all-namespaces", true),
    (
        CONTROLLER,
        "/etc/kubernetes/kube-controller-manager/kubeconfig",
        "create serviceaccounts --subresource=token -n kube-system",
        true,
    ),
    (CONTROLLER, "/etc/kubernetes/kube-controller-manager/kubeconfig", "create clusterrolebindings", false),
    (CONTROLLER, "/etc/kubernetes/kube-controller-manager/kubeconfig", "* *", false),
    (CONTROLLER, "/etc/kubernetes/kube-scheduler/kubeconfig", "create pods --subresource=binding -n default", true),
    (CONTROLLER, "/etc/kubernetes/kube-scheduler/kubeconfig", "list pods --all-namespaces", true),
    (CONTROLLER, "/etc/kubernetes/kube-scheduler/kubeconfig", "get secrets -n kube-system", false),
    (CONTROLLER, "/etc/kubernetes/kube-scheduler/kubeconfig", "create pods -n default", false),
    (WORKER, "/etc/kubernetes/kubelet/kubeconfig", "create nodes", true),
    (WORKER, "/etc/kubernetes/kubelet/kubeconfig", "list services --all-namespaces", true),
    (WORKER, "/etc/kubernetes/kubelet/kubeconfig", "list secrets --all-namespaces", false),
    (WORKER, "/etc/kubernetes/kubelet/kubeconfig", "delete namespaces", false),
    (WORKER, "/etc/kubernetes/kube-proxy/kubeconfig", "list services --all-namespaces", true),
    (WORKER, "/etc/kubernetes/kube-proxy/kubeconfig", "watch endpointslices.discovery.k8s.io --all-namespaces", true),
    (WORKER, "/etc/kubernetes/kube-proxy/kubeconfig", "list secrets --all-namespaces", false),
    (WORKER, "/etc/kubernetes/kube-proxy/kubeconfig", "update nodes", false),
];

#[test]
fn the_api_server_is_ready_and_lets_everyone_do_their_work_and_no_more() {
    let Some(binaries) = kube_binaries() else { return };
    let mut plane = start(&binaries);
    let super_admin = plane.rendered.operator("super-admin.kubeconfig");
    let admin = plane.rendered.operator("admin.kubeconfig");

    // The operator's rights come from a manifest; without it there are none.
    assert!(!plane.may(&admin, "* *"), "admin may do everything before the manifest grants it");
    let addons = plane.rendered.file(CONTROLLER, "/etc/kubernetes/addons/00-kubi.yaml");
    let addons = addons.display().to_string();
    plane.kubectl(&super_admin, &["apply", "--server-side", "-f", &addons]).success();
    assert!(plane.may(&admin, "* *"));
    // With these rights the other manifests apply, as their unit does on a controller.
    let directory = plane.rendered.file(CONTROLLER, "/etc/kubernetes/addons").display().to_string();
    plane.kubectl(&admin, &["apply", "--server-side", "-f", &directory]).success();

    for (node, path, question, expected) in RIGHTS {
        let kubeconfig = plane.rendered.file(node, path);
        assert_eq!(plane.may(&kubeconfig, question), *expected, "{node}:{path} {question}");
    }
    check_kubelet_is_itself(&plane);
    check_strangers(&plane);
    check_encryption(&plane);
    assert!(plane.api_server.ended().is_none() && plane.etcd.ended().is_none());
}

/// Node authorization knows the kubelet by its certificate's subject.
fn check_kubelet_is_itself(plane: &ControlPlane) {
    let kubeconfig = plane.rendered.file(WORKER, "/etc/kubernetes/kubelet/kubeconfig");
    let said = plane.kubectl(&kubeconfig, &["auth", "whoami", "-o", "json"]).success();
    let user: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(user["status"]["userInfo"]["username"], format!("system:node:{WORKER}"));
    assert!(user["status"]["userInfo"]["groups"].to_string().contains("\"system:nodes\""));
    // It may make its own Node and no other's.
    let node = |name: &str| format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n");
    for (name, good) in [(WORKER, true), (CONTROLLER, false)] {
        let file = plane.rendered.directory.path().join("node.yaml");
        std::fs::write(&file, node(name)).unwrap();
        let made = plane.kubectl(&kubeconfig, &["create", "--validate=false", "-f", file.to_str().unwrap()]);
        assert_eq!(made.status.success(), good, "{name}: {made:?}");
    }
}

/// Nobody gets in without credentials, except to ask for health.
fn check_strangers(plane: &ControlPlane) {
    let curl = require_tool("curl", "curl");
    let ca = plane.rendered.file(CONTROLLER, "/etc/kubernetes/kube-apiserver/ca.crt").display().to_string();
    let port = plane.rendered.cluster.spec.networks.api.port;
    for host in ["127.0.0.1".to_owned(), address(&plane.rendered)] {
        let status = |path: &str| {
            let url = format!("https://{host}:{port}{path}");
            let arguments = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "--cacert", &ca, &url];
            run_tool(&curl, arguments).success()
        };
        assert_eq!(status("/readyz"), "200");
        assert_eq!(status("/livez"), "200");
        assert_eq!(status("/api"), "401");
        assert_eq!(status("/version"), "401");
    }
}

/// What is secret is not readable in etcd.
fn check_encryption(plane: &ControlPlane) {
    let admin = plane.rendered.operator("super-admin.kubeconfig");
    let create = ["create", "secret", "generic", "kubi-test", "-n", "default", "--from-literal=word=plainly-readable"];
    plane.kubectl(&admin, &create).success();
    let file = |path: &str| plane.rendered.file(CONTROLLER, path);
    let mut command = Command::new(&plane.etcdctl);
    command.env("ETCDCTL_API", "3").arg(format!("--endpoints=https://{}:2379", address(&plane.rendered)));
    command.arg("--cacert").arg(file("/etc/etcd/ca.crt"));
    command.arg("--cert").arg(file("/etc/etcd/client.crt")).arg("--key").arg(file("/etc/etcd/client.key"));
    command.args(["get", "--print-value-only", "/registry/secrets/default/kubi-test"]);
    let stored = run(&mut command, Duration::from_secs(30)).success();
    assert!(stored.starts_with("k8s:enc:secretbox:v1:key1:"), "{stored:?}");
    assert!(!stored.contains("plainly-readable"));
    let read = plane.kubectl(&admin, &["get", "secret", "kubi-test", "-n", "default", "-o", "jsonpath={.data.word}"]);
    assert_eq!(read.success(), "cGxhaW5seS1yZWFkYWJsZQ==");
}
