//! `kubi deploy` hands everything to `kubi-deploy`, and says what to do when there is none.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn kubi(path: &Path, arguments: &[&str]) -> Output {
    // A copy in a folder of its own has no kubi-deploy beside it.
    let kubi = path.join("kubi");
    if !kubi.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_kubi"), &kubi).unwrap();
    }
    let programs = format!("{}:/usr/bin:/bin", path.join("programs").display());
    Command::new(kubi).args(arguments).env("PATH", programs).output().unwrap()
}

/// Prints its arguments and ends with 2, as `kubi-deploy plan` does when there is something to do.
fn install(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\necho {} \"$@\"\nexit 2\n", path.display())).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// One test: a program that was just written cannot be started while another thread forks.
#[test]
fn everything_passes_through_where_the_program_is_there() {
    let folder = tempfile::tempdir().unwrap();
    without_the_program_it_says_how_to_get_it(folder.path());
    let on_path = folder.path().join("programs/kubi-deploy");
    install(&on_path);
    let said = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let output = kubi(folder.path(), &["deploy", "plan", "--only", "a b", "--help"]);
    assert_eq!(
        (said(&output), output.status.code()),
        (format!("{} plan --only a b --help\n", on_path.display()), Some(2))
    );
    let output = kubi(folder.path(), &["--output", "json", "deploy", "status"]);
    assert_eq!(said(&output), format!("{} --output json status\n", on_path.display()));
    // The one beside kubi goes first.
    let beside = folder.path().join("kubi-deploy");
    install(&beside);
    assert_eq!(said(&kubi(folder.path(), &["deploy", "-V"])), format!("{} -V\n", beside.display()));
}

fn without_the_program_it_says_how_to_get_it(folder: &Path) {
    let output = kubi(folder, &["deploy", "plan"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("kubi-deploy could not be started") && message.contains("make deploy"), "{message}");
}
