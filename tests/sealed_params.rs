//! Secrets that are not derived: a sealed file that a parameter names reaches the image, and nothing else.

#![allow(clippy::disallowed_methods, reason = "tests read what was built")]

mod common;

use common::compare::{changes, commit, json, replaced, seal, without_identity};
use common::workspace::Workspace;
use common::{package_directory, require_tool, run, run_tool};
use kubi::edge::output::Output;
use std::path::Path;

const FILE: &str = "/etc/kubernetes/kubelet/registries/config.json";
const ONE: &[u8] = br#"{"auths": {"registry.example": {"auth": "a3ViaTpodW50ZXIyMzQ1Njc4OQ=="}}}"#;
const OTHER: &[u8] = br#"{"auths": {"registry.example": {"auth": "a3ViaTphbm90aGVyLXBhc3N3b3Jk"}}}"#;

fn single() -> Workspace {
    let workspace = Workspace::example("single");
    replaced(
        &workspace,
        "  nodes:\n",
        "  params:\n    kubelet/standard: {registryCredentials: secrets/registry.age}\n  nodes:\n",
    );
    workspace
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn image(workspace: &Workspace) -> Vec<u8> {
    let record = Output::open(&workspace.out()).unwrap().built("single").unwrap();
    let overlay = record.nodes["kubi"].overlay.clone().unwrap();
    std::fs::read(workspace.out().join("single/images").join(overlay.file)).unwrap()
}

/// Every file of the output but images and what is the operator's, unpacked.
fn public(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && !["images", "operator"].contains(&&*entry.file_name().to_string_lossy()) => {
                public(&entry.path(), found);
            }
            kind if kind.is_file() => {
                let bytes = std::fs::read(entry.path()).unwrap();
                found.push(zstd::decode_all(bytes.as_slice()).unwrap_or(bytes));
            }
            _ => {}
        }
    }
}

#[test]
fn credentials_for_registries_reach_the_image_alone() {
    let workspace = single();
    let missing = workspace.kubi(["build"]);
    assert_eq!(missing.status.code(), Some(4), "{}", missing.stderr);
    assert!(missing.stderr.contains("secrets/registry.age"), "{}", missing.stderr);

    seal(&workspace, ONE, "secrets/registry.age");
    workspace.kubi(["build"]).success();
    let node = workspace.out().join("single/nodes/kubi/tree");
    let shown = std::fs::read_to_string(node.join(&FILE[1..])).unwrap();
    assert!(shown.contains("<secret sealed/secrets/registry.age"), "{shown}");
    let unit = std::fs::read_to_string(node.join("etc/systemd/system/kubelet.service")).unwrap();
    assert!(unit.contains("\nWorkingDirectory=/etc/kubernetes/kubelet/registries\n"), "{unit}");
    assert!(contains(&image(&workspace), ONE), "the image lacks the credentials");
    let mut files = Vec::new();
    public(&workspace.out(), &mut files);
    assert!(files.len() > 50 && files.iter().all(|bytes| !contains(bytes, b"a3ViaTpodW50ZXIy")));
    assert_eq!(workspace.kubi(["verify"]).status.code(), Some(0));
    assert!(workspace.kubi(["build"]).success().is_empty(), "nothing to do");
}

#[test]
fn another_password_is_built_again_and_told_as_a_rotation() {
    let workspace = single();
    seal(&workspace, ONE, "secrets/registry.age");
    workspace.kubi(["build"]).success();
    commit(&workspace, "one");
    seal(&workspace, OTHER, "secrets/registry.age");
    commit(&workspace, "another");
    for sides in [&[][..], &["main~1..main"]] {
        let told = json(&workspace, sides);
        assert!(told["inputs"].to_string().contains("sealed file secrets/registry.age"), "{}", told["inputs"]);
        let all = changes(&told);
        let fields = all.iter().find(|(_, path, _)| path == FILE).map(|(_, _, fields)| fields.to_string());
        assert!(fields.as_ref().is_some_and(|fields| fields.contains("rotated")), "{all:?}");
        assert!(!told.to_string().contains("a3ViaTp"));
        let without = without_identity(&workspace, || json(&workspace, sides));
        assert!(without["inputs"].to_string().contains("sealed file secrets/registry.age"));
    }
    workspace.kubi(["build"]).success();
    let image = image(&workspace);
    assert!(contains(&image, OTHER) && !contains(&image, ONE));
    assert_eq!(changes(&json(&workspace, &[])).len(), 0);
}

#[test]
fn the_documented_command_seals_what_the_kubelet_reads() {
    let workspace = single();
    let (keygen, _) = (require_tool("age-keygen", "age"), require_tool("kubectl", "kubernetes-client"));
    let recipient = run_tool(&keygen, [Path::new("-y"), &workspace.path().join("identity")]).success();
    std::fs::write(workspace.path().join("secrets/recipients.txt"), recipient).unwrap();
    let docs = std::fs::read_to_string(package_directory().join("docs/pki.md")).unwrap();
    let section = docs.split("## Secrets that are not derived").nth(1).unwrap();
    let command = section.split("```").nth(1).unwrap().replace("password=...", "password=hunter2");
    assert!(command.contains("kubectl") && command.contains("hunter2"), "{command}");
    let mut shell = std::process::Command::new("sh");
    run(shell.args(["-ec", &command]).current_dir(workspace.path()), std::time::Duration::from_secs(60)).success();
    workspace.kubi(["build"]).success();
    assert!(contains(&image(&workspace), br#"{"auths":{"registry.example":{"username":"kubi","password":"hunter2""#));
}

#[test]
fn a_path_outside_the_folder_is_refused() {
    let workspace = single();
    for (wrong, code) in [("../registry.age", "parameter-value"), ("7", "parameter-type")] {
        replaced(&workspace, "secrets/registry.age", wrong);
        let refused = workspace.kubi(["check", "--output", "json"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(refused.stdout.contains(code), "{}", refused.stdout);
        replaced(&workspace, wrong, "secrets/registry.age");
    }
}
