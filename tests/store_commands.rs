//! `kubi show`, `explain`, `verify` and `gc`, on a store that was built by the library.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests reach the machine and may fail"
)]

mod store_fixture;

use kubi::edge::output::Output;
use kubi::edge::verify::verify;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use store_fixture::{build, check, list};

/// Runs kubi; gives exit code, standard output and standard error.
fn kubi(out: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kubi")).args(arguments).arg("--out").arg(out).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(out: &Path, arguments: &[&str]) -> Value {
    let (code, text, error) = kubi(out, &[arguments, &["--output", "json"]].concat());
    assert!(code <= 1, "{error}");
    serde_json::from_str(&text).unwrap_or_else(|problem| panic!("{problem}: {text}"))
}

#[test]
fn show_lists_a_bundle_and_prints_files_with_stubs() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    let (code, text, _) = kubi(out.path(), &["show", "node-01"]);
    assert_eq!(code, 0);
    assert!(text.contains("-rwxr-xr-x 0:0       10 "), "{text}");
    assert!(
        text.lines().any(|line| line.starts_with("lrwxrwxrwx") && line.ends_with("/etc/link -> hostname")),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|line| line.starts_with("-rw-------") && line.contains(" secret ") && line.ends_with("/etc/key"))
    );
    assert!(text.lines().any(|line| line.starts_with("drwxr-xr-x") && line.ends_with("/var/lib/empty")));
    assert_eq!(kubi(out.path(), &["show", "node-01", "/etc/hostname"]).1, "node-01\n");
    assert!(kubi(out.path(), &["show", "node-01", "/etc/key"]).1.starts_with("<secret key/x generation 1 sha256:"));
    let below = kubi(out.path(), &["show", "node-01", "/etc/many/"]).1;
    assert_eq!(below.lines().count(), 20);
    let listing = json(out.path(), &["show", "node-01"]);
    assert_eq!(listing["entries"].as_array().unwrap().len(), 26);
    let key = json(out.path(), &["show", "node-01", "/etc/key"]);
    assert_eq!(key["entry"]["secrets"][0]["name"], "key/x");
    assert!(key["text"].as_str().unwrap().starts_with("<secret"));
}

#[test]
fn what_is_not_there_is_said_clearly() {
    let out = tempfile::tempdir().unwrap();
    let (code, _, error) = kubi(out.path(), &["show", "node-01"]);
    assert!(code == 1 && error.contains("kubi build"), "{error}");
    build(out.path(), "dev", 2).unwrap();
    build(out.path(), "prod", 2).unwrap();
    let (code, _, error) = kubi(out.path(), &["show", "node-01"]);
    assert!(code == 1 && error.contains("dev, prod") && error.contains("--cluster"), "{error}");
    assert_eq!(kubi(out.path(), &["show", "node-01", "--cluster", "prod"]).0, 0);
    let (code, _, error) = kubi(out.path(), &["show", "node-99", "--cluster", "dev"]);
    assert!(code == 1 && error.contains("there is node-00, node-01"), "{error}");
    let (code, _, error) = kubi(out.path(), &["explain", "node-01:/etc/passwd", "--cluster", "dev"]);
    assert!(code == 1 && error.contains("base image"), "{error}");
    let (code, _, error) = kubi(out.path(), &["explain", "node-01", "--cluster", "dev"]);
    assert!(code == 1 && error.contains("NODE:PATH"), "{error}");
    let (code, _, error) = kubi(out.path(), &["verify", "test"]);
    assert!(code == 1 && error.contains("no cluster \"test\""), "{error}");
}

#[test]
fn explain_names_recipe_source_spec_and_secrets() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    let (_, text, _) = kubi(out.path(), &["explain", "node-01:/etc/key"]);
    for part in [
        "recipe   node/base",
        "source   files/etc/hosts.tera",
        "spec     spec.nodes",
        "mode 0600, owner 0:0",
        "secret   key/x generation 1, sha256:",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let review = json(out.path(), &["explain", "node-01:/etc/hostname"])["review"].as_str().unwrap().to_owned();
    assert_eq!(fs::read_to_string(review).unwrap(), "node-01\n");
    let implied = json(out.path(), &["explain", "node-01:/etc"]);
    assert!(implied["entry"].is_null() && implied["below"] == 24, "{implied}");
    assert!(kubi(out.path(), &["explain", "node-01:/etc/link"]).1.contains("target   hostname"));
    fs::write(out.path().join("dev/nodes/node-01/manifest.json"), "{").unwrap();
    let (code, _, error) = kubi(out.path(), &["explain", "node-01:/etc"]);
    assert!(code == 1 && error.contains("was changed"), "{error}");
}

