//! kubi-deploy against a whole emulated Kubernetes cluster. Run by `make e2e` where KUBI_KUBE_BIN names its programs.

mod common;

use common::e2e::{Cluster, output, virsh};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// For emulated machines on a busy one.
const APPLY: [&str; 6] = ["apply", "--yes", "--health-timeout", "1500", "--shutdown-timeout", "90"];
/// How long something in the cluster may take.
const LIMIT: Duration = Duration::from_secs(300);

struct Kube {
    cluster: Cluster,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
}

impl Kube {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--request-timeout=30s").args(arguments);
        command
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        output(&mut self.command(arguments))
    }

    fn get(&self, what: &[&str]) -> Vec<Value> {
        let text = self.kubectl(&[&["get", "--output=json"], what].concat());
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Nodes of the running pods with a label.
    fn places(&self, app: &str) -> Vec<String> {
        let pods = self.get(&["pods", "--selector", &format!("app={app}")]);
        let running = pods.iter().filter(|pod| {
            let statuses = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
            pod["metadata"]["deletionTimestamp"].is_null()
                && statuses.iter().all(|status| status["ready"] == true)
                && !statuses.is_empty()
        });
        running.map(|pod| pod["spec"]["nodeName"].as_str().unwrap().to_owned()).collect()
    }

    /// Tries again until it holds.
    #[track_caller]
    fn wait(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(
                start.elapsed() < LIMIT,
                "{what}: not within {LIMIT:?}\n{}",
                self.kubectl(&["get", "pods", "-A", "-o", "wide"])
            );
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    /// Who answers behind the Service, from inside the cluster.
    fn ask(&self) -> Option<String> {
        let ask = ["exec", "deployment/client", "--", "/bin/sh", "-c", "nc -w 5 10.32.0.80 80"];
        let output = self.command(&ask).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        (output.status.success() && !answer.is_empty()).then_some(answer)
    }
}

fn ids() -> Vec<String> {
    ["controller", "worker-1", "worker-2"].map(|node| virsh(&["domid", &format!("kube-{node}")])).to_vec()
}

#[test]
#[ignore = "boots machines: make e2e"]
fn a_whole_cluster() {
    let cluster = Cluster::new("kube");
    let kubectl = PathBuf::from(std::env::var_os("KUBI_KUBE_BIN").expect("scripts/e2e sets it")).join("kubectl");
    let kubeconfig = cluster.folder.join("merged.kubeconfig");
    let kube = Kube { cluster, kubectl, kubeconfig };
    first_boot(&kube);
    workloads(&kube);
    encryption(&kube);
    budget(&kube);
    worker_change(&kube);
    removed_name(&kube);
    kube.cluster.step("destroy");
    kube.cluster.deploy(0, &["destroy", "--confirm", "kube", "--with-data"]);
    kube.cluster.step("done");
}

fn first_boot(kube: &Kube) {
    kube.cluster.step("first boot");
    kube.cluster.build();
    kube.cluster.deploy(0, &APPLY);
    kube.cluster.deploy(0, &["kubeconfig", "--merge", kube.kubeconfig.to_str().unwrap()]);
    let nodes = kube.get(&["nodes"]);
    assert_eq!(nodes.len(), 3);
    let plan = kube.cluster.deploy(0, &["plan"]);
    assert!(plan.contains("nothing to do"), "{plan}");
    let all = |value: &Value, key: &str| value.as_array().unwrap().iter().all(|row| row[key] == true);
    let status = kube.cluster.json(0, &["status"]);
    assert!(all(&status["kubernetes"]["nodes"], "ready"), "{status}");
    // Leaders are elected, and add-ons applied, a little later.
    kube.wait("the control plane is complete", || {
        let status = kube.cluster.json(0, &["status"]);
        all(&status["controlPlane"], "healthy") && !status["kubernetes"]["addons"].as_array().unwrap().is_empty()
    });
    eprintln!("{}", kube.cluster.deploy(0, &["status"]));
}

fn workloads(kube: &Kube) {
    kube.cluster.step("workloads");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/web.yaml");
    // On a busy machine one may be late with its news, and is tainted until it comes.
    kube.wait("pods may go to both workers", || {
        kube.get(&["nodes", "--selector", "kubi/cluster=kube,!node-role.kubernetes.io/control-plane"])
            .iter()
            .filter(|node| node["spec"]["taints"].is_null())
            .count()
            == 2
    });
    kube.kubectl(&["apply", "--filename", manifest]);
    kube.wait("both servers and the client run", || kube.places("web").len() == 2 && kube.places("client").len() == 1);
    let on: BTreeSet<String> = kube.places("web").into_iter().collect();
    assert_eq!(on.len(), 2, "they are on different nodes");
    kube.wait("the client has said so", || kube.kubectl(&["logs", "deployment/client"]).contains("ready to ask"));
    // One of the two is on another node than the client.
    let answers = std::cell::RefCell::new(BTreeSet::new());
    kube.wait("both servers answer", || {
        answers.borrow_mut().extend(kube.ask());
        answers.borrow().len() == 2
    });
}

fn encryption(kube: &Kube) {
    kube.cluster.step("a Secret in etcd");
    let mut get = kube.cluster.etcdctl("https://192.168.122.11:2379");
    let raw = get.args(["get", "/registry/secrets/default/treasure"]).output().unwrap();
    let text = String::from_utf8_lossy(&raw.stdout);
    assert!(text.contains("k8s:enc:") && !text.contains("under-the-old-oak"), "{text}");
    assert!(kube.kubectl(&["get", "secret", "treasure", "--output=json"]).contains("dW5kZXItdGhlLW9sZC1vYWs="));
}

/// Worker 2 changes, but a budget keeps both servers where they are.
fn budget(kube: &Kube) {
    kube.cluster.step("a disruption budget");
    let before = ids();
    kube.cluster.edit("102M", "112M");
    kube.cluster.build();
    kube.kubectl(&["create", "poddisruptionbudget", "both", "--selector=app=web", "--min-available=2"]);
    let ready = || kube.get(&["poddisruptionbudgets"])[0]["status"]["currentHealthy"] == 2;
    kube.wait("the budget counts both servers", ready);
    let output = kube.cluster.run(&[&APPLY[..], &["--drain-timeout", "20"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("node worker-2 could not be drained within 20 s; it is in use again"), "{error}");
    assert!(error.contains("disruption budget both needs 2 healthy pods and has 2 currently"), "{error}");
    assert_eq!(ids(), before, "no machine was touched");
    assert!(!kube.places("web").is_empty() && schedulable(kube), "both go on, and no node stays cordoned");
    // With one to spare, the other one may go.
    kube.kubectl(&["patch", "poddisruptionbudget", "both", "--patch", r#"{"spec": {"minAvailable": 1}}"#]);
}

fn schedulable(kube: &Kube) -> bool {
    kube.get(&["nodes"]).iter().all(|node| node["spec"]["unschedulable"].is_null())
}

/// `KEY=VALUE:EFFECT` of the controller's Node, sorted.
fn taints(kube: &Kube) -> Vec<String> {
    let nodes = kube.get(&["nodes"]);
    let controller = nodes.iter().find(|node| node["metadata"]["name"] == "controller").unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let taints = controller["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let taint = |taint: &Value| format!("{}={}:{}", text(&taint["key"]), text(&taint["value"]), text(&taint["effect"]));
    let mut taints: Vec<String> = taints.iter().map(taint).collect();
    taints.sort();
    taints
}

fn worker_change(kube: &Kube) {
    kube.cluster.step("a worker changes");
    let before = ids();
    let plan = kube.cluster.deploy(2, &["plan"]);
    assert!(
        plan.contains("replace worker-2") && !plan.contains("replace worker-1") && !plan.contains("replace controller"),
        "{plan}"
    );
    let applied = kube.cluster.deploy(0, &APPLY);
    assert!(applied.contains("moving its pods away"), "{applied}");
    let after = ids();
    assert!(before[0] == after[0] && before[1] == after[1] && before[2] != after[2], "{before:?} {after:?}");
    kube.wait("both servers run again", || kube.places("web").len() == 2 && kube.places("client").len() == 1);
    assert!(kube.places("web").iter().all(|place| place == "worker-1"), "its pods went to the other worker");
    assert!(schedulable(kube), "no node stays cordoned");
    kube.wait("the Service answers", || kube.ask().is_some());
}

fn removed_name(kube: &Kube) {
    kube.cluster.step("a name leaves the API server's certificate");
    let by_name = || kube.command(&["--tls-server-name", "e2e.example", "get", "--raw", "/readyz"]).output().unwrap();
    assert!(by_name().status.success());
    assert_eq!(
        taints(kube),
        ["e2e=old:PreferNoSchedule", "gone=:NoSchedule", "node-role.kubernetes.io/control-plane=:NoSchedule"]
    );
    kube.cluster.edit("kube-apiserver: [e2e.example]", "kube-apiserver: []");
    kube.cluster.edit(
        r#"labels: {e2e: old}, taints: ["e2e=old:PreferNoSchedule", "gone:NoSchedule"]"#,
        r#"taints: ["e2e=new:PreferNoSchedule"], params: {kubelet/standard: {taintControllers: false}}"#,
    );
    kube.cluster.build();
    let applied = kube.cluster.deploy(0, &APPLY);
    assert!(applied.contains("replace controller") && !applied.contains("replace worker"), "{applied}");
    let refused = by_name();
    assert!(!refused.status.success());
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("x509") && error.contains("e2e.example"), "{error}");
    assert_eq!(kube.kubectl(&["get", "--raw", "/readyz"]), "ok");
    // A kubelet changes neither, once its Node is there. That nobody cordons it any more, the controller manager notices.
    kube.wait("the taints are the spec's", || taints(kube) == ["e2e=new:PreferNoSchedule"]);
    kube.wait("the label is gone", || kube.kubectl(&["get", "nodes", "--selector", "e2e", "--output=name"]).is_empty());
}
