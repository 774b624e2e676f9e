//! Risks through the whole pipeline: what a user changes in a spec or a recipe, and what `kubi diff` makes of it.

mod common;

use common::compare::{changes, diff, json, replaced, risk, risks};
use common::workspace::Workspace;
use serde_json::Value;

const PKI: &str = "pki: {epoch: 2026-11-01}";
/// An example's spec ends with lists; keys are put before this one.
const PLACE: &str = "  pki: {epoch: 2026-11-01}";

/// The spec with one text in the place of another, compared with the build; the spec is put back.
fn with(workspace: &Workspace, from: &str, to: &str) -> Value {
    let text = workspace.spec();
    replaced(workspace, from, to);
    let diff = json(workspace, &[]);
    workspace.write_spec(&text);
    diff
}

fn nodes(diff: &Value, id: &str) -> String {
    risk(diff, id)["nodes"]["text"].as_str().unwrap().to_owned()
}

fn finding(diff: &Value, id: &str) -> String {
    risk(diff, id)["finding"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_spec_key_does_to_the_running_cluster() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    let key = |key: &str| with(&workspace, PLACE, &format!("  {key}\n{PLACE}"));

    let encryption = key("encryption: {resources: [configmaps]}");
    assert_eq!(nodes(&encryption, "encryption-resources-changed"), "kubi-controller-01..03");
    let security = key("params: {control-plane/systemd: {podSecurity: restricted}}");
    assert_eq!(risks(&security), ["low all-controllers-replaced"], "stricter is no risk");
    let dns = with(&workspace, "networks:\n", "networks:\n    dns: {domain: other.local}\n");
    let wanted = ["high san-removed", "high token-issuer-changed", "medium cluster-dns-changed"];
    assert!(wanted.iter().all(|one| risks(&dns).contains(&(*one).to_owned())), "{:?}", risks(&dns));
    let pods = with(&workspace, "networks:\n", "networks:\n    pods: {cidr: 10.77.0.0/16}\n");
    assert!(risks(&pods).contains(&"high pod-network-changed".to_owned()), "{:?}", risks(&pods));
    let vip = with(&workspace, "vip: 192.168.24.10", "vip: 192.168.24.9");
    assert_eq!(risk(&vip, "api-address-changed")["severity"], "medium");
    assert_eq!(risk(&vip, "san-removed")["nodes"]["text"], "kubi-controller-01..03");
    let short = with(&workspace, PKI, "pki: {epoch: 2026-11-01, lifetimes: {certificate: 30d}}");
    assert!(finding(&short, "certificate-expires-soon").contains("2026-12-01"), "{short}");
}

#[test]
fn weaker_defaults_are_seen_on_the_way_back() {
    let workspace = Workspace::example("ha");
    let strict = format!("  params: {{control-plane/systemd: {{podSecurity: restricted}}}}\n{PLACE}");
    replaced(&workspace, PLACE, &strict);
    workspace.kubi(["build"]).success();
    let weaker = with(&workspace, "podSecurity: restricted", "podSecurity: privileged");
    let found = finding(&weaker, "hardening-weakened");
    assert!(found.contains("defaults.enforce: from restricted to privileged"), "{found}");
    assert_eq!(nodes(&weaker, "hardening-weakened"), "kubi-controller-01..03");
}

#[test]
fn libvirts_networks_and_machines_count() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    let network = with(&workspace, "bridge: br-cluster", "bridge: br-other");
    assert!(finding(&network, "network-outage").contains("bridge from br-cluster to br-other"), "{network}");
    assert_eq!(network["summary"]["nodesChanged"], 6);
    assert_eq!(network["deployment"].as_array().unwrap().len(), 1, "all at once: {}", network["deployment"]);
    assert!(network["nodes"][0]["effects"].to_string().contains("newMachine"));
    let text = workspace.spec();
    let uri = text.lines().find_map(|line| line.split_once("uri: ")).unwrap().1;
    let uri = uri.split([',', '}']).next().unwrap().trim();
    let moved = with(&workspace, uri, "qemu+ssh://root@elsewhere/system");
    assert!(finding(&moved, "data-at-risk").contains("elsewhere"), "{moved}");
    assert!(!risks(&moved).contains(&"high network-outage".to_owned()), "{:?}", risks(&moved));
}

/// A recipe of the cluster's own that adds files to all nodes.
fn recipe(workspace: &Workspace, files: &[(&str, &str)]) {
    let folder = workspace.path().join("recipes/site/own");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("recipe.yaml"), "summary: Files of a site.\nroles: [controller, worker]\n").unwrap();
    for (path, text) in files {
        let file = folder.join("files").join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
}

#[test]
fn files_that_a_recipe_adds_or_takes_away_are_read() {
    let workspace = Workspace::example("single");
    const DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/site.conf";
    recipe(&workspace, &[("/etc/site", "x\n"), (DROP_IN, "[Service]\nNoNewPrivileges=yes\n")]);
    replaced(&workspace, PLACE, &format!("  recipes: {{site: own}}\n{PLACE}"));
    workspace.kubi(["build"]).success();

    recipe(&workspace, &[("/etc/site", "x\n"), (DROP_IN, "[Service]\nNoNewPrivileges=off\n")]);
    let off = json(&workspace, &[]);
    assert_eq!(finding(&off, "hardening-weakened"), "[Service] NoNewPrivileges: from yes to off");
    assert_eq!(risk(&off, "hardening-weakened")["path"], DROP_IN);

    recipe(&workspace, &[("/etc/site", "x\n")]);
    assert_eq!(finding(&json(&workspace, &[]), "hardening-weakened"), "[Service] NoNewPrivileges: yes is removed");

    let open = "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--anonymous-auth=true\"\n";
    let other = "/etc/systemd/system/kubelet.service.d/zz.conf";
    recipe(&workspace, &[("/etc/site", "x\n"), (DROP_IN, "[Service]\nNoNewPrivileges=yes\n"), (other, open)]);
    let added = json(&workspace, &[]);
    assert_eq!(finding(&added, "hardening-weakened"), "--anonymous-auth: true is added");
    assert_eq!(risk(&added, "hardening-weakened")["path"], other);
    assert_eq!(diff(&workspace, &["--fail-on", "high"]).status.code(), Some(5));
    assert_eq!(changes(&added).iter().filter(|(_, path, _)| path == other).count(), 1);
}
