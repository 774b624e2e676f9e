//! The canonical encoding: properties, hostile input, and what `tar` and `zstd` make of it.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests reach the machine and may fail"
)]

use kubi::bundle::{Bundle, Identity, bundle, read_config, unbundle};
use kubi::spec::model::Architecture;
use kubi::tree::{Contents, Digest, Encoding, Entry, Kind, Mode, NodePath, Origin, Owner, SecretRef, Tree};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

fn identity() -> Identity {
    Identity { cluster: "dev".into(), node: "kubi-worker-01".into(), architecture: Architecture::Amd64 }
}

fn entry(kind: Kind) -> Entry {
    let origin = Origin { recipe: "node/base".into(), source: "files/x".into(), spec: vec!["spec.x".into()] };
    let mode = if kind == Kind::Directory { Mode::DIRECTORY } else { Mode::FILE };
    Entry { kind, mode, owner: Owner::ROOT, origin }
}

fn file(bytes: impl Into<Vec<u8>>) -> Entry {
    entry(Kind::File(Contents::public(bytes)))
}

fn tree(entries: Vec<(&str, Entry)>) -> Tree {
    let mut tree = Tree::default();
    for (path, entry) in entries {
        tree.insert(NodePath::new(path).unwrap(), entry).unwrap();
    }
    tree
}

fn secret(name: &str) -> SecretRef {
    SecretRef { name: name.into(), generation: 1, commitment: Digest::of(name.as_bytes()).to_string() }
}

fn kubeconfig() -> Contents {
    let mut contents = Contents::public("users:\n- key: ");
    contents.push_secret(secret("key/kubelet/kubi-worker-01"), Encoding::PemBase64);
    contents.push(b"\n- key: ");
    contents.push_secret(secret("key/other"), Encoding::PemBase64);
    contents.push(b"\n");
    contents
}

fn without_origins(tree: &Tree) -> Tree {
    let mut bare = Tree::default();
    for (path, entry) in tree.iter() {
        bare.insert(path.clone(), Entry { origin: Origin::default(), ..entry.clone() }).unwrap();
    }
    bare
}

fn sample() -> Tree {
    let deep = format!("/{}/{}/{}", "d".repeat(80), "e".repeat(90), "f".repeat(120));
    let split = format!("/{}/{}", "d".repeat(80), "g".repeat(60));
    tree(vec![
        ("/etc", entry(Kind::Directory)),
        ("/etc/hosts", file("127.0.0.1 localhost\n")),
        ("/etc/empty", file("")),
        ("/etc/block", file(vec![7; 512])),
        ("/etc/kubeconfig", Entry { mode: Mode::SECRET, ..entry(Kind::File(kubeconfig())) }),
        ("/etc/link", Entry { mode: Mode::SYMLINK, ..entry(Kind::Symlink("../x".into())) }),
        ("/etc/link-far", Entry { mode: Mode::SYMLINK, ..entry(Kind::Symlink("t/".repeat(80))) }),
        ("/opt/tool", Entry { mode: Mode::EXECUTABLE, ..file("#!/bin/sh\n") }),
        ("/opt/ü", Entry { owner: Owner { uid: 780, gid: 4_000_000_000 }, ..file("ü") }),
        (&deep, file("deep")),
        (&split, file("split")),
    ])
}

fn read(bundle: &Bundle) -> Result<Tree, String> {
    unbundle(&bundle.manifest, &bundle.config, &bundle.layer).map_err(|error| error.to_string())
}

prop_compose! {
    fn any_contents()(parts in prop::collection::vec((any::<Vec<u8>>(), prop::option::of(("[a-z/]{1,20}", 1u32..9, 0usize..4))), 0..4)) -> Contents {
        let encodings = [Encoding::Pem, Encoding::PemBase64, Encoding::Base64, Encoding::Raw];
        let mut contents = Contents::default();
        for (bytes, hole) in parts {
            contents.push(&bytes);
            if let Some((name, generation, encoding)) = hole {
                contents.push_secret(SecretRef { generation, ..secret(&name) }, encodings[encoding]);
            }
        }
        contents
    }
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Directory), any_contents().prop_map(Kind::File), "[^\0]{1,120}".prop_map(Kind::Symlink),]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    (any_kind(), 0u16..0o10000, any::<u32>(), 0u32..1000).prop_map(|(kind, mode, uid, gid)| Entry {
        kind,
        mode: Mode::new(mode).unwrap(),
        owner: Owner { uid, gid },
        origin: Origin { recipe: "a/b".into(), ..Origin::default() },
    })
}

