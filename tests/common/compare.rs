//! Comparing as a user does: commits of a cluster's folder, and `kubi diff` on them.

use super::workspace::Workspace;
use super::{Finished, require_tool, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub const LIMIT: Duration = Duration::from_secs(120);

pub fn git(workspace: &Workspace, arguments: &[&str]) -> String {
    let mut command = Command::new(require_tool("git", "git"));
    command.current_dir(workspace.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", workspace.path().join("home")).env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "t").env(format!("GIT_{who}_EMAIL"), "t@example.com");
        command.env(format!("GIT_{who}_DATE"), "2026-11-01T00:00:00Z");
    }
    run(command.args(arguments), LIMIT).success()
}

/// Commits the spec, the lock and everything sealed.
pub fn commit(workspace: &Workspace, message: &str) {
    if !workspace.path().join(".git").exists() {
        git(workspace, &["init", "-q", "-b", "main"]);
    }
    git(workspace, &["add", "cluster.yaml", "kubi.lock", "secrets"]);
    git(workspace, &["commit", "-q", "-m", message]);
}

/// Whatever is wrong with the network, a day is always given: the output depends on nothing else.
pub fn diff(workspace: &Workspace, arguments: &[&str]) -> Finished {
    run(workspace.command().args(["diff", "--today", "2026-11-20"]).args(arguments), LIMIT)
}

pub fn json(workspace: &Workspace, arguments: &[&str]) -> Value {
    let mut all = vec!["--format", "json"];
    all.extend(arguments);
    serde_json::from_str(&diff(workspace, &all).success()).unwrap()
}

pub fn replaced(workspace: &Workspace, from: &str, to: &str) {
    let text = workspace.spec();
    assert!(text.contains(from), "{from}");
    workspace.write_spec(&text.replace(from, to));
}

/// `high authority-key-changed`, in the order of the output.
pub fn risks(diff: &Value) -> Vec<String> {
    let words = |risk: &Value| format!("{} {}", risk["severity"].as_str().unwrap(), risk["id"].as_str().unwrap());
    diff["risks"].as_array().unwrap().iter().map(words).collect()
}

/// The risk with this id.
#[track_caller]
pub fn risk<'a>(diff: &'a Value, id: &str) -> &'a Value {
    let found = diff["risks"].as_array().unwrap().iter().find(|risk| risk["id"] == id);
    found.unwrap_or_else(|| panic!("no {id}, only {:?}", risks(diff)))
}

/// Every change of every group as nodes, path and fields.
pub fn changes(diff: &Value) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let groups = diff["groups"].as_array().unwrap().iter();
    groups
        .flat_map(|group| group["changes"].as_array().unwrap().iter().map(move |change| (group, change)))
        .map(|(group, change)| (text(&group["nodes"]["text"]), text(&change["path"]), change["fields"].clone()))
        .collect()
}

/// Takes the identity away for as long as `then` runs.
pub fn without_identity<T>(workspace: &Workspace, then: impl FnOnce() -> T) -> T {
    let (here, away) = (workspace.path().join("identity"), workspace.path().join("elsewhere"));
    std::fs::rename(&here, &away).unwrap();
    let result = then();
    std::fs::rename(&away, &here).unwrap();
    result
}

/// Seals bytes into `file` for the workspace's identity.
pub fn seal(workspace: &Workspace, bytes: &[u8], file: &str) {
    let (keygen, age) = (require_tool("age-keygen", "age"), require_tool("age", "age"));
    let recipient = super::run_tool(&keygen, [Path::new("-y"), &workspace.path().join("identity")]).success();
    let (plain, sealed) = (workspace.path().join("plain"), workspace.path().join(file));
    std::fs::create_dir_all(sealed.parent().unwrap()).unwrap();
    std::fs::write(&plain, bytes).unwrap();
    let mut command = Command::new(age);
    command.args(["-a", "-r", recipient.trim(), "-o"]).arg(&sealed).arg(&plain);
    run(&mut command, LIMIT).success();
    std::fs::remove_file(plain).unwrap();
}
