//! What only large or odd base images have: indexed directories, shared attributes, fragments, old times.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]

mod image_support;

use image_support::*;
use kubi::tree::{Kind, Tree};

/// A base image with an indexed directory `/etc/big` of `files` files.
fn indexed(files: usize, options: &[&str]) -> Image {
    let host = Host::new();
    for number in 0..files {
        host.file(&format!("etc/big/already-there-{number:05}"), "old");
    }
    let image = Image::new(&host, 96, options);
    run_repair("e2fsck", &["-fyD", &image.root()]);
    let index = run("debugfs", &["-R", "htree_dump /etc/big", &image.root()]);
    assert!(index.contains("Root node dump"), "{index}");
    image
}

fn into_big(new: usize, replaced: usize) -> Tree {
    let mut tree = Tree::default();
    for number in 0..new {
        let name = format!("/etc/big/{}-{number}", "new".repeat(1 + number % 40));
        add(&mut tree, &name, file(format!("{number}")), 0o644, (0, 0));
    }
    for number in 0..replaced {
        let kind = if number % 2 == 0 { file("new") } else { link("elsewhere") };
        add(&mut tree, &format!("/etc/big/already-there-{number:05}"), kind, 0o640, (3, 4));
    }
    add(&mut tree, "/etc/big/directory", Kind::Directory, 0o700, (0, 0));
    add(&mut tree, "/etc/big/größe", file("beyond ASCII"), 0o644, (0, 0));
    tree
}

#[test]
fn indexed_directories_stay_indexed_and_right() {
    let cases: [(usize, usize, &[&str]); 5] = [
        (3000, 1500, &[]),
        (3000, 1500, &["-O", "^metadata_csum,uninit_bg"]),
        // Two levels already, with full nodes.
        (4500, 200, &["-b", "1024", "-N", "20000"]),
        // The index grows its second level, and nodes split after that.
        (600, 5000, &["-b", "1024", "-N", "20000"]),
        (400, 3, &["-O", "metadata_csum_seed,orphan_file"]),
    ];
    for (old, new, options) in cases {
        let image = indexed(old, options);
        let base = image.base();
        let tree = into_big(new, 50);
        let overlay = overlay(&base, &tree);
        let root = check(image.directory.path(), &overlay, image.root_bytes);
        compare(&root, &tree);
        let facts = &stat(&root, &["/etc/big"])[0];
        let indexed = u32::from_str_radix(facts["Flags"].trim_start_matches("0x"), 16).unwrap() & 0x1000 != 0;
        assert!(indexed, "{old} {new} {options:?}");
        let listed = run("debugfs", &["-R", "ls -p /etc/big", text(&root)]);
        assert_eq!(
            listed.lines().filter(|line| line.starts_with('/') && !line.starts_with("/0/")).count(),
            old + new + 2 + 2,
            "{options:?}"
        );
        // The index itself: e2fsck looks up every name through it when it rebuilds nothing.
        run("e2fsck", &["-fn", text(&root)]);
    }
}

