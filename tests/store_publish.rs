//! Publishing: what arrives in `out/`, what `skopeo` makes of it, and that no fault leaves half of anything.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests reach the machine and may fail"
)]

mod store_fixture;

use kubi::edge::output::{Output, OutputError};
use kubi::edge::publish::Build;
use kubi::tree::Digest;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use store_fixture::{begin, build, check, list, run};

#[test]
fn builds_follow_each_other() {
    let out = tempfile::tempdir().unwrap();
    // The same output again is not another build.
    for (version, number) in [(2, 1), (3, 2), (4, 3), (4, 3), (2, 4)] {
        assert_eq!(build(out.path(), "dev", version).unwrap().number, number);
        assert_eq!(check(out.path(), "dev"), version);
    }
    let removed = list(&out.path().join("dev/deploy"));
    assert!(removed.contains(&"node-03.xml".to_owned()), "even versions have all nodes: {removed:?}");
    let mode = |file: &str| fs::metadata(out.path().join("dev").join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("images/node-00-2.qcow2"), 0o600);
    assert_eq!(mode("operator/admin.kubeconfig"), 0o600);
    assert_eq!(mode("nodes/node-00/tree/etc/key"), 0o644);
    assert_eq!(mode("nodes/node-00/tree/opt/run"), 0o755);
}

#[test]
fn a_node_of_the_same_plan_is_kept_without_being_added_again() {
    let out = tempfile::tempdir().unwrap();
    let first = build(out.path(), "dev", 2).unwrap();
    let output = Output::open(out.path()).unwrap();
    assert_eq!(output.current("dev", "0.1.0", &first.inputs).unwrap().as_ref(), Some(&first));
    assert!(output.current("dev", "0.2.0", &first.inputs).unwrap().is_none());
    assert!(output.current("dev", "0.1.0", &Digest::of(b"changed")).unwrap().is_none());
    let publication = begin(out.path(), "dev", &mut || panic!("nobody else builds")).unwrap();
    let plan = &first.nodes["node-01"].plan;
    assert_eq!(publication.unchanged("node-01", plan), Some(&first.nodes["node-01"]));
    assert_eq!(publication.unchanged("node-01", &Digest::of(b"another plan")), None);
    assert_eq!(publication.unchanged("node-99", plan), None);
    for (file, bytes) in [("deploy.json", &b"{\"version\":2}"[..]), ("other.json", b"{}")] {
        publication.deploy_file(file, bytes).unwrap();
    }
    let kept: BTreeMap<_, _> = first.nodes.clone().into_iter().take(3).collect();
    let build =
        Build { kubi: "0.1.0".into(), inputs: Digest::of(b"3"), nodes: kept, images: BTreeMap::new(), deploy: None };
    let second = publication.commit(build).unwrap();
    assert_eq!(list(&out.path().join("dev/nodes")), ["node-00", "node-01", "node-02"]);
    assert_eq!(list(&out.path().join("dev/deploy")), ["deploy.json", "other.json"]);
    for gone in ["store/blobs/sha256", "dev/nodes", "dev/images", "dev/deploy"] {
        let kept = out.path().join("kept");
        let lost = list(&out.path().join(gone));
        fs::rename(out.path().join(gone), &kept).unwrap();
        assert!(!lost.is_empty() && output.current("dev", "0.1.0", &second.inputs).unwrap().is_none(), "{gone}");
        fs::rename(&kept, out.path().join(gone)).unwrap();
    }
    assert!(output.current("dev", "0.1.0", &second.inputs).unwrap().is_some());
}

#[test]
fn skopeo_inspects_and_copies_bundles_of_several_clusters() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    build(out.path(), "prod", 4).unwrap();
    let record = build(out.path(), "dev", 3).unwrap();
    let store = format!("oci:{}", out.path().join("store").display());
    for (cluster, node) in [("dev", "node-01"), ("prod", "node-03")] {
        let reference = format!("{store}:{cluster}/{node}");
        let shown: serde_json::Value =
            serde_json::from_str(&run(Command::new("skopeo").args(["inspect", &reference]))).unwrap();
        assert_eq!(shown["Labels"], serde_json::json!({"kubi.cluster": cluster, "kubi.node": node}));
        let copy = format!("oci:{}:{node}", out.path().join("copy").display());
        run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &reference, &copy]));
    }
    // The copy has the same digest, and is a store that kubi reads.
    let digest = &record.nodes["node-01"].bundle;
    let copied = out.path().join("copy/blobs/sha256").join(digest.hex());
    assert_eq!(Digest::of(&fs::read(copied).unwrap()), *digest);
    let gone = Command::new("skopeo").args(["inspect", &format!("{store}:dev/node-03")]).output().unwrap();
    assert!(!gone.status.success(), "version 3 has no node-03");
    let foreign = format!("{store}:added-by-hand");
    run(Command::new("skopeo").args([
        "--insecure-policy",
        "copy",
        "--quiet",
        &format!("{store}:prod/node-01"),
        &foreign,
    ]));
    build(out.path(), "dev", 4).unwrap();
    run(Command::new("skopeo").args(["inspect", &foreign]));
}

