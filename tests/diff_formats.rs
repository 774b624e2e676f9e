//! What `kubi diff` writes: every key of the JSON is documented, terminals get colours and a pager, no format holds a secret.

mod common;

use common::compare::{LIMIT, diff, json, replaced};
use common::workspace::Workspace;
use common::{require_tool, run};
use serde_json::Value;
use std::process::Command;

/// Keys of all objects in a JSON value.
fn keys(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            keys(value, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_json_is_documented() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    let text = workspace.spec();
    let workers = text.lines().filter(|line| line.contains("kubi-worker-0003"));
    let without: String = workers.fold(text.clone(), |text, line| text.replace(&format!("{line}\n"), ""));
    workspace.write_spec(
        &without
            .replace(
                "pki: {epoch: 2026-11-01}",
                "pki: {epoch: 2026-11-01, generations: {service-account: 2, ca/cluster: 2}}",
            )
            .replace("maxPods: 200", "maxPods: 100")
            .replace("data: 100GiB", "data: 50GiB"),
    );
    let json = json(&workspace, &[]);
    let mut found = std::collections::BTreeSet::new();
    keys(&json, &mut found);
    assert!(found.len() > 50 && found.contains("reason") && found.contains("morePaths"), "{found:?}");
    let page = std::fs::read_to_string(common::package_directory().join("docs/diff-json.md")).unwrap();
    for key in found {
        assert!(page.contains(&format!("`{key}`")) || page.contains(&format!("\"{key}\"")), "{key} is not documented");
    }
    for risk in kubi::diff::risk::TABLE {
        assert!(page.contains(&format!("`{}`", risk.id)), "{} is not documented", risk.id);
    }
}

#[test]
fn a_terminal_gets_colours_and_a_pager() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    replaced(&workspace, "maxPods: 200", "maxPods: 210");
    let script = require_tool("script", "bsdutils");
    let on_terminal = |variables: &[(&str, &str)]| {
        let line = format!("stty rows 10 cols 70; {} diff --today 2026-11-20", env!("CARGO_BIN_EXE_kubi"));
        let mut command = Command::new(&script);
        let environment = workspace.command();
        let known = environment.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.args(["-qec", &line, "/dev/null"]).current_dir(workspace.path()).env_clear().envs(known);
        run(command.envs(variables.iter().copied()), LIMIT).success().replace("\r\n", "\n")
    };
    let plain = diff(&workspace, &[]).success();
    let shown = on_terminal(&[("PAGER", "cat > paged; echo paged")]);
    assert_eq!(shown, "paged\n");
    let paged = std::fs::read_to_string(workspace.path().join("paged")).unwrap();
    assert!(paged.contains("\u{1b}[33m~ /etc/kubernetes/kubelet/config.yaml\u{1b}[0m"), "{paged:?}");
    let without: String =
        paged.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect();
    let long: Vec<&str> = without.lines().filter(|line| line.chars().count() > 70).collect();
    assert!(long.is_empty(), "{long:#?}");
    assert!(on_terminal(&[("PAGER", "cat"), ("NO_COLOR", "1")]).starts_with("ha: build 1 → cluster.yaml\n"));
    assert_eq!(on_terminal(&[("PAGER", "cat"), ("NO_COLOR", "1"), ("COLUMNS", "120")]), plain);
    // What the reader has chosen for less stays.
    on_terminal(&[("PAGER", "cat > /dev/null; echo $LESS > less"), ("LESS", "-i")]);
    assert_eq!(std::fs::read_to_string(workspace.path().join("less")).unwrap(), "-i\n");
    std::fs::write(workspace.path().join("no-program"), "x").unwrap();
    assert!(on_terminal(&[("PAGER", "./no-program"), ("NO_COLOR", "1")]).contains("maxPods: 200 → 210"));
    // An interrupt is the pager's, and the exit code is that of the comparison.
    assert_eq!(on_terminal(&[("PAGER", "kill -INT $PPID; sleep 0.2; echo still here")]), "still here\n");
    // No pager is no reason to show nothing.
    assert!(on_terminal(&[("PAGER", "no-such-pager"), ("NO_COLOR", "1")]).contains("maxPods: 200 → 210"));
}

/// Every line of every secret in the built trees. Commitments are public: they are made to be shown.
fn secret_lines(workspace: &Workspace, out: &str) -> Vec<(String, String)> {
    use kubi::tree::{Kind, SecretSource};
    let (cluster, _) = kubi::spec::read(&workspace.spec(), &Default::default()).unwrap();
    let root = kubi::secret::RootSecret::from_bytes(&common::workspace::ROOT).unwrap();
    let keys = kubi::pki::Keys::new(root, &cluster.metadata.name, &cluster.spec.pki);
    let output = kubi::edge::output::Output::open(&workspace.path().join(out)).unwrap();
    let mut lines = Vec::new();
    for node in output.built(&cluster.metadata.name).unwrap().nodes.values() {
        for (path, entry) in output.tree(&node.bundle).unwrap().iter() {
            let Kind::File(contents) = &entry.kind else { continue };
            for hole in contents.holes() {
                let bytes = keys.secret(&hole.secret, hole.encoding).unwrap();
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                let body = text.lines().filter(|line| !line.starts_with("-----") && line.len() >= 16);
                lines.extend(body.map(|line| (path.to_string(), line.to_owned())));
            }
        }
    }
    lines
}

#[test]
fn no_format_holds_a_line_of_a_secret() {
    let workspace = Workspace::example("single");
    workspace.kubi(["build"]).success();
    let mut secrets = secret_lines(&workspace, "out");
    replaced(
        &workspace,
        "pki: {epoch: 2026-11-01}",
        "pki: {epoch: 2026-11-01, generations: {etcd-server: 2, service-account: 2}}\n  encryption: {keys: [key2, key1]}",
    );
    workspace.kubi(["build", "--out", "new"]).success();
    secrets.extend(secret_lines(&workspace, "new"));
    assert!(
        secrets.len() > 40 && secrets.iter().any(|(path, _)| path.ends_with("encryption.yaml")),
        "{}",
        secrets.len()
    );
    for format in ["terminal", "markdown", "json", "html"] {
        let text = diff(&workspace, &["--format", format, "--lines"]).success();
        assert!(text.contains("generation 2"), "{format}: {text}");
        for (path, line) in &secrets {
            assert!(!text.contains(line), "{format} holds {path}'s secret");
        }
    }
}
