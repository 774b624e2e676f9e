//! `kubi explain` down to the template's line, `explain --spec`, and `why-changed`, on a cluster that kubi built.

mod common;

use common::workspace::Workspace;
use serde_json::Value;

fn built() -> Workspace {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    workspace
}

#[test]
fn a_line_leads_to_its_template_line_and_the_values_in_it() {
    let workspace = built();
    let file = workspace.out().join("ha/nodes/kubi-worker-0001/tree/etc/kubernetes/kubelet/config.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let line = |wanted: &str| 1 + text.lines().position(|line| line.starts_with(wanted)).unwrap();
    let explain = |line: usize| -> Value {
        let place = format!("kubi-worker-0001:/etc/kubernetes/kubelet/config.yaml:{line}");
        serde_json::from_str(&workspace.kubi(["explain", &place, "--output", "json"]).success()).unwrap()
    };
    let max_pods = explain(line("maxPods:"));
    assert_eq!(max_pods["line"]["text"], "maxPods: 200");
    let template = &max_pods["line"]["template"];
    assert_eq!(template["file"], "recipes/kubelet/standard/files/etc/kubernetes/kubelet/config.yaml.tera");
    assert!(template["text"].as_str().unwrap().starts_with("maxPods: {{"), "{template}");
    let spec_line = 1 + workspace.spec().lines().position(|line| line.contains("maxPods")).unwrap();
    let value = &max_pods["values"][0];
    assert_eq!(value["key"], "spec.params.kubelet/standard.maxPods");
    assert_eq!((&value["value"], &value["from"]), (&"200".into(), &format!("cluster.yaml:{spec_line}").into()));
    let domain = explain(line("clusterDomain:"));
    let value = &domain["values"][0];
    assert_eq!(
        (&value["key"], &value["value"], &value["from"]),
        (&"spec.networks.dns.domain".into(), &"cluster.local".into(), &"default".into())
    );

    let place = "kubi-worker-0001:/etc/kubernetes/kubelet/config.yaml:9999";
    assert!(workspace.kubi(["explain", place]).failure().contains("has no line 9999"));
    let whole = workspace.kubi(["explain", "kubi-worker-0001:/etc/kubernetes/kubelet/config.yaml"]).success();
    assert!(
        whole.contains(&format!("spec.params.kubelet/standard.maxPods = 200 (cluster.yaml:{spec_line})")),
        "{whole}"
    );
}

#[test]
fn every_line_of_every_template_finds_a_template_line() {
    let workspace = built();
    let nodes = workspace.out().join("ha/nodes");
    let (mut lines, mut missed) = (0, Vec::new());
    for node in ["kubi-controller-01", "kubi-worker-0003"] {
        let manifest = std::fs::read_to_string(nodes.join(node).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        for entry in manifest["entries"].as_array().unwrap() {
            let (path, source) = (entry["path"].as_str().unwrap(), entry["origin"]["source"].as_str().unwrap());
            if !source.ends_with(".tera") {
                continue;
            }
            let recipe = entry["origin"]["recipe"].as_str().unwrap();
            let template = common::package_directory().join("recipes").join(recipe).join(source);
            let template = std::fs::read_to_string(template).unwrap();
            let text = std::fs::read_to_string(nodes.join(node).join("tree").join(&path[1..])).unwrap();
            for (number, line) in text.lines().enumerate() {
                lines += 1;
                if kubi::render::lines::made_by(&template, &text, number + 1).is_none() {
                    missed.push(format!("{path}:{}: {line}", number + 1));
                }
            }
        }
    }
    assert!(lines > 300, "only {lines} lines were made by templates");
    assert!(missed.len() * 50 < lines, "{} of {lines}: {missed:#?}", missed.len());
}

#[test]
fn a_key_leads_to_the_files_that_read_it() {
    let workspace = built();
    let reach = |key: &str| -> Vec<(String, usize)> {
        let json = workspace.kubi(["explain", "--spec", key, "--output", "json"]).success();
        let json: Value = serde_json::from_str(&json).unwrap();
        let files = json["files"].as_array().unwrap().iter();
        files.map(|file| (file["path"].as_str().unwrap().to_owned(), file["nodes"].as_array().unwrap().len())).collect()
    };
    let domain = reach("spec.networks.dns.domain");
    assert!(domain.contains(&("/etc/kubernetes/kubelet/config.yaml".to_owned(), 6)), "{domain:?}");
    assert!(domain.contains(&("/etc/kubernetes/addons/50-coredns.yaml".to_owned(), 3)), "{domain:?}");
    assert_eq!(reach("networks.dns.domain"), domain);
    let labels = reach("spec.nodes[kubi-worker-0003].labels");
    assert!(labels.iter().all(|(_, nodes)| *nodes == 1) && !labels.is_empty(), "{labels:?}");
    let text = workspace.kubi(["explain", "--spec", "spec.networks.dns.domain"]).success();
    assert!(text.contains("\nkubi-controller-01..03, kubi-worker-0001..0003 (6 nodes)\n"), "{text}");
    let wrong = workspace.kubi(["explain", "--spec", "spec.networks.dns.domian"]).failure();
    assert!(wrong.contains("did you mean spec.networks.dns.domain?"), "{wrong}");
}

#[test]
fn why_changed_is_short_and_right() {
    let workspace = built();
    let same = workspace.kubi(["why-changed", "kubi-worker-0001"]).success();
    assert_eq!(same, "kubi-worker-0001 has not changed: build 1 and cluster.yaml give the same\n");
    workspace.write_spec(&workspace.spec().replace("maxPods: 200", "maxPods: 210"));
    let why = workspace.kubi(["why-changed", "kubi-worker-0001"]).success();
    let lines: Vec<&str> = why.lines().map(str::trim).collect();
    assert!(lines[0].starts_with("kubi-worker-0001: sha256:"), "{why}");
    assert_eq!(lines[1], "spec.roles.worker.params.kubelet/standard.maxPods: 200 → 210");
    assert!(lines.contains(&"/etc/kubernetes/kubelet/config.yaml"), "{why}");
    assert!(workspace.kubi(["why-changed", "kubi-controller-01"]).success().contains("has not changed"));
    assert!(workspace.kubi(["why-changed", "nobody"]).failure().contains("neither side has a node"));
}

#[test]
fn the_output_folder_is_looked_for_beside_the_spec() {
    let workspace = built();
    let elsewhere = tempfile::tempdir().unwrap();
    let spec = workspace.path().join("cluster.yaml");
    let mut command = workspace.command();
    command.current_dir(elsewhere.path()).arg("explain").arg("kubi-worker-0001:/etc/hosts").arg("-f").arg(&spec);
    assert!(common::run(&mut command, std::time::Duration::from_secs(60)).success().contains("recipe"));
}

/// Spec checks refuse control characters; what turns text around, and what a recipe of one's own holds, still gets here.
#[test]
fn nothing_in_a_spec_acts_on_the_terminal() {
    let workspace = built();
    let recipe = workspace.path().join("recipes/extra/hostile");
    std::fs::create_dir_all(recipe.join("files/etc")).unwrap();
    std::fs::write(recipe.join("recipe.yaml"), "summary: A file that would like to act.\n").unwrap();
    std::fs::write(recipe.join("files/etc/hostile.tera"), "\u{1b}]0;pwn\u{7} {{ node.name }}\n").unwrap();
    let text = workspace.spec().replacen("spec:\n", "spec:\n  recipes: {extra: hostile}\n", 1);
    let epoch = text.lines().find(|line| line.contains("epoch:")).unwrap().to_owned();
    let hostile = epoch.replacen("epoch:", "subject: {organizationalUnit: \"\\u202e\\u200bpwn\"}, epoch:", 1);
    workspace.write_spec(&text.replacen(&epoch, &hostile, 1));
    let bad =
        |text: &str| text.contains(|c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{200b}'));
    let why = workspace.kubi(["why-changed", "kubi-worker-0001"]).success();
    assert!(why.contains("\\u{202e}\\u{200b}") && !bad(&why), "{why:?}");
    workspace.kubi(["build"]).success();
    let place = "kubi-worker-0001:/etc/hostile";
    let shown = workspace.kubi(["explain", &format!("{place}:1")]).success();
    assert!(shown.contains("pwn") && !bad(&shown), "{shown:?}");
    assert!(!bad(&workspace.kubi(["explain", place]).success()));
    let compared = workspace.kubi(["diff", "build:1", "build:2"]).success();
    assert!(compared.contains("pwn") && !bad(&compared), "{compared:?}");
}
