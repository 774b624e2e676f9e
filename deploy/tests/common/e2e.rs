//! The tools of the end-to-end tests: a cluster's folder, the programs, and a writer that etcd must not disappoint.

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// `scripts/e2e` has prepared it.
pub struct Cluster {
    pub name: String,
    pub folder: PathBuf,
    pub started: Instant,
}

impl Cluster {
    pub fn new(name: &str) -> Self {
        let work = std::env::var_os("KUBI_E2E").expect("this test is run by scripts/e2e");
        let folder = PathBuf::from(work).join(name);
        Self { name: name.into(), folder, started: Instant::now() }
    }

    /// Says what comes next, and when.
    pub fn step(&self, what: &str) {
        eprintln!("[{:>4} s] {}: {what}", self.started.elapsed().as_secs(), self.name);
    }

    pub fn kubi(&self, arguments: &[&str]) {
        let kubi = std::env::var_os("KUBI").expect("this test is run by scripts/e2e");
        let output = Command::new(kubi).args(arguments).current_dir(&self.folder).output().unwrap();
        assert!(output.status.success(), "kubi {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn build(&self) {
        self.kubi(&["build", "--quiet"]);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubi-deploy"));
        command.args(arguments).current_dir(&self.folder);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Ends with the exit code that is expected; gives what was printed.
    #[track_caller]
    pub fn deploy(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "kubi-deploy {arguments:?}\n{text}{error}");
        text
    }

    pub fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let text = self.deploy(code, &[&["--output", "json"], arguments].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Runs until a line holds one of `until`, waits, and kills it. False when it was done before.
    pub fn kill(&self, arguments: &[&str], until: &[&str], after: Duration) -> bool {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = lines.by_ref().map_while(Result::ok).any(|line| until.iter().any(|part| line.contains(part)));
        std::thread::sleep(after);
        let alive = child.try_wait().unwrap().is_none();
        // SIGKILL: nothing of it can clean up.
        let _ = child.kill();
        child.wait().unwrap();
        seen && alive
    }

    /// Changes the text of the spec.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.folder.join("cluster.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in the spec");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// etcdctl on all members, with the operator's certificate.
    pub fn etcdctl(&self, endpoints: &str) -> Command {
        let operator = self.folder.join("out").join(&self.name).join("operator");
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--command-timeout=10s", "--endpoints", endpoints]);
        command.arg("--cacert").arg(operator.join("etcd-ca.crt"));
        command.arg("--cert").arg(operator.join("etcd.crt")).arg("--key").arg(operator.join("etcd.key"));
        command
    }
}

/// What a program printed, which must succeed.
#[track_caller]
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn virsh(arguments: &[&str]) -> String {
    output(Command::new("virsh").args(["-q", "-c", "qemu:///system"]).args(arguments))
}

/// Puts one key after the other into etcd, and keeps those that were acknowledged.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(BTreeSet<String>, usize)>,
}

impl Writer {
    pub fn start(cluster: &Cluster, endpoints: &'static str, prefix: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, name, folder) = (stop.clone(), cluster.name.clone(), cluster.folder.clone());
        let thread = std::thread::spawn(move || {
            let cluster = Cluster { name, folder, started: Instant::now() };
            let (mut acknowledged, mut failed) = (BTreeSet::new(), 0);
            for number in 0.. {
                if asked.load(Ordering::SeqCst) {
                    break;
                }
                let key = format!("{prefix}/{number}");
                match cluster.etcdctl(endpoints).args(["put", &key, "x"]).output().unwrap().status.success() {
                    true => drop(acknowledged.insert(key)),
                    false => failed += 1,
                }
                std::thread::sleep(Duration::from_millis(300));
            }
            (acknowledged, failed)
        });
        Self { stop, thread }
    }

    /// Every key that was acknowledged, and how many were not.
    pub fn finish(self) -> (BTreeSet<String>, usize) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Reads a file of the pool, which is a folder of the test's.
pub fn pool_files() -> BTreeSet<String> {
    let entries = std::fs::read_dir(Path::new("/var/lib/libvirt/images")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