#[test]
fn git_shows_a_changed_entry_as_one_line() {
    let out = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.fileMode=true"];
        run(command.arg("-C").arg(out.path()).args(identity).args(arguments))
    };
    git(&["init", "-q"]);
    build(out.path(), "dev", 2).unwrap();
    git(&["add", "dev/nodes"]);
    git(&["commit", "-qm", "first"]);
    build(out.path(), "dev", 4).unwrap();
    let changes = git(&["diff", "--numstat", "--", "dev/nodes/node-00"]);
    // The bundle's line and 21 files whose bytes have changed.
    assert!(changes.contains("22\t22\tdev/nodes/node-00/manifest.json"), "{changes}");
    let line = git(&["diff", "-U0", "--", "dev/nodes/node-00/manifest.json"]);
    assert!(
        line.lines().any(|l| l.starts_with("+    {\"path\":\"/etc/version\",\"type\":\"file\",\"mode\":\"0644\"")),
        "{line}"
    );
}

/// Not a test of its own: the process that the tests below kill or run into limits.
#[test]
fn child() {
    let Ok(arguments) = std::env::var("KUBI_TEST_STORE_CHILD") else { return };
    let mut parts = arguments.splitn(3, ' ');
    let mut number = || parts.next().unwrap().parse::<u64>().unwrap();
    let (first, count) = (number(), number());
    let root = parts.next().unwrap();
    Output::open(Path::new(root)).unwrap_or_else(|error| panic!("{error}"));
    for version in first..first + count {
        build(Path::new(root), "dev", version).unwrap_or_else(|error| panic!("{error}"));
    }
}

fn spawn_child(root: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("KUBI_TEST_STORE_CHILD", format!("{first} 100 {}", root.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn kill_9_at_any_moment_leaves_a_whole_build() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 0).unwrap();
    let (mut moved, mut finished, mut discarded) = (0, 0, 0);
    let mut random = 88_172_645_463_325_252u64;
    for round in 0..60 {
        let before = check(out.path(), "dev");
        let mut child = spawn_child(out.path(), before + 1);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(5_000 + random % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        finished += u32::from(out.path().join(".commit").exists());
        discarded += u32::from(out.path().join(".staging").exists());
        let after = check(out.path(), "dev");
        assert!(after >= before, "round {round} went back from {before} to {after}");
        moved += after - before;
        if after > 800 {
            fs::remove_dir_all(out.path().join("dev")).unwrap();
            build(out.path(), "dev", 0).unwrap();
        }
    }
    assert!(discarded > 0, "no kill hit a build: {moved} were done, {finished} killed while moving");
}

/// Runs one build of version 3 under strace, which makes a system call fail or kill: every moment can be chosen.
fn build_with_fault(root: &Path, fault: &str) -> std::process::Output {
    child_with_fault(root, fault, 1)
}

fn child_with_fault(root: &Path, fault: &str, builds: u64) -> std::process::Output {
    // Only stopping at the calls that matter is fast, but does not count when a signal is to be injected.
    let speed: &[&str] = if fault.contains("signal=") { &[] } else { &["--seccomp-bpf"] };
    let traced = fault.split([':', '=']).next().unwrap();
    let (trace, inject) = (format!("trace={traced}"), format!("inject={fault}"));
    Command::new("strace")
        .arg("-f")
        .args(speed)
        .args(["-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("KUBI_TEST_STORE_CHILD", format!("3 {builds} {}", root.display()))
        .output()
        .unwrap_or_else(|error| panic!("strace: {error}"))
}

#[test]
fn a_kill_at_any_rename_is_recovered_from() {
    let mut versions = Vec::new();
    for step in 1.. {
        let out = tempfile::tempdir().unwrap();
        build(out.path(), "dev", 2).unwrap();
        let done = build_with_fault(out.path(), &format!("rename:signal=KILL:when={step}"));
        let version = check(out.path(), "dev");
        if done.status.success() {
            break;
        }
        versions.push(version);
    }
    // The first rename is the decision.
    let decided = versions.iter().position(|version| *version == 3).unwrap();
    assert!(versions[..decided].iter().all(|version| *version == 2), "{versions:?}");
    assert!(versions[decided..].iter().all(|version| *version == 3), "{versions:?}");
    assert!(decided == 1 && versions.len() > 30, "{versions:?}");
}

#[test]
fn a_killed_recovery_is_recovered_from() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    // A rename comes before the moves. Each further run gets some moves further before it is killed too.
    assert!(!build_with_fault(out.path(), "rename:signal=KILL:when=6").status.success());
    let mut runs = 0;
    while out.path().join(".commit").exists() {
        child_with_fault(out.path(), "rename:signal=KILL:when=10", 0);
        runs += 1;
        assert!(runs < 50);
    }
    assert!(runs > 3, "{runs} runs");
    assert_eq!(check(out.path(), "dev"), 3);
}

#[test]
fn a_full_disk_is_reported_and_leaves_the_old_build() {
    for fault in
        ["write:error=ENOSPC:when=40", "openat:error=EDQUOT:when=70", "mkdir:error=ENOSPC:when=5", "syncfs:error=EIO"]
    {
        let out = tempfile::tempdir().unwrap();
        build(out.path(), "dev", 2).unwrap();
        let before = snapshot(out.path());
        let done = build_with_fault(out.path(), fault);
        let message = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success(), "{fault} hit nothing");
        let says = ["No space left on device", "Disk quota exceeded", "Input/output error"];
        assert!(message.contains("cannot ") && says.iter().any(|text| message.contains(text)), "{fault}: {message}");
        assert_eq!(check(out.path(), "dev"), 2, "{fault}");
        assert_eq!(snapshot(out.path()), before, "{fault}");
    }
}

#[test]
fn a_move_that_fails_is_finished_by_the_next_command() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 2).unwrap();
    let obstacle = out.path().join("dev/deploy/node-02.xml");
    fs::remove_file(&obstacle).unwrap();
    fs::create_dir(&obstacle).unwrap();
    let error = build(out.path(), "dev", 3).unwrap_err();
    assert!(matches!(error, OutputError::Unfinished(_)), "{error}");
    assert!(Output::open(out.path()).is_err(), "the obstacle is still there");
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(check(out.path(), "dev"), 3);
}

