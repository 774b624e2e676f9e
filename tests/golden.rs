//! The whole tree of one node of each kind of every example, as text in `tests/golden/`.
//!
//! `make bless` (`KUBI_BLESS=1`) rewrites them and still fails, so that a blessed change is looked at and committed.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::cluster::{debian_13, example, example_names, render_with};
use common::package_directory;
use kubi::tree::{Kind, Tree};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Every entry with mode, owner, origin and contents.
fn text(tree: &Tree) -> String {
    let mut out = String::new();
    for (path, entry) in tree.iter() {
        let (mode, owner, origin) = (entry.mode, entry.owner, &entry.origin);
        let head = format!("{mode} {}:{} {path}", owner.uid, owner.gid);
        let from = format!("    from {} {}", origin.recipe, origin.source);
        match &entry.kind {
            Kind::Directory => writeln!(out, "== {head}/\n{from}").unwrap(),
            Kind::Symlink(target) => writeln!(out, "== {head} -> {target}\n{from}").unwrap(),
            Kind::File(contents) => {
                writeln!(out, "== {head}\n{from}").unwrap();
                for line in String::from_utf8_lossy(contents.bytes()).lines() {
                    writeln!(out, "{line}").unwrap();
                }
            }
        }
    }
    out
}

#[test]
fn example_trees_are_as_reviewed() {
    let bless = std::env::var_os("KUBI_BLESS").is_some();
    let golden = package_directory().join("tests/golden");
    let (mut different, mut expected) = (Vec::new(), BTreeSet::new());
    for name in example_names() {
        let rendered = render_with(&example(&name), &debian_13(), |_| {});
        let mut kinds = BTreeSet::new();
        for node in &rendered.cluster.spec.nodes {
            if !kinds.insert(node.roles.clone()) {
                continue;
            }
            let file = format!("{name}-{}.txt", node.name);
            let path = golden.join(&file);
            let now = text(&rendered.trees[&node.name]);
            if std::fs::read_to_string(&path).unwrap_or_default() != now {
                different.push(file.clone());
                if bless {
                    std::fs::create_dir_all(&golden).unwrap();
                    std::fs::write(&path, now).unwrap();
                }
            }
            expected.insert(file);
        }
    }
    for entry in std::fs::read_dir(&golden).into_iter().flatten() {
        let entry = entry.unwrap();
        let file = entry.file_name().into_string().unwrap();
        if !expected.contains(&file) {
            if bless {
                std::fs::remove_file(entry.path()).unwrap();
            }
            different.push(format!("{file} (nothing makes it any more)"));
        }
    }
    assert!(different.is_empty(), "these differ from tests/golden: {different:?}; look at `make bless` and `git diff`");
}
