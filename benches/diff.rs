//! Times whole runs of `kubi diff`, beside `git diff --no-index` on the same review trees and a full build. Prints a
//! table; asserts nothing. `make bench` runs it.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_types)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::workspace::Workspace;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;

/// 3 controllers behind a virtual address, and workers; nothing comes from artifacts.
fn spec(workers: u32) -> String {
    let mut text = "apiVersion: kubi/v1alpha1\nkind: Cluster\nmetadata: {name: bench}\nspec:\n  kubernetes: {version: 1.36.4}\n  \
        base: debian-13\n  pki: {epoch: 2026-11-01}\n  networks:\n    management: {cidr: 172.16.0.0/16}\n    cluster: {cidr: \
        172.20.0.0/16}\n    pods: {cidr: 10.0.0.0/8, nodePrefix: 24}\n    services: {cidr: 192.168.0.0/24}\n    api: {vip: \
        172.20.0.9}\n  nodes:\n"
        .to_owned();
    for number in 0..workers + 3 {
        let (high, low) = (number / 240, 10 + number % 240);
        let name = if number < 3 { format!("controller-{number:02}") } else { format!("worker-{:04}", number - 2) };
        let role = if number < 3 { "controller" } else { "worker" };
        text += &format!(
            "    - {{name: {name}, roles: [{role}], addresses: {{cluster: 172.20.{high}.{low}, management: 172.16.{high}.{low}}}}}\n"
        );
    }
    text
}

fn kubi(workspace: &Workspace, arguments: &[&str]) -> Duration {
    let mut command = workspace.command();
    time(command.args(arguments), &[0])
}

/// Wall time of a run that ends with one of `codes`.
fn time(command: &mut Command, codes: &[i32]) -> Duration {
    let started = Instant::now();
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    let took = started.elapsed();
    let code = output.status.code().unwrap_or(-1);
    assert!(codes.contains(&code), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    took
}

fn row(what: &str, mut run: impl FnMut() -> Duration) {
    let mut runs: Vec<Duration> = (0..ROUNDS).map(|_| run()).collect();
    runs.sort();
    println!("{what:56} {:>9.1?} {:>9.1?} {:>9.1?}", runs[0], runs[ROUNDS / 2], runs[ROUNDS - 1]);
}

fn git(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(workspace.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", workspace.path());
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "bench").env(format!("GIT_{who}_EMAIL"), "bench@example.com");
    }
    command.args(arguments);
    command
}

fn commit(workspace: &Workspace) {
    time(&mut git(workspace, &["add", "cluster.yaml", "kubi.lock", "secrets"]), &[0]);
    time(&mut git(workspace, &["commit", "-qm", "x"]), &[0]);
}

fn main() {
    println!("{:56} {:>9} {:>9} {:>9}", "kubi diff", "least", "median", "most");
    for workers in [47, 997] {
        let nodes = workers + 3;
        let workspace = Workspace::with_spec(&spec(workers));
        time(&mut git(&workspace, &["init", "-q", "-b", "main"]), &[0]);
        commit(&workspace);
        kubi(&workspace, &["build", "--out", "one"]);
        kubi(&workspace, &["build", "--out", "all"]);
        let text = workspace.spec();
        row(&format!("{nodes} nodes, equal"), || kubi(&workspace, &["diff", "one", "all"]));
        workspace.write_spec(&text.replace("{name: worker-0007, ", "{name: worker-0007, labels: {a: b}, "));
        kubi(&workspace, &["build", "--out", "one"]);
        row(&format!("{nodes} nodes, two builds, one node changed"), || kubi(&workspace, &["diff", "all", "one"]));
        row(&format!("{nodes} nodes, git diff of that"), || {
            time(&mut git(&workspace, &["diff", "--no-index", "all/bench/nodes", "one/bench/nodes"]), &[1])
        });
        workspace.write_spec(&text.replacen(
            "  nodes:\n",
            "  params: {kubelet/standard: {maxPods: 120}}\n  nodes:\n",
            1,
        ));
        kubi(&workspace, &["build", "--out", "one"]);
        row(&format!("{nodes} nodes, two builds, a setting of every node changed"), || {
            kubi(&workspace, &["diff", "all", "one"])
        });
        workspace.write_spec(&text.replace("pki: {epoch: 2026-11-01}", "pki: {epoch: 2026-12-01}"));
        commit(&workspace);
        let build = kubi(&workspace, &["build", "--out", "one"]);
        row(&format!("{nodes} nodes, two builds, every certificate changed"), || {
            kubi(&workspace, &["diff", "all", "one"])
        });
        row(&format!("{nodes} nodes, git diff of that"), || {
            time(&mut git(&workspace, &["diff", "--no-index", "all/bench/nodes", "one/bench/nodes"]), &[1])
        });
        row(&format!("{nodes} nodes, two revisions, every certificate changed"), || {
            kubi(&workspace, &["diff", "main~1..main"])
        });
        println!("{:56} {build:>9.1?}", format!("{nodes} nodes, a build of that"));
    }
}
