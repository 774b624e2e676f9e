//! The rendered containerd configuration, read back by containerd itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reaches the machine"
)]

mod common;

use common::cluster;
use common::{require_tool, run_tool};
use std::path::{Path, PathBuf};

const CONFIG: &str = "/etc/containerd/config.toml";

/// containerd as Debian ships it here, and others named in `KUBI_TEST_CONTAINERD` (separated by colons).
fn containerds() -> Vec<PathBuf> {
    let others = std::env::var("KUBI_TEST_CONTAINERD").unwrap_or_default();
    let others = others.split(':').filter(|path| !path.is_empty()).map(PathBuf::from);
    [require_tool("containerd", "containerd")].into_iter().chain(others).collect()
}

/// `1.7.24` out of `containerd github.com/containerd/containerd/v2 1.7.24~ds1 1.7.24~ds1-6+b4`.
fn version(containerd: &Path) -> String {
    let text = run_tool(containerd, ["--version"]).success();
    let word = text.split_whitespace().nth(2).unwrap().trim_start_matches('v').to_owned();
    word.split(['~', '+', '-']).next().unwrap().to_owned()
}

/// What containerd understood of a node's configuration; it complains on standard error about what it did not.
fn dump(containerd: &Path, example: &str, node: &str) -> String {
    let mut packages = cluster::installed_packages();
    packages.insert("containerd".into(), version(containerd));
    let text = cluster::example(example).replacen("spec:\n", "spec:\n  components: {containerd: {from: package}}\n", 1);
    let rendered = cluster::render_with(&text, &packages, |_| {});
    let config = rendered.file(node, CONFIG);
    let finished = run_tool(containerd, ["--config", config.to_str().unwrap(), "config", "dump"]);
    assert_eq!(finished.stderr, "", "{}", containerd.display());
    finished.success()
}

/// The lines of a table of the dump, its own keys only.
fn table<'a>(dump: &'a str, name_ends: &str) -> Vec<&'a str> {
    let heading = format!("{name_ends}]");
    let lines = dump.lines().map(str::trim).skip_while(|line| !(line.starts_with('[') && line.ends_with(&heading)));
    let found: Vec<&str> = lines.skip(1).take_while(|line| !line.starts_with('[')).collect();
    assert!(!found.is_empty(), "no table ends in {name_ends:?} in\n{dump}");
    found
}

fn has(lines: &[&str], key: &str, value: &str) {
    let found = lines.iter().filter_map(|line| line.split_once(" = ")).find(|(k, _)| *k == key);
    // Newer versions write strings in single quotes.
    let found = found.map(|(_, v)| v.replace('\'', "\""));
    assert_eq!(found.as_deref(), Some(value), "{key} in {lines:#?}");
}

#[test]
fn each_containerd_understands_the_configuration_for_it() {
    for containerd in containerds() {
        let dump = dump(&containerd, "kubicluster", "kubi-worker-0001");
        has(&table(&dump, ".containerd"), "default_runtime_name", "\"kata\"");
        has(&table(&dump, ".runtimes.runc"), "runtime_type", "\"io.containerd.runc.v2\"");
        has(&table(&dump, ".runtimes.runc.options"), "SystemdCgroup", "true");
        let kata = table(&dump, ".runtimes.kata");
        has(&kata, "runtime_type", "\"io.containerd.kata.v2\"");
        has(&kata, "privileged_without_host_devices", "true");
        has(&table(&dump, ".cni"), "conf_dir", "\"/etc/cni/net.d\"");
        assert!(dump.contains("registry.k8s.io/pause:3.1"), "the pause image is not pinned:\n{dump}");
    }
}

#[test]
fn runc_is_the_default_where_kata_is_not_chosen() {
    for containerd in containerds() {
        let dump = dump(&containerd, "ha", "kubi-worker-0001");
        has(&table(&dump, ".containerd"), "default_runtime_name", "\"runc\"");
        assert!(!dump.contains("kata"), "{dump}");
    }
}
