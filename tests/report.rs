//! Pictures and pages: real programs read them, and a real browser draws them.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]

mod common;

use common::workspace::Workspace;
use common::{require_tool, run, run_tool};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The document after its scripts have run.
fn drawn(page: &Path, part: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new(require_tool("chromium", "chromium"));
    // As root, and in a container, the browser's own sandbox cannot be made.
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    chromium.args(["--disable-dev-shm-usage", "--virtual-time-budget=5000", "--dump-dom", "--enable-logging=stderr"]);
    chromium.arg(format!("--user-data-dir={}", profile.path().display()));
    chromium.arg(format!("file://{}#{part}", page.display()));
    let finished = run(&mut chromium, Duration::from_secs(120));
    assert!(!finished.stderr.contains("CONSOLE"), "the page's script complains: {}", finished.stderr);
    let document = finished.success();
    // What is in the data is not yet on the page.
    let (head, rest) = document.split_once("<script type=\"application/json\"").unwrap();
    head.to_owned() + rest.split_once("</script>").unwrap().1
}

fn page(workspace: &Workspace) -> std::path::PathBuf {
    workspace.kubi(["build"]).success();
    workspace.kubi(["report", "--to", "page.html"]).success();
    workspace.path().join("page.html")
}

#[test]
fn the_picture_is_sound_in_every_format() {
    let workspace = Workspace::example("ha");
    let graph = |format: &str| workspace.kubi(["graph", "--format", format]).success();
    let file = workspace.path().join("topology.svg");
    std::fs::write(&file, graph("svg")).unwrap();
    run_tool(&require_tool("xmllint", "libxml2-utils"), [Path::new("--noout"), &file]).success();
    let svg = graph("svg");
    for wanted in ["kubi-controller-01", "kubi-worker-0003", "hv2", "virtual address", "192.168.24.0/24 (bridge)"] {
        assert!(svg.contains(wanted), "{wanted}");
    }
    assert_eq!(svg, graph("svg"), "the same spec gives the same bytes");

    let file = workspace.path().join("topology.dot");
    std::fs::write(&file, graph("dot")).unwrap();
    let plain = run_tool(&require_tool("dot", "graphviz"), [Path::new("-Tplain"), &file]).success();
    assert_eq!(plain.lines().filter(|line| line.starts_with("edge ")).count(), 3 + 2 * 6, "{plain}");

    let mermaid = graph("mermaid");
    assert!(mermaid.starts_with("flowchart TB\n") && mermaid.matches("subgraph").count() == 2, "{mermaid}");
    let json: serde_json::Value =
        serde_json::from_str(&workspace.kubi(["graph", "--output", "json"]).success()).unwrap();
    assert_eq!(json["hypervisors"][1]["cards"].as_array().unwrap().len(), 3);
}

#[test]
fn many_nodes_are_one_card() {
    let node = |number: usize| {
        let (high, low) = (number / 200, 10 + number % 200);
        format!(
            "    - {{name: w-{number:04}, roles: [worker], addresses: {{cluster: 172.20.{high}.{low}, management: 172.16.{high}.{low}}}}}\n"
        )
    };
    let head = "apiVersion: kubi/v1alpha1\nkind: Cluster\nmetadata: {name: many}\nspec:\n  kubernetes: {version: 1.36.4}\n  base: \
        debian-13\n  pki: {epoch: 2026-11-01}\n  networks:\n    management: {cidr: 172.16.0.0/16}\n    cluster: {cidr: \
        172.20.0.0/16}\n    pods: {cidr: 10.0.0.0/8}\n    services: {cidr: 192.168.0.0/24}\n  nodes:\n    - {name: c-1, roles: \
        [controller], addresses: {cluster: 172.20.250.1, management: 172.16.250.1}}\n";
    let workspace = Workspace::empty();
    workspace.write_spec(&(head.to_owned() + &(1..=1000).map(node).collect::<String>()));
    let svg = workspace.kubi(["graph"]).success();
    assert!(svg.contains("w-0001..1000") && svg.contains("1000 nodes"), "{svg}");
    assert!(svg.len() < 20_000, "{}", svg.len());
}

