//! Random trees on random base images: read back equal by e2fsprogs, a second ext4 implementation and `verify_overlay`.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]

mod image_support;

use image_support::*;
use kubi::image::verify_overlay;
use kubi::tree::{Kind, NodePath, Tree};
use proptest::prelude::*;
use std::sync::Arc;

const FEATURES: [&str; 6] = [
    "metadata_csum",
    "^metadata_csum,uninit_bg",
    "^metadata_csum,^uninit_bg,^64bit",
    "orphan_file,metadata_csum_seed",
    "^has_journal,sparse_super2",
    "^flex_bg,^dir_index",
];

/// Few names, so that trees meet what is there.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]", "[a-c]", "[a-z]{1,12}", "[a-z]{200,255}", Just("größe-ä".to_owned())]
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..5).prop_map(|names| format!("/{}", names.join("/")))
}

fn body() -> impl Strategy<Value = (u8, usize)> {
    (0..10u8, prop_oneof![0..100usize, 1000..9000usize, Just(4096), Just(65_536), 100_000..300_000usize])
}

fn kind((choice, size): (u8, usize)) -> Kind {
    match choice {
        0 | 1 => Kind::Directory,
        2 | 3 => link(&"t/".repeat(1 + size % 300)),
        4 => Kind::File(secret("key/random")),
        _ => file((0..size).map(|i| (i * 7 % 256) as u8).collect::<Vec<_>>()),
    }
}

/// Leaves out whatever lies below a file or link of the same tree.
fn build(entries: Vec<(String, (u8, usize), u16, u32)>) -> Tree {
    let mut tree = Tree::default();
    for (path, body, mode, owner) in entries {
        let path = NodePath::new(path).unwrap();
        let mut parents = std::iter::successors(path.parent(), NodePath::parent);
        let fits = parents.all(|parent| tree.get(&parent).is_none_or(|entry| entry.kind == Kind::Directory));
        let kind = kind(body);
        let has_children = tree.iter().any(|(other, _)| other.as_str().starts_with(&format!("{path}/")));
        if fits && tree.get(&path).is_none() && (kind == Kind::Directory || !has_children) {
            let mode = if matches!(kind, Kind::Symlink(_)) { 0o777 } else { mode };
            add(&mut tree, path.as_str(), kind, mode, (owner, owner / 3));
        }
    }
    tree
}

fn entries(count: usize) -> impl Strategy<Value = Vec<(String, (u8, usize), u16, u32)>> {
    prop::collection::vec((path(), body(), 0..0o10000u16, 0..200_000u32), 0..count)
}

/// The same tree on the host, as far as it is not in the way of itself.
fn host_of(tree: &Tree) -> Host {
    let host = Host::new();
    for (path, entry) in tree.iter() {
        match &entry.kind {
            Kind::Directory => host.directory(path.relative()),
            Kind::File(contents) => host.file(path.relative(), &"o".repeat(contents.bytes().len())),
            Kind::Symlink(target) => host.link(path.relative(), target),
        }
    }
    host
}

/// Reads all files with another implementation of ext4.
fn compare_independently(root: &std::path::Path, tree: &Tree) {
    let device = Arc::new(fs_ext4::block_io::FileDevice::open(text(root)).unwrap());
    let volume = fs_ext4::fs::Filesystem::mount(device).unwrap();
    for (path, entry) in tree.iter() {
        let Kind::File(contents) = &entry.kind else { continue };
        let number = volume.lookup_path_bytes(path.as_str().as_bytes()).unwrap();
        let (inode, _) = volume.read_inode_verified(number).unwrap();
        let bytes = fs_ext4::file_io::read_all(&volume, &inode).unwrap();
        assert!(bytes == *contents.fill(&Secrets).unwrap(), "{path}");
    }
}

#[test]
fn random_trees_read_back_equal() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 8,
        max_global_rejects: 400,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let strategy = (entries(30), entries(40), 0..FEATURES.len(), prop_oneof![Just("1024"), Just("4096")]);
    runner
        .run(&strategy, |(old, new, features, block)| {
            let image = Image::new(&host_of(&build(old)), 32, &["-O", FEATURES[features], "-b", block, "-N", "2000"]);
            let base = image.base();
            let new = build(new);
            let written = match kubi::image::write_overlay(&base, &options(&base), &new, &Secrets) {
                // A file where the base image has a directory, and the like.
                Err(kubi::image::ImageError::Path { .. }) => {
                    return Err(TestCaseError::reject("does not fit the base"));
                }
                other => other.unwrap(),
            };
            let root = check(image.directory.path(), &written, image.root_bytes);
            compare(&root, &new);
            compare_independently(&root, &new);
            let bytes = written.to_bytes().to_vec();
            let again = overlay(&image.base(), &new).to_bytes();
            prop_assert!(bytes == *again, "two runs differ");
            let found = verify_overlay(Arc::new(bytes), &base, &options(&base), &new, &Secrets).unwrap();
            prop_assert_eq!(found, []);
            Ok(())
        })
        .unwrap();
}
