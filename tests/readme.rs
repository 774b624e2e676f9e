//! The README's commands, run as written, and its spec.

mod common;

use common::workspace::Workspace;
use common::{package_directory, run};
use std::process::Command;
use std::time::Duration;

fn readme() -> String {
    std::fs::read_to_string(package_directory().join("README.md")).unwrap()
}

/// The lines of all blocks in a language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_smallest_spec_is_whole_and_small() {
    let [spec] = &blocks("yaml")[..] else { panic!("the README shows one spec") };
    assert!(spec.lines().count() < 20);
    let (cluster, warnings) = kubi::spec::read(spec, &Default::default()).expect("the spec is good");
    assert_eq!((cluster.spec.nodes.len(), warnings.len()), (2, 0));
}

#[test]
fn the_commands_work_as_written() {
    let workspace = Workspace::empty();
    let mut folder = workspace.path().to_owned();
    let mut ran = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        let command = line.split('#').next().unwrap().trim();
        if let Some(below) = command.strip_prefix("cd ") {
            folder = folder.join(below);
            continue;
        }
        if !command.starts_with("kubi ") {
            continue;
        }
        match command {
            // Makes a real Debian image, which tests/boot.rs does; a small one stands in for it here.
            "kubi base build" => workspace.pin_base_in(&folder),
            // Needs the internet; tests/cli_artifacts.rs fetches from a server of its own.
            "kubi fetch" => {}
            // Needs a hypervisor; `make e2e` has one.
            deploy if deploy.starts_with("kubi deploy") => {}
            // Every artifact of the lock would have to be there.
            "kubi build --images=always" => {}
            "kubi vendor add ./kubelet" => {
                std::fs::write(folder.join("kubelet"), "no release").unwrap();
                let refused = run(workspace.command().current_dir(&folder).args(["vendor", "add", "./kubelet"]), LIMIT);
                assert!(refused.failure().contains("kubelet"));
                ran += 1;
            }
            _ => {
                let arguments = command.split_whitespace().skip(1);
                run(workspace.command().current_dir(&folder).args(arguments), LIMIT).success();
                ran += 1;
            }
        }
    }
    assert!(ran >= 8, "only {ran} commands were found in the README");
}

const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn files_and_targets_that_the_readme_names_exist() {
    let text = readme();
    for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(link.starts_with("http") || package_directory().join(link).exists(), "{link} is missing");
    }
    for target in ["demo", "test"] {
        assert!(text.contains(&format!("make {target}")));
        let dry = run(Command::new("make").args(["-n", target]).current_dir(package_directory()), LIMIT);
        assert!(!dry.success().is_empty());
    }
}