#[test]
fn a_browser_draws_every_part_of_the_page() {
    let workspace = Workspace::example("lab");
    let page = page(&workspace);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(!text.contains("src=") && !text.contains("href=") && !text.contains("@import"), "it loads something");

    let overview = drawn(&page, "tab=overview");
    assert!(overview.contains("lab-controller") && overview.contains("class=\"tile\""), "{overview}");
    let nodes = drawn(&page, "tab=nodes");
    assert!(nodes.contains("/etc/etcd/server.crt") && nodes.contains("etcd/member"), "{nodes}");
    assert!(!drawn(&page, "tab=nodes&search=lab-worker").contains("/etc/etcd/server.crt"), "the search narrows");
    let certificates = drawn(&page, "tab=certificates");
    assert!(certificates.contains("days left") || certificates.contains("expired"), "{certificates}");
    assert!(certificates.contains("/etc/kubernetes/kubelet/kubeconfig"), "also those inside kubeconfigs");
}

#[test]
fn a_builds_own_risks_are_on_top() {
    let workspace = Workspace::example("lab");
    workspace.kubi(["build"]).success();
    workspace.kubi(["report", "--to", "page.html", "--today", "2027-10-15"]).success();
    let page = workspace.path().join("page.html");
    let overview = drawn(&page, "");
    let (top, _) = overview.split_once("class=\"picture\"").unwrap();
    for wanted in ["there is one controller only", "there is one etcd member only", "expire on 2027-11-01, in 17 days"]
    {
        assert!(top.contains(wanted), "{wanted}: {top}");
    }
    assert!(top.contains("defaults.enforce: privileged"), "weak settings, too: {top}");
    assert!(overview.contains(">Risks and topology<"), "the spec is the one that was built");
    let spec = workspace.spec();
    workspace.write_spec(&spec.replace("cluster: 192.168.24.21", "cluster: 192.168.24.22"));
    workspace.kubi(["report", "--to", "moved.html"]).success();
    let moved = drawn(&workspace.path().join("moved.html"), "");
    assert!(moved.contains(">Risks and topology of cluster.yaml<"), "a picture of another spec says so");
    workspace.write_spec(&spec);
    workspace.kubi(["report", "--to", "later.html", "--today", "2026-11-20"]).success();
    assert!(!drawn(&workspace.path().join("later.html"), "").contains("in 17 days"));
}

#[test]
fn keys_work() {
    let workspace = Workspace::example("lab");
    let page = page(&workspace);
    let press = |keys: &[&str]| {
        let events: String = keys
            .iter()
            .map(|key| format!("document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}));"))
            .collect();
        let text =
            std::fs::read_to_string(&page).unwrap().replace("</body>", &format!("<script>{events}</script></body>"));
        let pressed = workspace.path().join("pressed.html");
        std::fs::write(&pressed, text).unwrap();
        drawn(&pressed, "")
    };
    assert!(press(&["3"]).contains("data-tab=\"certificates\">"), "a number chooses a part");
    assert!(press(&["2", "j"]).contains("<h3>lab-worker</h3>"), "j is the next node");
    let (light, dark) = (press(&[]), press(&["t"]));
    let theme = |page: &str| page.split("data-theme=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_ne!(theme(&light), theme(&dark));
}

#[test]
fn a_change_is_drawn_side_by_side() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    workspace.write_spec(&workspace.spec().replace("vip: 192.168.24.10", "vip: 192.168.24.9"));
    let page = workspace.path().join("diff.html");
    std::fs::write(&page, workspace.kubi(["diff", "--format", "html"]).success()).unwrap();
    let changes = drawn(&page, "");
    for wanted in ["is no longer in the serving certificate", "<code>/etc/keepalived/keepalived.conf</code>", "<mark>"]
    {
        assert!(changes.contains(wanted), "{wanted}: {changes}");
    }
    assert!(drawn(&page, "tab=overview").contains("kubi-worker-0003"), "with the topology");
    assert!(drawn(&page, "").contains("Topology of cluster.yaml"), "which is the spec's");
    assert!(drawn(&page, "tab=nodes").contains("of build 1"), "and the last build");
    let again = workspace.kubi(["diff", "--format", "html"]).success();
    assert_eq!(again, std::fs::read_to_string(&page).unwrap(), "the same sides give the same bytes");
}

