//! The same inputs give the same bytes, whoever builds, where and when; and a second build writes nothing.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::workspace::Workspace;
use common::{require_tool, run};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

/// Every file below `root` with mode and digest; links with their targets.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let kind = std::fs::symlink_metadata(&path).unwrap();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() {
                out.insert(name, format!("-> {}", std::fs::read_link(&path).unwrap().display()));
            } else {
                let digest = kubi::tree::Digest::of(&std::fs::read(&path).unwrap());
                let mode = if name.contains("/images/") { kind.permissions().mode() & 0o777 } else { 0 };
                out.insert(name, format!("{mode:o} {digest}"));
            }
        }
    }
    out
}

#[test]
fn two_builds_in_different_surroundings_are_identical() {
    let workspace = Workspace::example("lab");
    workspace.kubi(["build"]).success();
    let first = listing(&workspace.out());
    assert!(first.keys().any(|name| name.ends_with(".qcow2")), "{first:?}");

    // Another time, time zone, locale, umask, HOME, working directory, thread count and output directory.
    let faketime = require_tool("faketime", "faketime");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let script = "umask 077; cd / && exec \"$0\" '2031-02-03 04:05:06' \"$@\"";
    command.arg("-c").arg(script).arg(&faketime).arg(env!("CARGO_BIN_EXE_kubi"));
    command.args(["build", "-j", "1", "-f"]).arg(workspace.path()).arg("--out").arg(elsewhere.path());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("TZ", "Asia/Kathmandu").env("LANG", "tr_TR.UTF-8").env("LC_ALL", "C").env("USER", "somebody");
    command.env("HOME", elsewhere.path()).env("KUBI_CACHE", workspace.path().join("cache"));
    command.env("KUBI_IDENTITY", workspace.path().join("identity"));
    run(&mut command, LIMIT).success();
    assert_eq!(listing(elsewhere.path()), first);
}

#[test]
fn a_second_build_writes_nothing_and_a_changed_node_is_the_only_one_written() {
    let workspace = Workspace::example("lab");
    workspace.kubi(["build"]).success();
    let before = listing(&workspace.out());
    let json: serde_json::Value =
        serde_json::from_str(&workspace.kubi(["build", "--output", "json"]).success()).unwrap();
    assert_eq!(json["changed"], false);
    assert_eq!(listing(&workspace.out()), before);

    let spec = workspace.spec();
    let worker = spec.lines().find(|line| line.contains("name: lab-worker")).expect("the lab has a worker").to_owned();
    workspace.write_spec(&spec.replace(&worker, &worker.replace("roles:", "labels: {disk: ssd}, roles:")));
    let json: serde_json::Value =
        serde_json::from_str(&workspace.kubi(["build", "--output", "json"]).success()).unwrap();
    let states: Vec<(&str, &str)> = json["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["name"].as_str().unwrap(), node["state"].as_str().unwrap()))
        .collect();
    assert!(states.iter().all(|(name, state)| (*state == "changed") == name.starts_with("lab-worker")), "{states:?}");
    let after = listing(&workspace.out());
    let controller = |name: &&String| name.contains("nodes/lab-controller/");
    assert!(before.keys().filter(controller).all(|name| before[name] == after[name]));
    workspace.kubi(["verify"]).success();
}

#[test]
fn what_was_built_before_leaves_no_trace() {
    let workspace = Workspace::example("lab");
    let spec = workspace.spec();
    workspace.kubi(["build"]).success();
    let first = listing(&workspace.out());
    // Files that change, files that come and go, a node that goes.
    let last = spec.lines().rfind(|line| line.contains("name: lab-")).unwrap();
    for other in [spec.replace(", roles:", ", labels: {disk: ssd}, roles:"), spec.replace(last, "")] {
        for text in [&other, &spec] {
            workspace.write_spec(text);
            workspace.kubi(["build"]).success();
            workspace.kubi(["verify"]).success();
        }
    }
    workspace.kubi(["gc", "--keep", "1"]).success();
    // Only the records count builds.
    let without_records = |files: BTreeMap<String, String>| -> BTreeMap<String, String> {
        files.into_iter().filter(|(name, _)| !name.contains("/build")).collect()
    };
    assert_eq!(without_records(listing(&workspace.out())), without_records(first));
}
