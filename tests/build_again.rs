//! Building again: what is kept must be what a build from nothing makes, what has gone comes back, and a lock that is not the
//! spec's is refused.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::workspace::Workspace;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every file of the newest build: the digest of its bytes, its mode, the target of a link.
fn files(out: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        use std::os::unix::fs::PermissionsExt as _;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let what = if metadata.is_symlink() {
                fs::read_link(&path).unwrap().to_string_lossy().into_owned()
            } else if metadata.is_dir() {
                walk(root, &path, found);
                "directory".to_owned()
            } else {
                Sha256::digest(fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
            };
            found.insert(name, format!("{:o} {what}", metadata.permissions().mode()));
        }
    }
    let mut found = BTreeMap::new();
    walk(out, out, &mut found);
    // These count and keep what was built before.
    found.retain(|name, _| name != ".lock" && !name.ends_with("/build.json") && !name.contains("/builds/"));
    found
}

/// Each kind of change, one after the other in one output; each time the same files as of a build from nothing.
#[test]
fn what_is_kept_is_what_a_build_from_nothing_makes() {
    let workspace = Workspace::example("lab");
    let worker = "    - {name: lab-worker, roles: [worker]";
    let changes = [
        ("# For trying", "# Only for trying"),
        (worker, "    - {name: lab-worker, labels: {disk: ssd}, roles: [worker]"),
        // What one worker has brings the controller something.
        ("labels: {disk: ssd},", "labels: {disk: ssd}, recipes: {runtime: [containerd, kata]},"),
        ("cpus: 1, memory: 1536MiB", "cpus: 2, memory: 1536MiB"),
        ("accelerator: tcg", "accelerator: kvm"),
        ("replicas: 1", "replicas: 2"),
        ("epoch: 2026-11-01", "epoch: 2026-11-02"),
        ("epoch: 2026-11-02}", "epoch: 2026-11-02, generations: {ca/cluster: 2}}"),
        (
            "  nodes:\n",
            "  nodes:\n    - {name: lab-extra, roles: [worker], addresses: {cluster: 192.168.24.31, management: 192.168.122.31}}\n",
        ),
        ("metadata: {name: lab}", "metadata: {name: other}"),
    ];
    workspace.kubi(["build"]).success();
    for (from, to) in changes {
        let text = workspace.spec();
        assert!(text.contains(from), "{from}");
        workspace.write_spec(&text.replacen(from, to, 1));
        workspace.kubi(["lock"]).success();
        workspace.kubi(["build"]).success();
        workspace.kubi(["gc", "--keep", "1"]).success();
        workspace.kubi(["build", "--out", "fresh"]).success();
        let (again, mut fresh) = (files(&workspace.out()), files(&workspace.path().join("fresh")));
        if to.contains("other") {
            // The first cluster stays beside the renamed one.
            fresh.retain(|name, _| name.starts_with("other/"));
        }
        for (name, expected) in &fresh {
            assert_eq!(again.get(name), Some(expected), "after {from:?} -> {to:?}: {name}");
        }
        let kept = again.keys().filter(|name| !to.contains("other") && !fresh.contains_key(*name));
        assert_eq!(kept.collect::<Vec<_>>(), Vec::<&String>::new(), "after {from:?} -> {to:?}");
        fs::remove_dir_all(workspace.path().join("fresh")).unwrap();
    }
}

#[test]
fn output_that_has_gone_comes_back() {
    let workspace = Workspace::example("lab");
    workspace.kubi(["build"]).success();
    let whole = files(&workspace.out());
    let first =
        |start: &str| whole.keys().find(|name| name.starts_with(start) && whole[*name].len() > 60).unwrap().clone();
    let blobs: Vec<String> = whole.keys().filter(|name| name.starts_with("store/blobs/sha256/")).cloned().collect();
    let mut gone = vec![
        first("lab/images/"),
        first("lab/deploy/domains"),
        first("lab/operator/"),
        first("lab/nodes/lab-worker/tree/etc/"),
        "lab/nodes/lab-worker/manifest.json".to_owned(),
        "lab/deploy/deploy.json".to_owned(),
        "store/index.json".to_owned(),
        "store/oci-layout".to_owned(),
    ];
    gone.extend(blobs);
    for name in gone {
        fs::remove_file(workspace.out().join(&name)).unwrap();
        assert_ne!(workspace.kubi(["verify"]).status.code(), Some(0), "{name} is missed");
        // As `kubi verify --help` says.
        fs::remove_file(workspace.out().join("lab/build.json")).unwrap();
        workspace.kubi(["build"]).success();
        workspace.kubi(["verify"]).success();
        assert_eq!(files(&workspace.out()), whole, "{name}");
    }
}

/// Git keeps review trees without their empty directories, and nothing else of the output.
#[test]
fn a_clone_of_review_trees_is_built_whole() {
    let workspace = Workspace::example("lab");
    workspace.kubi(["build"]).success();
    let whole = files(&workspace.out());
    fn prune(folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_symlink() && path.is_dir() {
                prune(&path);
                let _ = fs::remove_dir(&path);
            }
        }
    }
    prune(&workspace.out().join("lab/nodes"));
    for gone in ["store", "lab/images", "lab/operator", "lab/builds"] {
        fs::remove_dir_all(workspace.out().join(gone)).unwrap();
    }
    workspace.kubi(["build"]).success();
    workspace.kubi(["verify"]).success();
    assert_eq!(files(&workspace.out()), whole);
}

#[test]
fn a_lock_that_is_not_the_specs_is_refused() {
    let workspace = Workspace::example("lab");
    let spec = workspace.spec();
    let refused = |text: &str, expected: &str| {
        workspace.write_spec(text);
        for command in ["check", "build"] {
            let said = workspace.kubi([command]).failure();
            assert!(said.contains(expected), "{command}: {said}");
        }
        assert!(!workspace.out().exists());
    };
    refused(&spec.replace("base: debian-13", "base: debian-12"), "error[base-name]: kubi.lock pins the base image");
    let arm = spec.replace("lab-worker, roles", "lab-worker, architecture: arm64, roles");
    workspace.write_spec(&arm);
    workspace.kubi(["lock"]).success();
    refused(&arm, "error[base-architecture]: node lab-worker is arm64");
    refused(&spec.replace("data: 4GiB", "data: 4GiB, root: 8388608TiB"), "error[huge-disk]");
    workspace.write_spec(&spec);
    workspace.kubi(["lock"]).success();
    let lock = workspace.path().join("kubi.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let (head, tail) = text.split_once("name: \"kubelet\"").expect("the lock pins the kubelet");
    let at = tail.find("sha256:").unwrap() + "sha256:".len();
    let other = if &tail[at..at + 1] == "0" { "1" } else { "0" };
    fs::write(&lock, format!("{head}name: \"kubelet\"{}{other}{}", &tail[..at], &tail[at + 1..])).unwrap();
    refused(&spec, "kubelet");
}
