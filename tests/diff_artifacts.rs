//! Artifacts in a diff: version, digest, and the size that each build knew.
#![allow(clippy::disallowed_methods, reason = "tests write files")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::workspace::Workspace;

const VERSION: &str = "1.35.7";

/// Pins `size` bytes as the kubelet and builds into `out`.
fn build(workspace: &Workspace, size: usize, out: &str) {
    std::fs::write(workspace.path().join("kubelet"), vec![7; size]).unwrap();
    // Nothing is vendored at first.
    workspace.kubi(["vendor", "remove", "kubelet", VERSION]);
    workspace.kubi(["lock"]).success();
    let add = ["vendor", "add", "kubelet", "--name", "kubelet", "--version", VERSION, "--arch", "amd64", "--trust"];
    workspace.kubi(add).success();
    workspace.kubi(["build", "--out", out]).success();
}

#[test]
fn an_artifact_shows_its_size_and_the_size_alone_is_no_change() {
    let workspace = Workspace::example("lab");
    assert!(workspace.spec().contains(VERSION));
    build(&workspace, 3 << 20, "old");
    build(&workspace, 5 << 20, "new");
    let text = workspace.kubi(["diff", "old", "new"]).success();
    let line = text.lines().find(|line| line.contains("component kubelet")).unwrap_or(&text).to_owned();
    let shown: Vec<&str> = line.split(" → ").collect();
    let [before, after] = shown[..] else { panic!("{line}") };
    assert!(before.contains(&format!("{VERSION} (artifact sha256:")) && before.ends_with(" 3.0 MiB"), "{line}");
    assert!(after.contains(&format!("{VERSION} (artifact sha256:")) && after.ends_with(" 5.0 MiB"), "{line}");
    assert!(text.contains("new artifact disk"), "{text}");
    // A build that did not look for the bytes.
    workspace.kubi(["build", "--out", "never", "--images=never"]).success();
    let knows = |out: &str| {
        std::fs::read_to_string(workspace.path().join(out).join("lab/deploy/facts.json")).unwrap().contains("5242880")
    };
    assert!(knows("new") && !knows("never"));
    let text = workspace.kubi(["diff", "new", "never"]).success();
    assert!(!text.contains("kubelet") && !text.contains("artifact"), "{text}");
}