/// A change of a thousand nodes, each with a pattern of its own, as the page's data.
fn thousand() -> (kubi::diff::Diff, kubi::report::BuildReport) {
    use kubi::tree::{Contents, Digest, Entry, Kind, Mode, NodePath, Origin, Owner, Tree};
    let side = |value: &str| {
        let tree = |node: &str| {
            let mut tree = Tree::default();
            for number in 0..20 {
                let text = format!("node: {node}\nvalue: {value}{number}\n");
                let origin = Origin { recipe: "node/base".into(), source: "files".into(), ..Origin::default() };
                let kind = Kind::File(Contents::public(text));
                let entry = Entry { kind, mode: Mode::FILE, owner: Owner::ROOT, origin };
                tree.insert(NodePath::new(format!("/etc/file-{number:02}.yaml")).unwrap(), entry).unwrap();
            }
            tree
        };
        let names = (1..=1000).map(|number| format!("w-{number:04}"));
        common::sides::TreeSide::new(names.map(|name| (name.clone(), tree(&name))).collect())
    };
    let (before, after) = (side("old"), side(""));
    let diff = kubi::diff::diff(&before, &after, &kubi::diff::Options::default()).unwrap();
    let files: Vec<kubi::report::FileFacts> = (0..20)
        .map(|number| kubi::report::FileFacts {
            path: format!("/etc/file-{number:02}.yaml"),
            kind: "file".into(),
            mode: "0644".into(),
            owner: "0:0".into(),
            size: Some(20),
            digest: Some(Digest::of(&[number])),
            target: None,
            origin: 0,
        })
        .collect();
    let node = |name: &String| kubi::report::NodeFiles {
        name: name.clone(),
        roles: vec![kubi::spec::Role::Worker],
        bundle: Digest::of(name.as_bytes()),
        files: (0..files.len()).collect(),
    };
    let nodes = after.trees.keys().map(node).collect();
    let origins = vec![Origin::default()];
    (diff, kubi::report::BuildReport { nodes, files, origins, ..Default::default() })
}

#[test]
fn a_page_about_a_thousand_nodes_stays_usable() {
    let (mut diff, build) = thousand();
    diff.notes.push("a\u{202e}b\u{200b}c\u{1b}d".into());
    let page = kubi::report::Page {
        title: "many\u{202e}".into(),
        diff: Some(&diff),
        build: Some(&build),
        build_label: "build 1".into(),
        ..Default::default()
    };
    let text = kubi::report::html(&page).unwrap();
    assert_eq!(text, kubi::report::html(&page).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, text).unwrap();
    let start = std::time::Instant::now();
    let all = drawn(&file, "");
    assert!(all.contains("w-0001..1000") && all.contains("/etc/file-19.yaml"), "{}", all.len());
    assert!(
        all.contains("a\\u{202e}b\\u{200b}c\\u{1b}d") && all.contains("many\\u{202e}"),
        "nothing hides on the page"
    );
    assert!(!all.contains(['\u{202e}', '\u{200b}', '\u{1b}']));
    let nodes = drawn(&file, "tab=nodes");
    // Rows are made as they come into view: a browser with a hundred thousand elements would crawl.
    for (name, text) in [("changes", &all), ("nodes", &nodes)] {
        assert!(text.matches('<').count() < 20_000, "{name}: {} tags", text.matches('<').count());
    }
    let found = drawn(&file, "tab=nodes&search=w-0777");
    assert!(found.contains("<h3>w-0777</h3>") && !found.contains("w-0776"), "the search finds one of a thousand");
    let changes = drawn(&file, "search=file-07");
    assert!(changes.contains("/etc/file-07.yaml") && !changes.contains("/etc/file-08.yaml"), "and one change");
    assert!(start.elapsed().as_secs() < 120, "four pages took {:?}", start.elapsed());
}
