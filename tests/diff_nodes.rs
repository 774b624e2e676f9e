//! Nodes that are added or removed, as a user reviews them: what each will have, in few words, and what of it is a risk.

mod common;

use common::compare::{commit, diff, git, json, replaced, risk, risks};
use common::workspace::Workspace;
use serde_json::Value;

const LAST: &str = "labels: {example.com/disk: ssd}}";

/// One more worker; `more` are further keys of it.
fn worker(number: usize, more: &str) -> String {
    format!(
        "\n    - {{name: kubi-worker-{number:04}, roles: [worker], hypervisor: hv1, addresses: {{cluster: \
         192.168.24.{address}, management: 192.168.122.{address}}}{more}}}",
        address = 20 + number
    )
}

fn add(workspace: &Workspace, nodes: &[String]) {
    replaced(workspace, LAST, &format!("{LAST}{}", nodes.concat()));
}

fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect()
}

#[test]
fn new_nodes_are_shown_against_one_that_does_the_same() {
    let workspace = Workspace::example("ha");
    commit(&workspace, "one");
    let nodes: Vec<String> = (4..=53).map(|number| worker(number, "")).collect();
    let other = worker(54, ", params: {kubelet/standard: {maxPods: 50}}");
    add(&workspace, &[nodes, vec![other]].concat());
    commit(&workspace, "two");

    let added = json(&workspace, &["main~1..main"]);
    let [many, single] = added["added"].as_array().unwrap().as_slice() else { panic!("{}", added["added"]) };
    assert_eq!((&many["nodes"]["text"], &many["like"]), (&"kubi-worker-0004..0053".into(), &"kubi-worker-0001".into()));
    assert_eq!(many["changes"], serde_json::json!([]), "names, addresses and keys alone differ");
    let own = paths(&many["own"]);
    for path in ["/etc/hostname", "/etc/kubernetes/kubelet/kubeconfig", "/etc/systemd/network/05-cluster.network"] {
        assert!(own.contains(&path), "{path}: {own:?}");
    }
    assert!(many["own"].to_string().contains("Address=<cluster address>/24"), "{}", many["own"]);
    assert_eq!(many["perNode"].as_array().unwrap().len(), 50);
    assert_eq!(many["perNode"][49]["fields"][0]["after"], "192.168.24.73");
    assert_eq!(paths(&single["changes"]), ["/etc/kubernetes/kubelet/config.yaml"]);
    let change = &single["changes"][0];
    assert_eq!((&change["fields"][0]["before"], &change["fields"][0]["after"]), (&"200".into(), &"50".into()));
    assert_eq!(change["why"]["spec"][0], "spec.nodes[kubi-worker-0054].params.kubelet/standard.maxPods");

    let text = diff(&workspace, &["main~1..main"]).success();
    assert!(text.contains("kubi-worker-0004..0053 (50 nodes)\n") && text.lines().count() < 40, "{text}");
    assert!(text.contains("... 47 more: --lines shows all") && text.contains("~ maxPods: 200 → 50"), "{text}");
    let all = diff(&workspace, &["main~1..main", "--lines"]).success();
    assert!(all.contains("= /etc/hostname <node>\n") && all.contains("192.168.24.73"), "{all}");
    let markdown = diff(&workspace, &["main~1..main", "--format", "markdown"]).success();
    assert!(markdown.contains("new: <code>kubi-worker-0004..0053</code> (50 nodes)"), "{markdown}");
    assert!(markdown.contains("cluster address 192.168.24.24; ") && markdown.contains("- 30 more"), "{markdown}");

    // The other way round they go.
    let removed = json(&workspace, &["main..main~1"]);
    assert_eq!(removed["removed"][0]["nodes"]["text"], "kubi-worker-0004..0053");
    assert_eq!(removed["removed"][1]["changes"][0]["fields"][0]["after"], "50", "from the one that stays to these");
    let text = diff(&workspace, &["main..main~1"]).success();
    assert!(text.contains("Nodes that go away\n  kubi-worker-0004..0053 (50 nodes)"), "{text}");
}

