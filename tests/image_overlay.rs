//! Overlays on real base images, checked with qemu-img, e2fsck and debugfs.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]

mod image_support;

use image_support::*;
use kubi::image::{ImageError, verify_overlay};
use kubi::tree::{Kind, Tree};
use std::sync::Arc;

/// Everything that a tree can do to a base image.
fn full_tree() -> Tree {
    let mut tree = tree([
        ("/etc/hostname", file("kubi-controller-01\n"), 0o644, (0, 0)),
        ("/etc/resolv.conf", link("../run/systemd/resolve/resolv.conf"), 0o777, (0, 0)),
        ("/etc/hosts", link("hostname"), 0o777, (0, 0)),
        ("/etc/dangling", file("a file over a link\n"), 0o640, (0, 42)),
        ("/etc/long", file("over a long link\n"), 0o640, (0, 42)),
        ("/etc/beta", file("must not reach alpha\n"), 0o644, (0, 0)),
        ("/etc/systemd", Kind::Directory, 0o750, (780, 781)),
        ("/etc/systemd/system/etcd.service", file("[Unit]\n"), 0o644, (0, 0)),
        ("/etc/etcd", Kind::Directory, 0o700, (780, 780)),
        ("/etc/etcd/server.key", Kind::File(secret("key/etcd-server/a")), 0o600, (780, 780)),
        ("/var/lib/kubi/a/b/c/d/e/f", file("deep"), 0o1777, (70_000, 2_000_000_000)),
        ("/bin/kubi-tool", file("#!/bin/sh\n"), 0o4755, (0, 0)),
        ("/lib/kubi/new/file", file("x"), 0o600, (0, 0)),
        ("/var/run/kubi", Kind::Directory, 0o2755, (0, 5)),
        ("/usr/lib/systemd/systemd", file(vec![7u8; 300_001]), 0o755, (0, 0)),
        ("/empty", file(""), 0o444, (0, 0)),
        ("/srv/big", file((0..9_000_000u32).map(|i| (i % 251) as u8).collect::<Vec<_>>()), 0o644, (1, 2)),
        ("/etc/new-long-link", link(&"0123456789/".repeat(9)), 0o777, (0, 0)),
        ("/etc/link-of-59", link(&"a".repeat(59)), 0o777, (0, 0)),
        ("/etc/link-of-60", link(&"a".repeat(60)), 0o777, (0, 0)),
    ]);
    for number in 0..300 {
        add(&mut tree, &format!("/etc/many/file-with-a-long-name-{number:05}"), file("m"), 0o644, (0, 0));
    }
    tree
}

#[test]
fn a_tree_reaches_every_kind_of_ext4_intact() {
    let variants: [&[&str]; 9] = [
        &[],
        &["-O", "orphan_file,metadata_csum_seed"],
        &["-O", "^metadata_csum,uninit_bg"],
        &["-O", "^metadata_csum,^uninit_bg,^64bit,^flex_bg"],
        &["-O", "^has_journal", "-b", "1024"],
        &["-b", "1024", "-O", "^64bit", "-I", "128"],
        &["-b", "2048", "-O", "sparse_super2", "-G", "4"],
        &["-b", "4096", "-g", "2048"],
        &["-b", "1024", "-g", "1024", "-O", "^resize_inode"],
    ];
    let host = Host::new();
    let tree = full_tree();
    for options in variants {
        let image = Image::new(&host, 48, options);
        run("e2fsck", &["-fn", &image.root()]);
        let base = image.base();
        let overlay = overlay(&base, &tree);
        let root = check(image.directory.path(), &overlay, image.root_bytes);
        compare(&root, &tree);
        let facts =
            stat(&root, &["/etc/alpha", "/etc/hostname", "/usr/lib/kubi/new", "/run/kubi", "/usr/bin/kubi-tool"]);
        assert_eq!((facts[0]["Links"].as_str(), facts[0]["Size"].as_str()), ("1", "21"), "{options:?}");
        assert!(facts[1]["Text"].contains("mtime: 0x6ae68100"), "{}", facts[1]["Text"]);
        let bytes = Arc::new(overlay.to_bytes().to_vec());
        let found = verify_overlay(bytes, &base, &image_support::options(&base), &tree, &Secrets).unwrap();
        assert_eq!(found, [], "{options:?}");
    }
}

#[test]
fn an_empty_tree_changes_nothing() {
    let image = Image::new(&Host::new(), 16, &[]);
    let base = image.base();
    let overlay = overlay(&base, &Tree::default());
    check(image.directory.path(), &overlay, image.root_bytes);
    assert!(overlay.size() <= 5 * 16384, "{}", overlay.size());
}

