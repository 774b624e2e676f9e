//! The program itself: folders, exit codes, JSON. libvirt is nowhere here.

mod common;

use common::folder::copy;
use kubi_deploy::build::digest;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// `out/quorum` as `kubi build` wrote it, on a hypervisor that does not answer, and without credentials.
fn out() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), folder.path());
    change_deployment(folder.path(), |deployment| {
        deployment["hypervisors"][0]["uri"] = "qemu+unix:///system?socket=/nowhere/libvirt-sock".into();
        deployment.as_object_mut().unwrap().remove("operatorKubeconfig");
        deployment.as_object_mut().unwrap().remove("operatorEtcd");
    });
    folder
}

fn change_deployment(out: &Path, change: impl FnOnce(&mut Value)) {
    let (path, record) = (out.join("quorum/deploy/deploy.json"), out.join("quorum/build.json"));
    let read = |path: &PathBuf| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
    let mut deployment = read(&path);
    change(&mut deployment);
    let text = deployment.to_string();
    std::fs::write(&path, &text).unwrap();
    let mut build = read(&record);
    build["files"]["deploy/deploy.json"] = digest(text.as_bytes()).into();
    std::fs::write(record, build.to_string()).unwrap();
}

fn run(out: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubi-deploy"));
    command.arg("--out").arg(out).args(arguments).env("HOME", out).env_remove("KUBECONFIG").output().unwrap()
}

#[track_caller]
fn fails(output: &Output, code: i32, message: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(message), "{error}");
}

#[test]
fn a_hypervisor_that_does_not_answer_is_named() {
    let out = out();
    let output = run(out.path(), &["plan"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.starts_with(
            "problem: hypervisor local cannot be reached, so its nodes are left as they are: no libvirt answers"
        ),
        "{text}"
    );
    let output = run(out.path(), &["plan", "--output", "json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&plan["cluster"], &plan["problems"][0]["kind"]), (&"quorum".into(), &"unreachable".into()));
    fails(&run(out.path(), &["apply", "--yes"]), 3, "done as far as it could be");
    let status = run(out.path(), &["status", "--output", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert!(status["hypervisors"][0]["error"].as_str().unwrap().contains("no libvirt answers"), "{status}");
}

#[test]
fn only_whole_builds_are_used() {
    let out = out();
    fails(&run(&out.path().join("elsewhere"), &["plan"]), 1, "run `kubi build` first");
    let xml = out.path().join("quorum/deploy/domains/etcd-1.xml");
    std::fs::write(&xml, "<domain/>").unwrap();
    fails(&run(out.path(), &["plan"]), 1, "is not the file of build");
    change_deployment(out.path(), |deployment| deployment["nodes"][0]["surprise"] = true.into());
    fails(&run(out.path(), &["plan"]), 1, "unknown field `surprise`");
}

#[test]
fn a_hostile_build_is_refused() {
    let changed = |change: &dyn Fn(&mut Value)| {
        let out = out();
        change_deployment(out.path(), change);
        out
    };
    for path in ["/etc/passwd", "../../x"] {
        let out = changed(&|deployment| deployment["nodes"][0]["domain"]["xml"] = path.into());
        fails(&run(out.path(), &["plan"]), 1, "leads out of the cluster's folder");
        let out = changed(&|deployment| deployment["imageDirectory"] = path.into());
        fails(&run(out.path(), &["plan"]), 1, "leads out of the cluster's folder");
    }
    let uri = "qemu+ssh://h/system?command=/tmp/x";
    let out = changed(&|deployment| deployment["hypervisors"][0]["uri"] = uri.into());
    fails(&run(out.path(), &["plan"]), 1, "does not connect to");
    let out = changed(&|deployment| deployment["nodes"][0]["domain"]["uuid"] = "another".into());
    fails(&run(out.path(), &["plan"]), 1, "etcd-1.xml does not describe what deploy.json says");
}

#[test]
fn watching_goes_on_through_errors() {
    let out = out();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubi-deploy"));
    command.arg("--out").arg(out.path()).args(["status", "--watch", "--interval", "1", "--output", "json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let is_status = |line: &String| line.starts_with("{\"cluster\":\"quorum\"");
    assert!(lines.by_ref().take(2).all(|line| is_status(&line)), "one line a look");
    let record = out.path().join("quorum/build.json");
    let whole = std::fs::read(&record).unwrap();
    std::fs::write(&record, "{").unwrap();
    assert!(lines.any(|line| line.contains("is no build record")));
    std::fs::write(&record, whole).unwrap();
    assert!(lines.any(|line| is_status(&line)), "it has recovered");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn nothing_is_done_unasked() {
    let out = out();
    fails(&run(out.path(), &["destroy"]), 4, "say --confirm quorum");
    fails(&run(out.path(), &["destroy", "--confirm", "another"]), 4, "is not \"quorum\"");
    fails(&run(out.path(), &["rollback", "7"]), 1, "build 7 was not deployed from here; no build was");
    fails(&run(out.path(), &["console", "nobody"]), 1, "no node \"nobody\"");
    fails(&run(out.path(), &["apply", "--only", "nobody"]), 1, "no node \"nobody\"");
    fails(&run(out.path(), &["plan", "--max-unavailable", "0"]), 64, "0 is not in");
    assert_eq!(run(out.path(), &["--help"]).status.code(), Some(0));
}

#[test]
fn a_kubeconfig_is_printed_and_merged() {
    let out = out();
    let own = "clusters: [{name: quorum}]\nusers: []\ncontexts: []\ncurrent-context: c\n";
    std::fs::create_dir_all(out.path().join("quorum/operator")).unwrap();
    std::fs::write(out.path().join("quorum/operator/admin.kubeconfig"), own).unwrap();
    fails(&run(out.path(), &["kubeconfig"]), 1, "no operator's kubeconfig");
    change_deployment(out.path(), |deployment| {
        deployment["operatorKubeconfig"] = "../operator/admin.kubeconfig".into()
    });
    assert_eq!(run(out.path(), &["kubeconfig"]).stdout, own.as_bytes());
    assert_eq!(run(out.path(), &["kubeconfig", "--merge"]).status.code(), Some(0));
    let merged = std::fs::read(out.path().join(".kube/config")).unwrap();
    let merged: Value = serde_json::from_slice(&merged).unwrap();
    assert_eq!((&merged["clusters"][0]["name"], &merged["current-context"]), (&"quorum".into(), &"c".into()));
    // A file that somebody put in the way is not written through, and a link stays one.
    let (config, real) = (out.path().join(".kube/config"), out.path().join("real"));
    std::fs::rename(&config, &real).unwrap();
    std::os::unix::fs::symlink(&real, &config).unwrap();
    assert_eq!(run(out.path(), &["kubeconfig", "--merge"]).status.code(), Some(0));
    assert!(config.is_symlink() && !real.is_symlink());
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(out.path().join(".kube")).unwrap().count(), 1);
}