#[test]
fn the_first_node_of_its_roles_is_shown_whole() {
    let workspace = Workspace::example("ha");
    let all = workspace.spec();
    let without = |role: &str| {
        let left: Vec<&str> = all.lines().filter(|line| !line.contains(&format!("roles: [{role}]"))).collect();
        left.join("\n") + "\n"
    };
    workspace.write_spec(
        &without("controller").replace("roles: [worker], hypervisor: hv2", "roles: [controller], hypervisor: hv2"),
    );
    commit(&workspace, "none");
    workspace.write_spec(&without("worker"));
    commit(&workspace, "one");
    workspace.write_spec(&all);
    commit(&workspace, "two");
    let added = json(&workspace, &["main~1..main"]);
    let first = &added["added"][0];
    assert_eq!((&first["nodes"]["text"], first.get("like")), (&"kubi-worker-0001".into(), None));
    assert_eq!(first["changes"].as_array().unwrap().len(), first["entries"].as_u64().unwrap() as usize);
    let changes = first["changes"].as_array().unwrap();
    let config = changes.iter().find(|change| change["path"] == "/etc/kubernetes/kubelet/config.yaml").unwrap();
    assert!(config["hunks"].to_string().contains("maxPods: 200"), "with its text");
    assert_eq!(config["origin"]["recipe"], "kubelet/standard");
    assert!(added["added"].as_array().unwrap()[1..].iter().all(|other| other["like"] == "kubi-worker-0001"));

    let short = diff(&workspace, &["main~1..main"]).success();
    assert!(short.contains("+ /etc/kubernetes/kubelet/config.yaml") && !short.contains("+maxPods"), "{short}");
    assert!(short.contains("--lines shows what is in them"), "{short}");
    assert!(diff(&workspace, &["main~1..main", "--lines"]).success().contains("+maxPods: 200"));
    for limit in ["4000", "20000", "65000"] {
        let text = diff(&workspace, &["main~1..main", "--format", "markdown", "--limit", limit]).success();
        assert!(text.len() <= limit.parse().unwrap() && text.contains("What a deployment does"), "{limit}");
    }
    assert!(!risks(&added).iter().any(|risk| risk.contains("hardening")), "{:?}", risks(&added));

    // The first controller of kubi's defaults lets pods do everything.
    let controllers = json(&workspace, &["main~2..main~1"]);
    assert_eq!(risk(&controllers, "hardening-weak")["nodes"]["text"], "kubi-controller-01..03");
}

/// A recipe of the cluster's own for labelled nodes, with one drop-in.
fn drop_in(workspace: &Workspace, text: &str) {
    let folder = workspace.path().join("recipes/site/own");
    let file = folder.join("files/etc/systemd/system/kubelet.service.d/site.conf.tera");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(folder.join("recipe.yaml"), "summary: Files of a site.\nroles: [controller, worker]\n").unwrap();
    std::fs::write(file, text).unwrap();
}

#[test]
fn weak_files_of_new_nodes_are_risks() {
    let workspace = Workspace::example("ha");
    replaced(&workspace, "  pki:", "  recipes: {site: own}\n  pki:");
    let text = "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--anonymous-auth={{ node.name == 'kubi-worker-0004' }}\"\n";
    drop_in(&workspace, text);
    commit(&workspace, "one");
    git(&workspace, &["add", "recipes"]);
    git(&workspace, &["commit", "-q", "--amend", "-m", "one"]);
    add(&workspace, &[worker(4, ""), worker(5, "")]);
    commit(&workspace, "two");
    let added = json(&workspace, &["main~1..main"]);
    let weak = risk(&added, "hardening-weakened");
    assert_eq!(weak["nodes"]["text"], "kubi-worker-0004", "{weak}");
    assert_eq!(weak["finding"], "--anonymous-auth: from false to true");
    assert_eq!(diff(&workspace, &["main~1..main", "--fail-on", "high"]).status.code(), Some(5));

    // What all nodes lose, new ones come without.
    drop_in(&workspace, "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--anonymous-auth=true\"\n");
    git(&workspace, &["add", "recipes"]);
    git(&workspace, &["commit", "-q", "--amend", "-m", "two"]);
    let all = json(&workspace, &["main~1..main"]);
    assert_eq!(risk(&all, "hardening-weakened")["nodes"]["text"], "kubi-controller-01..03, kubi-worker-0001..0005");
}

#[test]
fn a_file_that_goes_and_is_still_named_is_a_risk() {
    let workspace = Workspace::example("single");
    replaced(&workspace, "  pki:", "  recipes: {site: own}\n  pki:");
    drop_in(&workspace, "[Service]\nEnvironmentFile=/etc/site/own.conf\n");
    let file = workspace.path().join("recipes/site/own/files/etc/site/own.conf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "A=b\n").unwrap();
    workspace.kubi(["build"]).success();
    std::fs::remove_file(&file).unwrap();
    let gone = json(&workspace, &[]);
    let named = risk(&gone, "file-still-named");
    assert_eq!(named["finding"], "/etc/site/own.conf is gone and still named");
    assert_eq!(named["path"], "/etc/systemd/system/kubelet.service.d/site.conf");
    drop_in(&workspace, "[Service]\nEnvironmentFile=-/etc/site/own.conf\n");
    assert!(!risks(&json(&workspace, &[])).contains(&"high file-still-named".to_owned()), "it may be missing");
}
