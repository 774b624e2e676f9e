//! Bad input and interruptions: a clear error, nothing lost, no partial output.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::workspace::Workspace;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[track_caller]
fn fails(workspace: &Workspace, expected: &[&str]) {
    let output = workspace.kubi(["build"]).failure();
    for text in expected {
        assert!(output.contains(text), "expected {text:?} in:\n{output}");
    }
    assert!(!output.contains("panicked"), "{output}");
}

#[test]
fn secrets_that_cannot_be_opened_are_explained() {
    let workspace = Workspace::example("lab");
    let identity = workspace.path().join("identity");
    let sealed = workspace.path().join("secrets/root.age");
    let (identity_text, sealed_text) = (std::fs::read(&identity).unwrap(), std::fs::read(&sealed).unwrap());

    std::fs::remove_file(&identity).unwrap();
    fails(&workspace, &["KUBI_IDENTITY", "help:"]);
    std::fs::write(&identity, "nonsense").unwrap();
    fails(&workspace, &["identity", "help:"]);
    std::fs::write(&identity, &identity_text).unwrap();

    std::fs::write(&sealed, &sealed_text[..sealed_text.len() / 2]).unwrap();
    fails(&workspace, &["root.age", "damaged", "help:"]);
    std::fs::remove_file(&sealed).unwrap();
    fails(&workspace, &["root.age", "missing", "help:"]);
    assert!(!workspace.out().join("lab").exists());
}

#[test]
fn a_lock_that_was_edited_by_hand_is_refused() {
    let workspace = Workspace::example("lab");
    let path = workspace.path().join("kubi.lock");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("kind: Lock", "kind: Lock\nextra: 1")).unwrap();
    fails(&workspace, &["kubi.lock", "extra", "kubi lock"]);
}

#[test]
fn own_recipes_with_mistakes_name_file_and_line() {
    let cases = [
        ("recipes/dns/own/files/etc/x.tera", "one\n{{ bogus }}\n", vec!["dns/own/files/etc/x.tera:2", "bogus"]),
        ("recipes/dns/own/files/etc/x.tera", "{% include 'dns/own/files/etc/x.tera' %}", vec!["nclud"]),
        (
            "recipes/dns/own/files/etc/x.tera",
            "{% for i in range(end=100000000) %}x{% endfor %}",
            vec!["range", "65536"],
        ),
        ("recipes/dns/own/files/etc/hostname", "twice", vec!["/etc/hostname", "node/base", "dns/own"]),
        ("recipes/dns/own/other/x", "x", vec!["dns/own/other/x", "files/"]),
    ];
    let workspace = Workspace::example("lab");
    let spec = workspace.spec();
    workspace.write_spec(&spec.replacen("spec:\n", "spec:\n  recipes: {dns: own}\n", 1));
    for (file, text, expected) in cases {
        let recipes = workspace.path().join("recipes");
        drop(std::fs::remove_dir_all(&recipes));
        std::fs::create_dir_all(recipes.join("dns/own")).unwrap();
        std::fs::write(recipes.join("dns/own/recipe.yaml"), "summary: a mistake\n").unwrap();
        let path = workspace.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        fails(&workspace, &expected);
    }
    let link = workspace.path().join("recipes/dns/own/files/etc/passwd");
    drop(std::fs::remove_dir_all(workspace.path().join("recipes/dns/own/other")));
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    fails(&workspace, &["passwd", "link"]);
}

#[test]
fn a_damaged_base_image_stops_the_build_before_it_writes() {
    let workspace = Workspace::example("lab");
    let cache = workspace.path().join("cache/sha256");
    let image =
        std::fs::read_dir(&cache).unwrap().map(|e| e.unwrap().path()).max_by_key(|p| p.metadata().unwrap().len());
    let image = image.expect("the base image is in the cache");
    let bytes = std::fs::read(&image).unwrap();
    let permissions = std::fs::metadata(&image).unwrap().permissions();
    std::fs::remove_file(&image).unwrap();
    std::fs::write(&image, &bytes[..bytes.len() / 3]).unwrap();
    std::fs::set_permissions(&image, permissions).unwrap();
    let output = workspace.kubi(["build"]).failure();
    assert!(output.contains("error:") && !output.contains("panicked"), "{output}");
    assert!(!workspace.out().join("lab").exists());
}

#[test]
fn killed_at_any_moment_the_previous_build_is_whole_and_the_next_one_succeeds() {
    let workspace = Workspace::example("lab");
    let started = Instant::now();
    workspace.kubi(["build"]).success();
    let takes = started.elapsed();
    let spec = workspace.spec();
    for round in 0..50_u32 {
        // Every round changes every node, so that there is something to interrupt.
        let date = format!("epoch: 2026-{:02}-{:02}", 1 + round / 28, 1 + round % 28);
        let from = spec.find("epoch: ").unwrap();
        workspace.write_spec(&format!("{}{date}{}", &spec[..from], &spec[from + date.len()..]));
        let mut child = workspace.command().arg("build").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(takes * (round + 1) / 40);
        let signal = [rustix::process::Signal::KILL, rustix::process::Signal::TERM, rustix::process::Signal::INT]
            [round as usize % 3];
        let pid = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(pid, signal);
        let status = child.wait().unwrap();
        assert!(status.success() || status.signal().is_some() || status.code() == Some(130), "{status:?}");
        // Whatever was interrupted: store, review trees and images fit their record.
        workspace.kubi(["verify"]).success();
    }
    workspace.kubi(["build"]).success();
    workspace.kubi(["verify"]).success();
    assert!(!workspace.out().join(".staging").exists());
}

#[test]
fn two_builds_at_once_do_no_harm() {
    let workspace = Workspace::example("lab");
    let spawn = || workspace.command().arg("build").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let children: Vec<_> = (0..4).map(|_| spawn()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    workspace.kubi(["verify"]).success();
}

#[test]
fn a_yaml_bomb_is_refused_at_once() {
    let workspace = Workspace::example("lab");
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(0..12)
            .map(|i| {
                format!(
                    "b{i}: &b{i} [{}]\n",
                    vec![if i == 0 { "*a".into() } else { format!("*b{}", i - 1) }; 9].join(", ")
                )
            })
            .collect::<String>();
    workspace.write_spec(&bomb);
    let started = Instant::now();
    fails(&workspace, &["cluster.yaml"]);
    assert!(started.elapsed() < Duration::from_secs(20));
}