/// Every path below a folder but the lock.
fn all_paths(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for name in list(&folder).into_iter().filter(|name| name != ".lock") {
            let path = folder.join(name);
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

fn problems(root: &Path) -> BTreeSet<String> {
    let output = Output::open(root).unwrap();
    verify(&output, None).unwrap().findings.into_iter().map(|finding| finding.object).collect()
}

#[test]
fn verify_names_every_file_with_a_wrong_byte() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    build(out.path(), "dev", 3).unwrap();
    assert_eq!(problems(out.path()), BTreeSet::new());
    let mut changed = 0;
    for path in all_paths(out.path()).into_iter().filter(|path| fs::symlink_metadata(path).unwrap().is_file()) {
        let relative = path.strip_prefix(out.path()).unwrap().display().to_string();
        // The record of an older build is only read as far as it is needed.
        if relative == "dev/builds/1.json" {
            continue;
        }
        let right = fs::read(&path).unwrap();
        for at in [0, right.len() * 2 / 3, right.len() - 1] {
            let mut wrong = right.clone();
            wrong[at] ^= 1 << (at % 7);
            fs::write(&path, wrong).unwrap();
            let found = problems(out.path());
            assert!(found.contains(&relative), "byte {at} of {relative}: {found:?}");
            changed += 1;
        }
        fs::write(&path, right).unwrap();
    }
    assert!(changed > 100);
    assert_eq!(problems(out.path()), BTreeSet::new());
}

#[test]
fn verify_names_what_is_missing_or_of_another_kind() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 3).unwrap();
    let aside = tempfile::tempdir_in(out.path().parent().unwrap()).unwrap().path().join("aside");
    fs::create_dir_all(aside.parent().unwrap()).unwrap();
    for path in all_paths(out.path()) {
        let relative = path.strip_prefix(out.path()).unwrap().display().to_string();
        // Without these there is no cluster, or there is nothing in them that is not named itself.
        if ["dev", "dev/build.json", "dev/builds", "dev/nodes", "dev/deploy", "dev/images", "dev/operator"]
            .contains(&relative.as_str())
            || relative.ends_with("/blobs")
            || relative.ends_with("/sha256")
            || relative == "store"
        {
            continue;
        }
        fs::rename(&path, &aside).unwrap();
        symlink("/nowhere", &path).unwrap();
        let replaced = problems(out.path());
        fs::remove_file(&path).unwrap();
        let found = problems(out.path());
        fs::rename(&aside, &path).unwrap();
        let named = |found: &BTreeSet<String>| found.iter().any(|object| object.starts_with(&relative));
        assert!(named(&found) && named(&replaced), "{relative}: {found:?} {replaced:?}");
    }
    assert_eq!(problems(out.path()), BTreeSet::new());
}

