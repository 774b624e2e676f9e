//! The script that keeps a Node's labels, as it is rendered, with a kubectl that keeps them in files.
#![allow(clippy::disallowed_methods, reason = "tests run programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cluster::{example, render};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Knows `get`, `label` and `annotate` of one node; each command that `refuse` names fails once.
const KUBECTL: &str = r#"#!/bin/sh
cd "$STATE"
command=
for word; do
    case "$word" in
    --*|node|lab-worker) ;;
    get|label|annotate) command=$word ;;
    *=*) case "$command" in
        label) echo "${word#*=}" >"labels/$(echo "${word%%=*}" | tr / %)" ;;
        annotate) echo "${word#kubi/labels=}" >annotation ;;
        esac ;;
    *-) rm -f "labels/$(echo "${word%-}" | tr / %)" ;;
    esac
    if [ -n "$command" ] && [ -e "refuse-$command" ]; then
        rm "refuse-$command"
        echo "refused: $command" >&2
        exit 1
    fi
done
[ "$command" != get ] || cat annotation 2>/dev/null || true
"#;

/// Whether the script of a worker with these labels in its spec succeeds.
fn run(state: &Path, labels: &str) -> bool {
    let spec = example("lab").replace("name: lab-worker,", &format!("name: lab-worker, labels: {labels},"));
    assert!(spec.contains(labels), "the example has this worker");
    let script = render(&spec).text("lab-worker", "/usr/local/lib/kubi/label-node");
    let kubectl = state.join("kubectl");
    let changed = script.replace("/opt/kubi/bin/kubectl", kubectl.to_str().unwrap());
    assert_ne!(changed, script);
    fs::write(state.join("label-node"), changed).unwrap();
    let output = Command::new("sh")
        .arg(state.join("label-node"))
        .env("STATE", state)
        .env("KUBI_BUNDLE_LABEL", "kubi/bundle=1234")
        .output()
        .unwrap();
    output.status.success()
}

fn labels(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state.join("labels")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with("kubi%"));
    names.sort();
    names
}

#[test]
fn labels_that_leave_the_spec_leave_the_node_whatever_fails_on_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    fs::create_dir(state.join("labels")).unwrap();
    fs::write(state.join("kubectl"), KUBECTL).unwrap();
    fs::set_permissions(state.join("kubectl"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(state.join("labels/others"), "kept").unwrap();
    assert!(run(state, "{disk: ssd, example.com/zone: a}"));
    assert_eq!(labels(state), ["disk", "example.com%zone", "others"]);
    // An API server that answers one question and not the next, as while it starts.
    for refused in ["get", "label", "annotate"] {
        fs::write(state.join(format!("refuse-{refused}")), "").unwrap();
        assert!(!run(state, "{disk: nvme}"), "systemd tries again when {refused} fails");
    }
    assert!(run(state, "{disk: nvme}"));
    assert_eq!(labels(state), ["disk", "others"]);
    assert_eq!(fs::read_to_string(state.join("labels/disk")).unwrap(), "nvme\n");
}
