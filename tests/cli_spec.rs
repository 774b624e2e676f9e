//! `kubi check`, `kubi schema` and `kubi init` as a user runs them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests run the program and look at its files"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn kubi(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubi"));
        command.current_dir(self.folder.path()).args(args).env_clear().env("HOME", self.path("home"));
        command.output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

const AGE: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

#[test]
fn init_makes_a_cluster_that_check_accepts() {
    let place = Place::new();
    let made = place.kubi(&["init", "lab"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let identity = place.path("home/.config/kubi/identity");
    assert_eq!(std::fs::metadata(&identity).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = place.read("home/.config/kubi/identity");
    let secret = secret.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap().to_owned();
    let said = format!("{}{}", text(&made.stdout), text(&made.stderr));
    assert!(!said.contains(&secret) && said.contains("kubi build"), "{said}");
    assert!(place.read("lab/secrets/root.age").starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    assert!(place.read("lab/cluster.yaml").contains("$schema=cluster.schema.json"));
    let checked = place.kubi(&["check", "-f", "lab"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let schema = place.kubi(&["schema"]);
    assert_eq!(text(&schema.stdout), place.read("lab/cluster.schema.json"));
    let again = place.kubi(&["init", "two"]);
    assert!(again.status.success(), "the identity is there now: {}", text(&again.stderr));
    assert_ne!(place.read("lab/secrets/root.age"), place.read("two/secrets/root.age"));
}

#[test]
fn init_overwrites_nothing_and_writes_all_or_nothing() {
    let place = Place::new();
    assert!(place.kubi(&["init", "lab", "--recipient", AGE]).status.success());
    assert!(files(&place.path("home")).is_empty(), "no identity is made when a recipient is given");
    let before: Vec<(PathBuf, Vec<u8>)> =
        files(folder_of(&place)).into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect();
    for args in [
        &["init", "lab"][..],
        &["init", "new", "--recipient", "age1nonsense"],
        &["init", "new", "--recipients-file", "missing"],
        &["init", "new", "--name", "Not_A_Label"],
        &["init", "lab/cluster.yaml/below"],
    ] {
        let failed = place.kubi(args);
        assert!(!failed.status.success() && text(&failed.stderr).contains("error:"), "{args:?}");
        let after: Vec<(PathBuf, Vec<u8>)> =
            files(folder_of(&place)).into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect();
        assert_eq!(before, after, "{args:?}");
        assert!(!place.path("new").exists(), "{args:?}");
    }
    std::fs::create_dir(place.path("own")).unwrap();
    std::fs::write(place.path("own/.gitignore"), "mine\n").unwrap();
    let own = place.kubi(&["init", "own", "--recipient", AGE]);
    assert!(own.status.success() && text(&own.stderr).contains("/out/"), "{}", text(&own.stderr));
    assert_eq!(place.read("own/.gitignore"), "mine\n");
}

fn folder_of(place: &Place) -> &Path {
    place.folder.path()
}

/// The .gitignore as git itself reads it.
#[test]
fn git_ignores_identities_and_images_but_not_the_cluster() {
    let place = Place::new();
    assert!(place.kubi(&["init", "lab", "--recipient", AGE]).status.success());
    let git = |args: &[&str]| Command::new("git").arg("-C").arg(place.path("lab")).args(args).output();
    let init = git(&["init", "-q"]).expect("git is installed (Debian package git)");
    assert!(init.status.success(), "{}", text(&init.stderr));
    let ignored = |path: &str| git(&["check-ignore", "-q", path]).unwrap().status.code() == Some(0);
    for path in [
        "out/store/index.json",
        "out/lab/images/a.qcow2",
        "out/lab/operator/admin.kubeconfig",
        "out/.staging/x",
        "identity",
        "team.identity",
        "id_ed25519",
        "secrets/plain.pem",
        "vendor/cache/a.tar",
    ] {
        assert!(ignored(path), "{path} must be ignored");
    }
    for path in [
        "cluster.yaml",
        "kubi.lock",
        "secrets/root.age",
        "secrets/cache/a.age",
        "secrets/recipients.txt",
        "out/lab/nodes/a/tree/etc/hosts",
        "recipes/cni/mine/recipe.yaml",
        "cluster.schema.json",
    ] {
        assert!(!ignored(path), "{path} must not be ignored");
    }
}

#[test]
fn check_says_what_is_wrong_to_people_and_to_programs() {
    let place = Place::new();
    assert!(place.kubi(&["init", "lab", "--recipient", AGE]).status.success());
    std::fs::write(place.path("bad.yaml"), place.read("lab/cluster.yaml").replace("base:", "bse:")).unwrap();
    let people = place.kubi(&["check", "-f", "bad.yaml"]);
    assert_eq!(people.status.code(), Some(1));
    let report = text(&people.stderr);
    assert!(
        report.contains("error[unknown-key]") && report.contains("bad.yaml:9:3") && !report.contains('\u{1b}'),
        "{report}"
    );
    let programs = place.kubi(&["check", "-f", "bad.yaml", "--output", "json"]);
    assert_eq!(programs.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&programs.stdout).unwrap();
    assert_eq!(json["errors"], 2, "{json}");
    let codes: Vec<&str> = json["problems"].as_array().unwrap().iter().filter_map(|p| p["code"].as_str()).collect();
    assert_eq!(codes, ["missing-key", "unknown-key"]);
    assert_eq!(place.kubi(&["check", "-f", "missing.yaml"]).status.code(), Some(3));
}

#[test]
fn what_spec_and_recipes_find_wrong_is_told_in_one_run() {
    let place = Place::new();
    assert!(place.kubi(&["init", "lab", "--recipient", AGE]).status.success());
    let spec = place.read("lab/cluster.yaml");
    let bad = spec.replacen("spec:\n", "spec:\n  recipes: {cni: birdge}\n  machine: {cpu: 1}\n", 1);
    std::fs::write(place.path("bad.yaml"), bad).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&place.kubi(&["check", "-f", "bad.yaml", "--output", "json"]).stdout).unwrap();
    let codes: Vec<&str> = json["problems"].as_array().unwrap().iter().filter_map(|p| p["code"].as_str()).collect();
    assert!(codes.contains(&"unknown-key") && codes.contains(&"unknown-recipe"), "{json}");
    assert!(!codes.contains(&"missing-need"), "{json}");
}