#[test]
fn verify_names_what_is_extra_or_readable_by_others() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    for folder in [
        "store/blobs/sha256",
        "dev",
        "dev/nodes",
        "dev/nodes/node-01",
        "dev/nodes/node-01/tree/etc/many",
        "dev/images",
        "dev/deploy",
        "dev/operator",
    ] {
        let extra = out.path().join(folder).join("extra");
        fs::write(&extra, "x").unwrap();
        assert_eq!(problems(out.path()), [format!("{folder}/extra")].into(), "{folder}");
        fs::remove_file(&extra).unwrap();
    }
    for file in ["dev/images/node-01-2.qcow2", "dev/operator/admin.kubeconfig"] {
        fs::set_permissions(out.path().join(file), fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(problems(out.path()), [file.to_owned()].into());
        fs::set_permissions(out.path().join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let (code, text, note) = kubi(out.path(), &["verify"]);
    assert_eq!((code, text.as_str()), (0, ""), "{note}");
    assert!(note.contains("4 nodes: 12 blobs, 4 images"), "{note}");
    fs::write(out.path().join("dev/deploy/deploy.json"), "{}").unwrap();
    let report = json(out.path(), &["verify", "dev"]);
    assert_eq!(
        (&report["ok"], &report["findings"][0]["object"]),
        (&Value::from(false), &Value::from("dev/deploy/deploy.json"))
    );
    assert_eq!(kubi(out.path(), &["verify"]).0, 1);
}

#[test]
fn gc_keeps_the_last_builds_of_every_cluster_and_nothing_else() {
    let out = tempfile::tempdir().unwrap();
    for version in [2, 4, 6, 8] {
        build(out.path(), "dev", version).unwrap();
    }
    build(out.path(), "prod", 2).unwrap();
    let counts =
        || ["dev/builds", "dev/images", "store/blobs/sha256"].map(|folder| list(&out.path().join(folder)).len());
    // Two clusters have the same trees in version 2, and share the layers.
    assert_eq!(counts(), [4, 16, 56]);
    let before = all_paths(out.path());
    let report = json(out.path(), &["gc", "--keep", "2", "--dry-run"]);
    assert_eq!(report["builds"], serde_json::json!(["dev/builds/1.json", "dev/builds/2.json"]));
    assert_eq!((report["images"].as_array().unwrap().len(), report["blobs"].as_array().unwrap().len()), (8, 20));
    assert_eq!(all_paths(out.path()), before);
    assert_eq!(kubi(out.path(), &["gc", "--keep", "2"]).0, 0);
    assert_eq!(counts(), [2, 8, 36]);
    assert_eq!(problems(out.path()), BTreeSet::new());
    assert_eq!((check(out.path(), "dev"), check(out.path(), "prod")), (8, 2));
    // Going back to a version that was collected builds it again.
    build(out.path(), "dev", 4).unwrap();
    assert_eq!(check(out.path(), "dev"), 4);
    assert_eq!(list(&out.path().join("dev/builds")), ["3.json", "4.json", "5.json"]);
}

#[test]
fn gc_removes_no_blob_while_a_kept_bundle_cannot_be_read() {
    let out = tempfile::tempdir().unwrap();
    for version in [2, 4, 6] {
        build(out.path(), "dev", version).unwrap();
    }
    let record = Output::open(out.path()).unwrap().build("dev", 2).unwrap().unwrap();
    let damaged = out.path().join("store/blobs/sha256").join(record.nodes.values().next().unwrap().bundle.hex());
    std::fs::write(&damaged, "{").unwrap();
    let blobs = || list(&out.path().join("store/blobs/sha256")).len();
    let before = blobs();
    let (code, _, said) = kubi(out.path(), &["gc", "--keep", "2"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("no blob is removed") && said.contains("build 2, "), "{said}");
    assert_eq!(
        (blobs(), list(&out.path().join("dev/builds")).len()),
        (before, 2),
        "records and images go all the same"
    );
    let (code, _, said) = kubi(out.path(), &["gc", "--keep", "1"]);
    assert!(code == 0 && !said.contains("no blob is removed") && blobs() < before, "{said}");
    assert_eq!(problems(out.path()), BTreeSet::new());
}

#[test]
fn gc_and_verify_know_what_was_deployed() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    let deployed = out.path().join("dev/deployed");
    std::fs::create_dir_all(deployed.join("1/deploy")).unwrap();
    std::fs::copy(out.path().join("dev/build.json"), deployed.join("1/build.json")).unwrap();
    std::fs::write(deployed.join(".lock"), "").unwrap();
    let images = list(&out.path().join("dev/images"));
    for version in [4, 6] {
        build(out.path(), "dev", version).unwrap();
    }
    assert_eq!(kubi(out.path(), &["gc", "--keep", "1"]).0, 0);
    let kept = list(&out.path().join("dev/images"));
    assert!(images.iter().all(|image| kept.contains(image)), "{kept:?}");
    assert_eq!(problems(out.path()), BTreeSet::new());
    // An image that only a deployed build needs is checked as well.
    std::fs::remove_file(out.path().join("dev/images").join(&images[0])).unwrap();
    assert_eq!(problems(out.path()).len(), 1);
}

#[test]
fn gc_forgets_removed_clusters_and_spares_what_others_have_added() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    build(out.path(), "prod", 4).unwrap();
    let store = format!("oci:{}", out.path().join("store").display());
    let copy = [format!("{store}:prod/node-01"), format!("{store}:kept")];
    store_fixture::run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet"]).args(copy));
    fs::remove_dir_all(out.path().join("prod")).unwrap();
    assert_eq!(kubi(out.path(), &["gc"]).0, 0);
    assert_eq!(list(&out.path().join("store/blobs/sha256")).len(), 12 + 3);
    store_fixture::run(Command::new("skopeo").args(["inspect", &format!("{store}:kept")]));
    store_fixture::run(Command::new("skopeo").args(["inspect", &format!("{store}:dev/node-03")]));
    assert_eq!(problems(out.path()), BTreeSet::new());
    let index = fs::read_to_string(out.path().join("store/index.json")).unwrap();
    assert!(!index.contains("prod"), "{index}");
}
