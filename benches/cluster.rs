//! Times whole runs of `kubi build`: everything, nothing to do, one node changed; and, beside them, what the machine itself
//! needs to hash, compress, sign and write the same bytes, and the same nodes made by hand (by-hand.sh). Prints a table;
//! asserts nothing. `make bench` runs it.
//!
//! `KUBI_BENCH_BASE` names a base image; without it a small ext4 image is made, as the tests do.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_types)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::workspace::Workspace;
use sha2::Digest as _;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// 3 controllers behind a virtual address, and workers.
fn spec(workers: u32) -> String {
    let mut text = "apiVersion: kubi/v1alpha1\nkind: Cluster\nmetadata: {name: bench}\nspec:\n  kubernetes: {version: 1.36.4}\n  \
        base: debian-13\n  pki: {epoch: 2026-11-01}\n  networks:\n    management: {cidr: 172.16.0.0/16}\n    cluster: {cidr: \
        172.20.0.0/16}\n    pods: {cidr: 10.0.0.0/8, nodePrefix: 24}\n    services: {cidr: 192.168.0.0/24}\n    api: {vip: \
        172.20.0.9}\n  nodes:\n"
        .to_owned();
    let mut node = |name: String, role: &str, number: u32| {
        let (high, low) = (number / 250, 10 + number % 240);
        text += &format!(
            "    - {{name: {name}, roles: [{role}], addresses: {{cluster: 172.20.{high}.{low}, management: 172.16.{high}.{low}}}}}\n"
        );
    };
    for number in 1..=3 {
        node(format!("controller-{number:02}"), "controller", number);
    }
    for number in 1..=workers {
        node(format!("worker-{number:04}"), "worker", 250 + number / 240 * 250 + number % 240);
    }
    text
}

struct Run {
    wall: Duration,
    peak_mib: f64,
}

/// One run; the peak is the process's own resident set, as `wait4` reports it.
fn build(workspace: &Workspace, arguments: &[&str]) -> Run {
    let report = workspace.path().join("time.txt");
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%M", "-o"]).arg(&report).arg(env!("CARGO_BIN_EXE_kubi")).args(arguments);
    command.current_dir(workspace.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", workspace.path().join("home")).env("KUBI_CACHE", workspace.path().join("cache"));
    command.env("KUBI_IDENTITY", workspace.path().join("identity"));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let started = Instant::now();
    let output = command.output().expect("/usr/bin/time (Debian package time) runs");
    let wall = started.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let peak: f64 = std::fs::read_to_string(report).unwrap().trim().parse().unwrap();
    Run { wall, peak_mib: peak / 1024.0 }
}

fn row(what: &str, runs: &mut [Run]) {
    runs.sort_by_key(|run| run.wall);
    let (least, middle, most) = (&runs[0], &runs[runs.len() / 2], &runs[runs.len() - 1]);
    let peak = runs.iter().map(|run| run.peak_mib).fold(0.0, f64::max);
    println!("{what:32} {:>9.1?} {:>9.1?} {:>9.1?} {peak:>7.0} MiB", least.wall, middle.wall, most.wall);
}

/// What the same bytes cost without kubi: reading, SHA-256, zstd and writing each file once, and one P-256 signature for
/// each certificate. On all processors, as kubi uses them.
fn bound(workspace: &Workspace, round: u32) -> Duration {
    use p256::ecdsa::{Signature, SigningKey, signature::Signer};
    use rayon::prelude::*;
    let mut files = Vec::new();
    let mut folders = vec![workspace.out().join("bench")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.is_file() && !name.starts_with("base-") && !name.starts_with("artifacts-") {
                files.push(path);
            }
        }
    }
    let contents: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let target = workspace.path().join("bound");
    std::fs::create_dir_all(&target).unwrap();
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let started = Instant::now();
    contents.par_iter().enumerate().for_each(|(index, bytes)| {
        std::hint::black_box(sha2::Sha256::digest(bytes));
        if files[index].extension().is_none_or(|extension| extension != "qcow2") {
            std::hint::black_box(zstd::bulk::compress(bytes, 3).unwrap());
        }
        if files[index].extension().is_some_and(|extension| extension == "crt") {
            let signature: Signature = key.sign(bytes);
            std::hint::black_box(signature);
        }
        std::fs::File::create(target.join(index.to_string())).unwrap().write_all(bytes).unwrap();
    });
    rustix::fs::syncfs(std::fs::File::open(&target).unwrap()).unwrap();
    let took = started.elapsed();
    put_aside(workspace, "bound", round);
    took
}

/// For the end: ext4 looks at every file that was deleted in the last minutes before it makes a new one.
fn put_aside(workspace: &Workspace, name: &str, round: u32) {
    drop(std::fs::rename(workspace.path().join(name), workspace.path().join(format!("{name}-{round}"))));
}

/// The nodes that kubi has just built, made with cfssl, kubectl, tar, zstd, qemu-storage-daemon and debugfs.
fn by_hand(workspace: &Workspace, round: u32) -> Run {
    let target = workspace.path().join("by-hand");
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/by-hand.sh"));
    command.arg(workspace.out().join("bench/nodes")).arg(workspace.path().join("base.raw")).arg(&target);
    let started = Instant::now();
    let output = command.output().expect("bash runs");
    let wall = started.elapsed();
    assert!(output.status.success(), "by-hand.sh: {}", String::from_utf8_lossy(&output.stderr));
    put_aside(workspace, "by-hand", round);
    Run { wall, peak_mib: 0.0 }
}

fn main() {
    println!("{:32} {:>9} {:>9} {:>9} {:>11}", "kubi build", "least", "median", "most", "peak");
    for workers in [50, 997] {
        let nodes = workers + 3;
        let workspace = Workspace::with_spec(&spec(workers));
        let mut full = Vec::new();
        for round in 0..3 {
            put_aside(&workspace, "out", round);
            full.push(build(&workspace, &["build"]));
        }
        row(&format!("{nodes} nodes, all new"), &mut full);
        let mut nothing: Vec<Run> = (0..10).map(|_| build(&workspace, &["build"])).collect();
        row(&format!("{nodes} nodes, nothing to do"), &mut nothing);
        let text = workspace.spec();
        let mut one: Vec<Run> = (0..10)
            .map(|round| {
                let label = format!("{{name: worker-0007, labels: {{round: r{round}}}, ");
                workspace.write_spec(&text.replace("{name: worker-0007, ", &label));
                build(&workspace, &["build"])
            })
            .collect();
        row(&format!("{nodes} nodes, one changed"), &mut one);
        let bound = |round| Run { wall: bound(&workspace, round), peak_mib: 0.0 };
        let mut bounds: Vec<Run> = (0..3).map(bound).collect();
        row(&format!("{nodes} nodes, the machine's bound"), &mut bounds);
        if nodes == 53 {
            let mut runs: Vec<Run> = (0..3).map(|round| by_hand(&workspace, round)).collect();
            row(&format!("{nodes} nodes, by hand"), &mut runs);
        }
    }
}
