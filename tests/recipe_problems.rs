//! Specs whose values are well-formed, but which would make a cluster that never comes up; and what they become when they are right.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use kubi::artifact::Lock;
use kubi::pki::Keys;
use kubi::plan::{Pins, plan};
use kubi::recipe::{Files, built_in, load};
use kubi::render::Renderer;
use kubi::secret::RootSecret;
use kubi::spec::{Facts, read};
use kubi::template::Templates;
use kubi::tree::Kind;
use std::collections::BTreeMap;
use x509_parser::prelude::{GeneralName, parse_x509_pem};

/// A cluster of one controller and one worker with these lines below `spec`.
fn spec(lines: &str) -> String {
    format!(
        "apiVersion: kubi/v1alpha1\nkind: Cluster\nmetadata: {{name: dev}}\nspec:\n  kubernetes: {{version: 1.36.4}}\n  \
         base: debian-13\n  pki: {{epoch: 2026-11-01}}\n  {lines}\n  nodes:\n    \
         - {{name: one, roles: [controller], addresses: {{cluster: 192.168.24.11, management: 192.168.122.11}}}}\n    \
         - {{name: two, roles: [worker], addresses: {{cluster: 192.168.24.21, management: 192.168.122.21}}}}\n"
    )
}

/// The public files of node `one`, or the problems as `code at place: message; help`.
fn files_of_one(lines: &str) -> Result<BTreeMap<String, String>, String> {
    files_and_warnings(lines).map(|(files, _)| files)
}

fn files_and_warnings(lines: &str) -> Result<(BTreeMap<String, String>, Vec<&'static str>), String> {
    let told = |problems: Vec<kubi::spec::Problem>| -> String {
        let lines = problems.iter().filter(|problem| problem.is_error());
        lines
            .map(|p| format!("{} at {}: {}; {}\n", p.code, p.path, p.message, p.help.as_deref().unwrap_or("")))
            .collect()
    };
    let (cluster, _) = read(&spec(lines), &Facts::default()).map_err(told)?;
    let recipes = load(built_in(), Files::new()).unwrap();
    let templates = Templates::compile(&recipes).unwrap();
    let plan = plan(&cluster, &recipes, &templates, &Lock::default(), Pins::Open).map_err(told)?;
    let keys = Keys::new(RootSecret::from_bytes(&[7; 32]).unwrap(), &cluster.metadata.name, &cluster.spec.pki);
    let tree = Renderer::new(&plan, &keys).unwrap().node(&plan.nodes[0]).unwrap();
    let public = tree.iter().filter_map(|(path, entry)| match &entry.kind {
        Kind::File(contents) => Some((path.to_string(), String::from_utf8_lossy(contents.bytes()).into_owned())),
        _ => None,
    });
    Ok((public.collect(), plan.warnings.iter().map(|problem| problem.code).collect()))
}

