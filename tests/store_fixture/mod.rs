//! A small cluster that can be built in any version, without the rest of kubi.

#![allow(dead_code, reason = "each test file uses a part")]

use kubi::bundle::{Identity, bundle};
use kubi::edge::output::{Output, OutputError};
use kubi::edge::publish::{Build, Publication};
use kubi::spec::model::Architecture;
use kubi::store::{BuildRecord, ImageRecord, NodeRecord, ReviewManifest};
use kubi::tree::{Contents, Digest, Encoding, Entry, Kind, Mode, NodePath, Origin, Owner, SecretRef, Tree};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

pub const NODES: usize = 4;

/// A small tree that differs by node and version.
fn tree(node: &str, version: u64) -> Tree {
    let mut tree = Tree::default();
    let origin =
        Origin { recipe: "node/base".into(), source: "files/etc/hosts.tera".into(), spec: vec!["spec.nodes".into()] };
    let mut add = |path: &str, kind: Kind, mode: Mode| {
        let entry = Entry { kind, mode, owner: Owner::ROOT, origin: origin.clone() };
        tree.insert(NodePath::new(path).unwrap(), entry).unwrap();
    };
    add("/etc/hostname", Kind::File(Contents::public(format!("{node}\n"))), Mode::FILE);
    add("/etc/version", Kind::File(Contents::public(format!("{version}\n"))), Mode::FILE);
    add("/opt/run", Kind::File(Contents::public("#!/bin/sh\n")), Mode::EXECUTABLE);
    add("/etc/link", Kind::Symlink("hostname".into()), Mode::SYMLINK);
    add("/var/lib/empty", Kind::Directory, Mode::DIRECTORY);
    for number in 0..20 {
        let text = format!("{number} {version}\n").repeat(50);
        add(&format!("/etc/many/{number}"), Kind::File(Contents::public(text)), Mode::FILE);
    }
    let secret = SecretRef { name: "key/x".into(), generation: 1, commitment: Digest::of(b"x").to_string() };
    let mut key = Contents::default();
    key.push_secret(secret, Encoding::Pem);
    add("/etc/key", Kind::File(key), Mode::SECRET);
    tree
}

pub fn node_name(number: usize) -> String {
    format!("node-{number:02}")
}

pub fn begin(root: &Path, cluster: &str, waiting: &mut dyn FnMut()) -> Result<Publication, OutputError> {
    Publication::begin(root, cluster, waiting)
}

/// Builds `version` of a cluster; odd versions have a node less.
pub fn build(root: &Path, cluster: &str, version: u64) -> Result<BuildRecord, OutputError> {
    let publication = begin(root, cluster, &mut || ())?;
    let mut nodes = BTreeMap::new();
    for number in 0..NODES - (version % 2) as usize {
        let name = node_name(number);
        let identity = Identity { cluster: cluster.into(), node: name.clone(), architecture: Architecture::Amd64 };
        let tree = tree(&name, version);
        let bundle = bundle(&tree, &identity).unwrap();
        let review = publication.node(&tree, &identity, &bundle)?;
        let bytes = format!("disk of {name} {version}\n").repeat(1000);
        let image = ImageRecord {
            file: format!("{name}-{version}.qcow2"),
            digest: Digest::of(bytes.as_bytes()),
            size: bytes.len() as u64,
        };
        if !publication.has_image(&image.file) {
            let mut image_file = publication.new_image()?;
            image_file.file().write_all(bytes.as_bytes()).unwrap();
            image_file.keep(&image.file)?;
        }
        publication.deploy_file(&format!("{name}.xml"), format!("<domain>{version}</domain>").as_bytes())?;
        let plan = Digest::of(format!("{name} {version}").as_bytes());
        nodes.insert(name, NodeRecord { plan, bundle: bundle.digest, review, overlay: Some(image) });
    }
    publication.deploy_file("deploy.json", format!("{{\"version\":{version}}}").as_bytes())?;
    publication.operator_file("admin.kubeconfig", b"secret")?;
    publication.index(&nodes.iter().map(|(name, node)| (name.as_str(), node.bundle)).collect())?;
    let inputs = Digest::of(&version.to_le_bytes());
    publication.commit(Build { kubi: "0.1.0".into(), inputs, nodes, images: BTreeMap::new(), deploy: None })
}

/// Compares every file of a cluster with what its record says, down to the last byte. Returns the version built.
pub fn check(root: &Path, cluster: &str) -> u64 {
    let output = Output::open(root).unwrap();
    let record = output.built(cluster).unwrap();
    let version = (0..1000u64).find(|v| Digest::of(&v.to_le_bytes()) == record.inputs).unwrap();
    assert_eq!(fs::read(output.build_path(cluster, record.number)).unwrap(), record.to_bytes().unwrap());
    for (name, node) in &record.nodes {
        let read = output.tree(&node.bundle).unwrap();
        let folder = output.node_path(cluster, name);
        let manifest = fs::read(folder.join("manifest.json")).unwrap();
        assert_eq!(Digest::of(&manifest), node.review);
        assert_eq!(ReviewManifest::parse(&manifest).unwrap().bundle, node.bundle);
        for (path, entry) in read.iter() {
            let file = folder.join("tree").join(path.relative());
            match &entry.kind {
                Kind::Directory => assert!(file.is_dir()),
                Kind::File(contents) => assert_eq!(fs::read(&file).unwrap(), contents.bytes()),
                Kind::Symlink(target) => assert_eq!(fs::read_link(&file).unwrap(), Path::new(target)),
            }
        }
        let image = node.overlay.as_ref().unwrap();
        assert_eq!(Digest::of(&fs::read(output.image_path(cluster, &image.file)).unwrap()), image.digest);
    }
    for (file, digest) in &record.files {
        assert_eq!(Digest::of(&fs::read(root.join(cluster).join(file)).unwrap()), *digest, "{file}");
    }
    let on_disk: Vec<_> = list(&root.join(cluster).join("nodes"));
    assert_eq!(on_disk, record.nodes.keys().cloned().collect::<Vec<_>>());
    assert_eq!(record.nodes.len(), NODES - (version % 2) as usize);
    assert!(!root.join(".staging").exists() && !root.join(".commit").exists());
    version
}

pub fn list(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