/// Paths that collide, nest and grow long; entries below a file or link are left out, as they make no valid tree.
fn any_entries() -> impl Strategy<Value = BTreeMap<NodePath, Entry>> {
    let path = "(/(a|b|[a-z.-]{3,40}x|[äöü]{20,60}x)){1,4}";
    prop::collection::btree_map(path, any_entry(), 0..12).prop_map(|entries| {
        let entries: BTreeMap<NodePath, Entry> =
            entries.into_iter().filter_map(|(path, entry)| Some((NodePath::new(path).ok()?, entry))).collect();
        let is_directory = |path: &NodePath| entries.get(path).is_none_or(|e| e.kind == Kind::Directory);
        let valid =
            |path: &NodePath| std::iter::successors(path.parent(), NodePath::parent).all(|up| is_directory(&up));
        entries.iter().filter(|(path, _)| valid(path)).map(|(p, e)| (p.clone(), e.clone())).collect()
    })
}

fn insert_all<'a>(entries: impl Iterator<Item = (&'a NodePath, &'a Entry)>) -> Tree {
    let mut tree = Tree::default();
    entries.for_each(|(path, entry)| tree.insert(path.clone(), entry.clone()).unwrap());
    tree
}

proptest! {
    #[test]
    fn reading_gives_the_tree_back(entries in any_entries()) {
        let tree = insert_all(entries.iter());
        prop_assert_eq!(read(&bundle(&tree, &identity()).unwrap()).unwrap(), without_origins(&tree));
    }

    #[test]
    fn insertion_order_does_not_matter(entries in any_entries()) {
        let (forth, back) = (insert_all(entries.iter()), insert_all(entries.iter().rev()));
        prop_assert_eq!(bundle(&forth, &identity()).unwrap(), bundle(&back, &identity()).unwrap());
    }

    #[test]
    fn different_trees_have_different_digests(one in any_entries(), other in any_entries()) {
        let (one, other) = (insert_all(one.iter()), insert_all(other.iter()));
        let same = without_origins(&one) == without_origins(&other);
        prop_assert_eq!(bundle(&one, &identity()).unwrap().digest == bundle(&other, &identity()).unwrap().digest, same);
    }

    #[test]
    fn no_damaged_byte_is_accepted(which in 0usize..3, at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bundle = bundle(&sample(), &identity()).unwrap();
        let blob = [&mut bundle.manifest, &mut bundle.config, &mut bundle.layer].into_iter().nth(which).unwrap();
        let at = at.index(blob.len());
        blob[at] ^= flip;
        prop_assert!(read(&bundle).is_err());
    }
}

#[test]
fn every_field_is_part_of_the_digest() {
    let base = |change: &dyn Fn(&mut Entry)| {
        let mut changed = file("x");
        change(&mut changed);
        bundle(&tree(vec![("/etc/x", changed)]), &identity()).unwrap().digest
    };
    let reference = base(&|_| ());
    assert_eq!(base(&|e| e.origin.recipe = "another/recipe".into()), reference, "origins stay outside");
    let changes: [&dyn Fn(&mut Entry); 5] =
        [&|e| e.mode = Mode::SECRET, &|e| e.owner.uid = 1, &|e| e.owner.gid = 1, &|e| e.kind = Kind::Directory, &|e| {
            e.kind = Kind::File(Contents::public("y"))
        }];
    for (number, change) in changes.iter().enumerate() {
        assert_ne!(base(change), reference, "change {number}");
    }
    let t = tree(vec![("/etc/x", file("x"))]);
    for other in [
        Identity { cluster: "prod".into(), ..identity() },
        Identity { node: "kubi-worker-02".into(), ..identity() },
        Identity { architecture: Architecture::Arm64, ..identity() },
    ] {
        assert_ne!(bundle(&t, &other).unwrap().digest, reference, "{other:?}");
    }
}