#[test]
fn what_would_never_come_up_is_refused() {
    for (lines, expected) in [
        (
            "networks: {api: {vip: 192.168.24.10}}\n  recipes: {endpoint: none}",
            "recipe-check at spec.networks.api.vip: clients go to the virtual address",
        ),
        ("recipes: {endpoint: keepalived}", "recipe-check at spec.networks.api: keepalived has no virtual address"),
        (
            "params: {endpoint/keepalived: {virtualRouterId: 256}}\n  networks: {api: {vip: 192.168.24.10}}",
            "from 1 to 255",
        ),
        (
            "params: {etcd/member: {heartbeatMilliseconds: 500}}",
            "at spec.params.etcd/member.electionMilliseconds: etcd wants",
        ),
        (
            "roles: {controller: {params: {etcd/member: {electionMilliseconds: 400}}}}",
            "at spec.roles.controller.params.etcd/member.electionMilliseconds",
        ),
        (
            "params: {kubelet/standard: {imageGCHighThresholdPercent: 70}}",
            "imageGCLowThresholdPercent: images are deleted",
        ),
        ("params: {kubelet/standard: {maxPods: 0}}", "from 1 to 4096"),
        ("params: {kubelet/standard: {nodeStatusUpdateFrequency: '10'}}", "write a duration"),
        ("params: {kubelet/standard: {evictionHard: {memory.availible: 1Gi}}}", "keys: memory.available"),
        ("params: {kubelet/standard: {evictionHard: {nodefs.available: 10}}}", "write a quantity or a percentage"),
        ("params: {control-plane/systemd: {additionalIssuers: ['a --allow-privileged=false']}}", "parameter-value"),
        ("params: {control-plane/systemd: {nodeMonitorPeriod: \"5s\\n  --x\"}}", "control character"),
        ("recipes: {runtime: kata}", "write `runtime: [containerd, kata]`"),
        ("recipes: {cni: none}", "write `cni: bridge`"),
    ] {
        let told = files_of_one(lines).expect_err(lines);
        assert!(told.contains(expected), "{lines}:\n{told}");
    }
}

#[test]
fn a_single_controller_holds_the_virtual_address() {
    let files = files_of_one("networks: {api: {vip: 192.168.24.10}}").unwrap();
    assert!(files["/etc/keepalived/keepalived.conf"].contains("192.168.24.10/32 dev cluster"));
    assert!(!files_of_one("").unwrap().contains_key("/etc/keepalived/keepalived.conf"));
    // Something else serves the endpoint.
    let own = "networks: {api: {vip: 192.168.24.10, endpoint: api.example.com}}\n  recipes: {endpoint: none}";
    assert!(!files_of_one(own).unwrap().contains_key("/etc/keepalived/keepalived.conf"));
}

/// Go's TLS clients compare an address with the addresses of a certificate, never with its DNS names.
#[test]
fn an_endpoint_that_is_an_address_is_an_address_of_the_certificate() {
    let files = files_of_one("networks: {api: {endpoint: 203.0.113.7, vip: 192.168.24.10}}").unwrap();
    let (_, pem) = parse_x509_pem(files["/etc/kubernetes/kube-apiserver/server.crt"].as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let names = &certificate.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert!(names.contains(&GeneralName::IPAddress(&[203, 0, 113, 7])), "{names:?}");
    assert!(!names.contains(&GeneralName::DNSName("203.0.113.7")), "{names:?}");
    let hosts = &files["/etc/hosts"];
    assert!(hosts.contains("192.168.24.10 api.dev\n") && !hosts.contains("203.0.113.7"), "{hosts}");
}

#[test]
fn a_map_changes_only_the_keys_that_it_names() {
    let config = |lines: &str| files_of_one(lines).unwrap()["/etc/kubernetes/kubelet/config.yaml"].clone();
    let given =
        config("params: {kubelet/standard: {evictionHard: {memory.available: 200Mi, imagefs.inodesFree: null}}}");
    let eviction = given.lines().find(|line| line.starts_with("evictionHard:")).unwrap();
    assert!(
        eviction.contains(r#""memory.available":"200Mi""#) && eviction.contains(r#""nodefs.available":"10%""#),
        "{eviction}"
    );
    assert!(!eviction.contains("imagefs.inodesFree") && !eviction.contains("null"), "{eviction}");
}

#[test]
fn controllers_bring_the_cluster_what_only_workers_have() {
    let class = "/etc/kubernetes/addons/20-runtimeclass-kata.yaml";
    for (lines, expected) in [
        ("roles: {worker: {recipes: {runtime: [containerd, kata]}}}", true),
        ("recipes: {runtime: [containerd, kata]}", true),
        ("", false),
    ] {
        let (files, warnings) = files_and_warnings(lines).unwrap();
        assert_eq!(files.contains_key(class), expected, "{lines}");
        assert!(warnings.is_empty(), "{lines}: {warnings:?}");
    }
}
