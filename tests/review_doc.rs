//! docs/review.md, run: every command in order, and what each prints. `KUBI_BLESS=1` writes the outputs into the page.

mod common;

use common::workspace::Workspace;
use common::{package_directory, run};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// A command of the page, with the environment of a user who has `kubi` and the CI script on their path.
fn shell(workspace: &Workspace, line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(workspace.path()).env_clear();
    let kubi = std::path::Path::new(env!("CARGO_BIN_EXE_kubi")).parent().unwrap().to_owned();
    let ci = package_directory().join("examples/ci");
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{}:{path}", kubi.display(), ci.display()));
    command.env("HOME", workspace.path().join("home")).env("KUBI_IDENTITY", "identity");
    command.env("KUBI_CACHE", workspace.path().join("cache"));
    command.env("COLUMNS", "120").env("SOURCE_DATE_EPOCH", "1795132800").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "t").env(format!("GIT_{who}_EMAIL"), "t@example.com");
    }
    let done = run(&mut command, LIMIT);
    assert!(matches!(done.status.code(), Some(0 | 5)), "{line}: {}{}", done.stdout, done.stderr);
    let code = if done.status.code() == Some(5) { "exit code 5\n" } else { "" };
    without_hashes(&format!("{}{code}", done.stdout))
}

/// Commits hold the time and a randomly sealed file; bundles' digests change with every change of a recipe.
fn without_hashes(text: &str) -> String {
    let is_hex = |text: &str| text.len() == 7 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let commits: Vec<String> = text
        .split_inclusive(')')
        .map(|part| match part.strip_suffix(')').and_then(|part| part.rsplit_once('(')) {
            Some((before, commit)) if is_hex(commit) => format!("{before}(1a2b3c4)"),
            _ => part.to_owned(),
        })
        .collect();
    let mut parts = Vec::new();
    for (number, part) in commits.concat().split("sha256:").enumerate() {
        let hex = part.len() - part.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
        parts.push(if number == 0 { part.to_owned() } else { format!("{}{}", "0".repeat(hex), &part[hex..]) });
    }
    parts.join("sha256:")
}

#[test]
fn the_page_says_what_happens() {
    let page = package_directory().join("docs/review.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let workspace = Workspace::example("ha");
    shell(
        &workspace,
        "git init -q -b main && git add cluster.yaml kubi.lock secrets && git commit -q -m start && kubi build",
    );
    let mut now = String::new();
    for (number, part) in text.split("```console\n").enumerate() {
        if number == 0 {
            now += part;
            continue;
        }
        let (block, rest) = part.split_once("```\n").unwrap();
        let mut outputs = String::new();
        for line in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            // Nothing that is printed may look like a command or end the block.
            outputs += &format!("$ {line}\n{}", shell(&workspace, line).replace("```", "'''"));
        }
        now += &format!("```console\n{outputs}```\n{rest}");
    }
    if now != text && std::env::var_os("KUBI_BLESS").is_some() {
        std::fs::write(&page, &now).unwrap();
    }
    let differing = text.lines().zip(now.lines()).find(|(page, now)| page != now);
    assert!(now == text, "docs/review.md is not what happens, from {differing:?} on; `make bless` writes it again");
}

#[test]
fn the_workflow_runs_the_script_that_is_there() {
    let folder = package_directory().join("examples/ci");
    let workflow = std::fs::read_to_string(folder.join("github.yaml")).unwrap();
    let parsed: serde_json::Value = serde_saphyr::from_str(&workflow).unwrap();
    let steps = parsed["jobs"]["diff"]["steps"].as_array().unwrap();
    // The base branch's script: a pull request must not rewrite its own gate, nor have anything of its own run.
    let runs = |text: &str| steps.iter().any(|step| step["run"].as_str().is_some_and(|run| run.contains(text)));
    assert!(runs("git show \"$BASE:ci/review.sh\"") && !runs("run ci/review.sh"));
    assert_eq!(parsed["on"], "pull_request_target");
    assert!(steps.iter().all(|step| step["with"]["ref"].is_null()), "the pull request is not checked out");
    assert_eq!(steps[0]["with"]["fetch-depth"], 0, "without history there is nothing to compare");
    // An expression inside a script would let a branch's name run commands.
    assert!(steps.iter().filter_map(|step| step["run"].as_str()).all(|run| !run.contains("${{")));
    run(Command::new("sh").arg("-n").arg(folder.join("review.sh")), LIMIT).success();
}

#[test]
fn the_script_posts_and_fails_on_what_is_refused() {
    let workspace = Workspace::example("single");
    shell(&workspace, "git init -q -b main && git add cluster.yaml kubi.lock && git commit -q -m start");
    workspace.write_spec(&workspace.spec().replace("pki:", "networks: {services: {cidr: 10.77.0.0/24}}\n  pki:"));
    shell(&workspace, "git commit -q -a -m risky");
    let said = shell(&workspace, "KUBI_REVIEW_POST='cat > posted.md' review.sh HEAD~1 HEAD");
    assert_eq!(said, "exit code 5\n");
    let posted = std::fs::read_to_string(workspace.path().join("posted.md")).unwrap();
    assert!(posted.contains("**HIGH** `service-network-changed`"), "{posted}");
    assert!(shell(&workspace, "KUBI_REVIEW_POST='cat > posted.md' review.sh HEAD HEAD").is_empty());
    let missing = run(
        Command::new("sh")
            .args(["-c", "review.sh nothing HEAD"])
            .env("PATH", {
                let kubi = std::path::Path::new(env!("CARGO_BIN_EXE_kubi")).parent().unwrap().to_owned();
                format!(
                    "{}:{}:{}",
                    kubi.display(),
                    package_directory().join("examples/ci").display(),
                    std::env::var("PATH").unwrap()
                )
            })
            .current_dir(workspace.path()),
        LIMIT,
    );
    assert_eq!(missing.status.code(), Some(1), "{}", missing.stderr);
}