/// Every path below a folder, with contents.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_folder = fs::symlink_metadata(&path).unwrap().is_dir();
            found.insert(path.clone(), if is_folder { None } else { fs::read(&path).ok() });
            if is_folder {
                open.push(path);
            }
        }
    }
    found
}

#[test]
fn an_output_folder_that_cannot_be_used_is_refused_before_anything_is_done() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = build(&file, "dev", 2).unwrap_err().to_string();
    assert!(error.starts_with("cannot create") && error.contains("file"), "{error}");
    let error = build(&parent.path().join("out"), "store", 2).unwrap_err().to_string();
    assert!(error.contains("\"store\" cannot be the name"), "{error}");
    // /dev/shm is another file system on every Linux machine.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let out = parent.path().join("out");
    fs::create_dir(&out).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), out.join("store")).unwrap();
    let error = build(&out, "dev", 2).unwrap_err();
    assert!(matches!(error, OutputError::OtherFileSystem { .. }), "{error}");
    assert_eq!(list(&out), [".lock", "store"]);
}

#[test]
fn two_builds_at_once_wait_for_each_other() {
    let out = tempfile::tempdir().unwrap();
    build(out.path(), "dev", 0).unwrap();
    let mut waited = false;
    std::thread::scope(|scope| {
        let first = begin(out.path(), "dev", &mut || ()).unwrap();
        let second = scope.spawn(|| begin(out.path(), "prod", &mut || waited = true).map(drop));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!second.is_finished(), "the second builder must wait");
        // Readers do not wait.
        assert_eq!(Output::open(out.path()).unwrap().built("dev").unwrap().number, 1);
        drop(first);
        second.join().unwrap().unwrap();
    });
    assert!(waited);
    // No two builds of "dev" are equal, so that each gets a number of its own, whoever comes first.
    let children = [("dev", 1..=10), ("prod", 1..=10), ("dev", 11..=20)];
    std::thread::scope(|scope| {
        for (cluster, versions) in children {
            let root = out.path();
            scope.spawn(move || versions.for_each(|version| drop(build(root, cluster, version).unwrap())));
        }
    });
    assert!([10, 20].contains(&check(out.path(), "dev")), "the last of one of the two builders");
    assert_eq!(check(out.path(), "prod"), 10);
    assert_eq!(Output::open(out.path()).unwrap().built("dev").unwrap().number, 21);
}

#[test]
fn the_umask_changes_nothing() {
    let out = tempfile::tempdir().unwrap();
    let shell = |umask: &str, root: &Path| {
        let exe = std::env::current_exe().unwrap();
        let script = format!("umask {umask}; exec {} --exact child", exe.display());
        run(Command::new("sh").args(["-c", &script]).env("KUBI_TEST_STORE_CHILD", format!("3 1 {}", root.display())));
        let mut modes = BTreeMap::new();
        for path in snapshot(root).into_keys().filter(|path| !path.ends_with(".lock")) {
            let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
            modes.insert(path.strip_prefix(root).unwrap().to_owned(), mode);
        }
        modes
    };
    let (one, other) = (out.path().join("one"), out.path().join("other"));
    assert_eq!(shell("000", &one), shell("077", &other));
}