#[test]
fn what_does_not_fit_is_refused_by_path() {
    let image = Image::new(&Host::new(), 16, &[]);
    let base = image.base();
    let refuse = |path: &'static str, kind: Kind, expected: &str| {
        let tree = tree([(path, kind, 0o644, (0, 0))]);
        let error = kubi::image::write_overlay(&base, &options(&base), &tree, &Secrets).err().unwrap().to_string();
        assert!(error.contains(expected) && error.contains(path.trim_end_matches("/x")), "{error}");
    };
    refuse("/etc", file("x"), "is a directory in the base image");
    refuse("/etc/systemd", link("x"), "is a directory in the base image");
    refuse("/etc/hostname", Kind::Directory, "no directory in the base image");
    refuse("/etc/hostname/x", file("x"), "no directory");
    refuse("/etc/dangling/x", file("x"), "does not exist");
    let twice = tree([("/bin/x", file("1"), 0o644, (0, 0)), ("/usr/bin/x", file("2"), 0o644, (0, 0))]);
    let error = kubi::image::write_overlay(&base, &options(&base), &twice, &Secrets).err().unwrap().to_string();
    assert!(error.contains("/bin/x") && error.contains("/usr/bin/x"), "{error}");
}

#[test]
fn too_few_blocks_or_inodes_are_refused_with_numbers() {
    let image = Image::new(&Host::new(), 16, &["-N", "128"]);
    let base = image.base();
    let refuse = |tree: &Tree| match kubi::image::write_overlay(&base, &options(&base), tree, &Secrets) {
        Err(error @ ImageError::NoSpace { .. }) => error.to_string(),
        other => panic!("{:?}", other.map(|o| o.size())),
    };
    let big = tree([("/big", file(vec![1; 20 << 20]), 0o644, (0, 0))]);
    let error = refuse(&big);
    assert!(error.contains("needs 51") || error.contains("needs 20"), "{error}");
    let mut many = Tree::default();
    for number in 0..200 {
        add(&mut many, &format!("/many/{number}"), file(""), 0o644, (0, 0));
    }
    assert!(refuse(&many).contains("201 inodes"), "{}", refuse(&many));
}

#[test]
fn verify_names_every_difference() {
    let image = Image::new(&Host::new(), 16, &[]);
    let base = image.base();
    let right = tree([
        ("/etc/hostname", file("kubi\n"), 0o644, (0, 0)),
        ("/etc/kubi/key", Kind::File(secret("key/a")), 0o600, (780, 780)),
        ("/etc/kubi/link", link("key"), 0o777, (0, 0)),
    ]);
    let good = overlay(&base, &right).to_bytes().to_vec();
    let differences = |bytes: &[u8], tree: &Tree| -> Vec<String> {
        let found = verify_overlay(Arc::new(bytes.to_vec()), &base, &options(&base), tree, &Secrets).unwrap();
        found.iter().map(ToString::to_string).collect()
    };
    assert_eq!(differences(&good, &right), Vec::<String>::new());

    // One byte of a file's contents, wherever it is stored.
    let at = good.windows(5).position(|w| w == b"kubi\n").unwrap();
    let mut bad = good.clone();
    bad[at] = b'K';
    let found = differences(&bad, &right);
    let place = at / 512 * 512;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains(&format!("bytes {place} to ")), "{found:?}");
    assert_eq!(found[1], "/etc/hostname: has other contents than the tree");

    // Another tree: each path once, and no byte of a secret.
    let mut other = tree([
        ("/etc/hostname", file("kubi\n"), 0o600, (0, 0)),
        ("/etc/kubi/key", Kind::File(secret("key/b")), 0o600, (780, 781)),
        ("/etc/kubi/link", link("other"), 0o777, (0, 0)),
    ]);
    add(&mut other, "/etc/hosts", file("x"), 0o644, (0, 0));
    let told = differences(&good, &other).join("\n");
    for expected in [
        "/etc/hostname: has mode 0644",
        "/etc/kubi/key: belongs to 780:780",
        "/etc/kubi/link: has other",
        "/etc/hosts: has",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(!told.contains("secret of"), "{told}");
    let fewer = tree([("/etc/hostname", file("kubi\n"), 0o644, (0, 0))]);
    assert!(differences(&good, &fewer).join("\n").contains("/etc/kubi: is neither in the base image nor in the tree"));

    // A file of the base image changed behind the tree's back, through QEMU's own writer.
    let path = image.directory.path().join("node.qcow2");
    std::fs::write(&path, &good).unwrap();
    let block = run("debugfs", &["-R", "blocks /usr/bin/true", &image.root()]);
    let block: u64 = block.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    run("qemu-io", &["-c", &format!("write -P 65 {} 4096", ROOT_START + block * 4096), text(&path)]);
    let found = differences(&std::fs::read(&path).unwrap(), &right).join("\n");
    assert!(found.contains("/usr/bin/true: has other contents than in the base image"), "{found}");
    // Cut off, or no overlay at all.
    let cut = differences(&good[..good.len() - 20_000], &right).join("\n");
    assert!(cut.contains("should have") && cut.contains("cannot be read back"), "{cut}");
    assert!(!differences(b"", &right).is_empty());
}