#[test]
fn a_rotated_secret_changes_the_digest() {
    let with = |secret: SecretRef| {
        let mut contents = Contents::default();
        contents.push_secret(secret, Encoding::Base64);
        bundle(&tree(vec![("/k", entry(Kind::File(contents)))]), &identity()).unwrap().digest
    };
    let other = SecretRef { commitment: Digest::of(b"rotated").to_string(), ..secret("a") };
    assert_ne!(with(secret("a")), with(other));
}

#[test]
fn config_and_manifest_are_canonical_json() {
    let bundle = bundle(&sample(), &identity()).unwrap();
    for blob in [&bundle.config, &bundle.manifest] {
        let value: serde_json::Value = serde_json::from_slice(blob).unwrap();
        assert_eq!(String::from_utf8_lossy(blob), sorted(&value));
    }
    let (whose, entries) = read_config(&bundle.config).unwrap();
    assert_eq!((whose, entries.len()), (identity(), sample().len()));
    assert!(entries.windows(2).all(|pair| pair[0].path < pair[1].path));
}

/// RFC 8785 for what kubi writes: keys sorted, nothing between tokens.
fn sorted(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let fields: Vec<_> =
                sorted.iter().map(|(k, v)| format!("{}:{}", serde_json::json!(k), self::sorted(v))).collect();
            format!("{{{}}}", fields.join(","))
        }
        serde_json::Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}

#[test]
fn a_file_as_parent_is_refused() {
    let bad = tree(vec![("/etc", entry(Kind::Symlink("/".into()))), ("/etc/x", file("x"))]);
    assert!(bundle(&bad, &identity()).unwrap_err().to_string().contains("no directory"));
}

/// The bytes of this bundle are a promise: they change only with the format's version, the changelog says so.
#[test]
fn the_format_has_not_changed() {
    let digest = bundle(&sample(), &identity()).unwrap().digest;
    assert_eq!(digest.as_str(), "sha256:1885245acb98db7e42e4ca1ce2ffb3605150b08f21e6f9291e115109cd3046e5");
}

#[test]
fn tar_and_zstd_unpack_the_layer() {
    let directory = tempfile::tempdir().unwrap();
    let layer = directory.path().join("layer.tar.zst");
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(&layer, bundle(&sample(), &identity()).unwrap().layer).unwrap();
    run(Command::new("zstd").args(["-q", "-t"]).arg(&layer));
    run(Command::new("tar").args(["--zstd", "-p", "--no-same-owner", "-xf"]).arg(&layer).arg("-C").arg(&root));
    let sample = sample();
    for (path, entry) in sample.iter() {
        let on_disk = root.join(path.relative());
        let metadata = fs::symlink_metadata(&on_disk).unwrap();
        match &entry.kind {
            Kind::Directory => assert!(metadata.is_dir(), "{path}"),
            Kind::File(contents) => assert_eq!(fs::read(&on_disk).unwrap(), contents.bytes(), "{path}"),
            Kind::Symlink(target) => assert_eq!(fs::read_link(&on_disk).unwrap().to_str(), Some(target.as_str())),
        }
        if !metadata.is_symlink() {
            assert_eq!(metadata.mode() & 0o7777, u32::from(entry.mode.bits()), "{path}");
            assert_eq!(metadata.mtime(), 0, "{path}");
        }
    }
    let listing = run(Command::new("tar").args(["--zstd", "--numeric-owner", "-tvf"]).arg(&layer));
    assert!(
        listing.lines().any(|line| line.contains("780/4000000000") && line.ends_with("opt/\\303\\274")),
        "{listing}"
    );
    assert_eq!(listing.lines().count(), sample.len());
}

fn run(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
