//! Every rendered unit of every example, verified by systemd, and what systemd's own tools make of other files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reaches the machine"
)]

mod common;

use common::cluster::{self, Rendered};
use common::{require_tool, run, run_tool};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const UNITS: &str = "/etc/systemd/system";
const KINDS: [&str; 6] = [".service", ".mount", ".socket", ".timer", ".target", ".path"];

/// Names of the units that a node's tree has itself, masked ones aside.
fn units(rendered: &Rendered, node: &str) -> Vec<String> {
    let entries = std::fs::read_dir(rendered.file(node, UNITS)).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let names = files.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| KINDS.iter().any(|kind| name.ends_with(kind))).collect();
    names.sort();
    names
}

/// Completes a node's tree to a root that systemd can look at: this machine's own units, and an empty executable for
/// each program that a unit names, because verify asks whether it is there. Returns the programs.
fn complete(rendered: &Rendered, node: &str) -> BTreeSet<String> {
    let root = rendered.root(node);
    let system = ["/usr/lib/systemd/system", "/lib/systemd/system"].map(PathBuf::from);
    let system = system.iter().find(|path| path.is_dir()).expect("this machine has systemd's units");
    let target = root.join("usr/lib/systemd");
    std::fs::create_dir_all(&target).unwrap();
    let copy = require_tool("cp", "coreutils");
    run_tool(&copy, [Path::new("-a"), system, &target]).success();
    let mut programs = BTreeSet::new();
    for unit in units(rendered, node) {
        let text = rendered.text(node, &format!("{UNITS}/{unit}")).replace("\\\n", " ");
        for line in text.lines().filter(|line| line.starts_with("Exec")) {
            let command = line.split_once('=').unwrap().1.trim_start_matches(['-', '+', '!', '@', ':']);
            programs.extend(command.split_whitespace().next().map(str::to_owned));
        }
    }
    for program in &programs {
        let file = rendered.file(node, program);
        if !file.exists() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }
    programs
}

/// What `systemd-analyze verify` has to say about the node's own units; nothing, if all is well.
fn verify(rendered: &Rendered, node: &str) -> String {
    let analyze = require_tool("systemd-analyze", "systemd");
    let units = units(rendered, node);
    assert!(units.len() > 5, "{node} has few units: {units:?}");
    let mut command = Command::new(analyze);
    command.arg("verify").arg(format!("--root={}", rendered.root(node).display()));
    command.args(["--man=no", "--recursive-errors=no", "--generators=no"]).args(&units);
    let finished = run(&mut command, Duration::from_secs(120));
    let said = finished.stdout + &finished.stderr;
    assert!(finished.status.success() || !said.is_empty(), "{}", finished.status);
    said
}

#[test]
fn systemd_finds_nothing_wrong_with_any_unit() {
    for example in cluster::example_names() {
        let rendered = cluster::render(&cluster::example(&example));
        for node in rendered.trees.keys() {
            let programs = complete(&rendered, node);
            assert!(programs.iter().all(|p| p.starts_with('/')), "{programs:?}");
            assert_eq!(verify(&rendered, node), "", "example {example}, node {node}");
        }
    }
}

#[test]
fn the_check_can_fail() {
    let rendered = cluster::render(&cluster::example("single"));
    let node = rendered.trees.keys().next().unwrap();
    complete(&rendered, node);
    let unit = rendered.file(node, &format!("{UNITS}/etcd.service"));
    let text = std::fs::read_to_string(&unit).unwrap();
    std::fs::write(&unit, text.replace("NoNewPrivileges=yes", "NoNewPrivilege=yes")).unwrap();
    assert!(verify(&rendered, node).contains("NoNewPrivilege"));
}

/// Each user that owns a file or runs a unit is made by the rendered sysusers.d, with the number that files have.
#[test]
fn systemd_makes_the_users_that_own_files() {
    let sysusers = require_tool("systemd-sysusers", "systemd");
    for example in cluster::example_names() {
        let rendered = cluster::render(&cluster::example(&example));
        for (node, tree) in &rendered.trees {
            let root = rendered.root(node);
            let config = rendered.file(node, "/etc/sysusers.d/kubi.conf");
            let needed: BTreeSet<u32> = tree.iter().map(|(_, e)| e.owner.uid).filter(|uid| *uid != 0).collect();
            if needed.is_empty() && !config.exists() {
                continue;
            }
            run_tool(&sysusers, [format!("--root={}", root.display()), config.display().to_string()]).success();
            let passwd = std::fs::read_to_string(root.join("etc/passwd")).unwrap();
            let field = |line: &str, n: usize| line.split(':').nth(n).unwrap().to_owned();
            let uids: BTreeSet<u32> = passwd.lines().map(|line| field(line, 2).parse().unwrap()).collect();
            let names: BTreeSet<String> = passwd.lines().map(|line| field(line, 0)).collect();
            assert!(needed.is_subset(&uids), "{example} {node}: files of {needed:?}, but users are {uids:?}");
            for unit in units(&rendered, node) {
                let text = rendered.text(node, &format!("{UNITS}/{unit}"));
                for user in text.lines().filter_map(|line| line.strip_prefix("User=")) {
                    assert!(names.contains(user), "{example} {node}: {unit} runs as {user}, which nothing makes");
                }
            }
        }
    }
}