#[test]
fn attributes_that_inodes_share_stay_with_the_others() {
    let image = Image::new(&Host::new(), 16, &[]);
    let value = "v".repeat(200);
    image.change(&format!("ea_set /etc/hosts user.shared {value}\nea_set /etc/hostname user.own {value}\n"));
    let block = run("debugfs", &["-R", "stat /etc/hosts", &image.root()]);
    let block = block.split("File ACL: ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert_ne!(block, "0");
    image.change(&format!("sif /etc/machine-id file_acl {block}\nsif /etc/machine-id blocks 8\n"));
    run_repair("e2fsck", &["-fy", &image.root()]);
    let tree = tree([
        ("/etc/machine-id", file("0123456789abcdef0123456789abcdef\n"), 0o444, (0, 0)),
        ("/etc/hostname", file("kubi\n"), 0o644, (0, 0)),
    ]);
    let root = check(image.directory.path(), &overlay(&image.base(), &tree), image.root_bytes);
    compare(&root, &tree);
    let kept = run("debugfs", &["-R", "ea_get /etc/hosts user.shared", text(&root)]);
    assert!(kept.contains(&value), "{kept}");
    let gone = run("debugfs", &["-R", "ea_list /etc/hostname", text(&root)]);
    assert!(!gone.contains("user.own"), "{gone}");
    let bytes = std::sync::Arc::new(overlay(&image.base(), &tree).to_bytes().to_vec());
    let base = image.base();
    let found = kubi::image::verify_overlay(bytes, &base, &options(&base), &tree, &Secrets).unwrap();
    assert_eq!(found, []);
}

#[test]
fn a_big_file_fills_scattered_free_space() {
    let host = Host::new();
    for number in 0..3000 {
        host.file(&format!("srv/block-{number:04}"), &"b".repeat(1024));
    }
    for options in [["-b", "1024", "-N", "4000"].as_slice(), &["-b", "1024", "-N", "4000", "-O", "^metadata_csum"]] {
        let image = Image::new(&host, 9, options);
        let free: String = (0..3000).step_by(2).map(|number| format!("rm /srv/block-{number:04}\n")).collect();
        image.change(&free);
        run_repair("e2fsck", &["-fy", &image.root()]);
        let base = image.base();
        let facts = run("dumpe2fs", &["-h", &image.root()]);
        let free = facts.split("Free blocks:").nth(1).unwrap().split_whitespace().next().unwrap();
        let blocks = free.parse::<usize>().unwrap() - 90;
        let bytes: Vec<u8> = (0..blocks * 1024 - 7).map(|i| (i % 253) as u8).collect();
        let tree = tree([("/srv/big", file(bytes), 0o644, (0, 0))]);
        let root = check(image.directory.path(), &overlay(&base, &tree), image.root_bytes);
        compare(&root, &tree);
        let pieces = run("debugfs", &["-R", "dump_extents -n /srv/big", text(&root)]);
        assert!(pieces.lines().any(|line| line.contains("2/ 2") || line.contains("1/ 1")), "{pieces}");
        // And replaced, the tree of blocks is freed as a whole.
        let again = open(&whole_disk(&image, &root), kubi::image::ImageFormat::Raw);
        let small = image_support::tree([("/srv/big", file("small"), 0o644, (0, 0))]);
        let root = check(image.directory.path(), &overlay(&again, &small), image.root_bytes);
        compare(&root, &small);
    }
}

/// Puts a changed root back into its disk, as a base image of its own.
fn whole_disk(image: &Image, root: &std::path::Path) -> std::path::PathBuf {
    let mut disk = std::fs::read(&image.path).unwrap();
    let bytes = std::fs::read(root).unwrap();
    disk[ROOT_START as usize..ROOT_START as usize + bytes.len()].copy_from_slice(&bytes);
    let path = image.directory.path().join("base.raw");
    std::fs::write(&path, disk).unwrap();
    path
}

#[test]
fn links_devices_and_old_block_maps_are_replaced_whole() {
    let image = Image::new(&Host::new(), 16, &["-b", "1024", "-O", "^metadata_csum"]);
    // A file with an old block map, as a volume has it that once was ext3: double indirect.
    let big = image.directory.path().join("big");
    std::fs::write(&big, vec![b'o'; 700_000]).unwrap();
    image.change(&format!(
        "feature -extents\nwrite {} /etc/old-map\nfeature extents\n\
         mknod /etc/pipe p\nmknod /etc/device c 1 3\nln /etc/pipe /etc/pipe2\n",
        text(&big)
    ));
    run_repair("e2fsck", &["-fy", &image.root()]);
    let base = image.base();
    assert_eq!(kubi::image::read_file(&base, "/etc/old-map").unwrap().unwrap(), vec![b'o'; 700_000]);
    let tree = tree([
        ("/etc/old-map", file("short"), 0o644, (0, 0)),
        ("/etc/pipe", file("a file"), 0o644, (0, 0)),
        ("/etc/device", link("pipe"), 0o777, (0, 0)),
    ]);
    let root = check(image.directory.path(), &overlay(&base, &tree), image.root_bytes);
    compare(&root, &tree);
}
