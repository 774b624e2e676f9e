//! No secret in any bundle, review tree, manifest, record, libvirt file or message; no authority's key in any image.

mod common;

use common::workspace::{ROOT, Workspace};
use kubi::edge::output::Output;
use kubi::pki::Keys;
use kubi::secret::RootSecret;
use kubi::spec::{Cluster, read};
use kubi::tree::{Encoding, Kind, SecretSource};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap();
        if kind.is_dir() {
            files.extend(files_below(&path));
        } else if kind.is_file() {
            files.push(path);
        }
    }
    files
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Every secret of the cluster in the forms that it is written in, as needles that no public text can have by chance.
fn needles(output: &Output, cluster: &Cluster, keys: &Keys) -> BTreeSet<Vec<u8>> {
    let record = output.built(&cluster.metadata.name).unwrap();
    let mut needles = BTreeSet::from([ROOT.to_vec()]);
    for node in record.nodes.values() {
        for (path, entry) in output.tree(&node.bundle).unwrap().iter() {
            let Kind::File(contents) = &entry.kind else { continue };
            for hole in contents.holes() {
                assert!(!hole.secret.name.starts_with("key/ca/"), "{path} holds an authority's key");
                let secret = keys.secret(&hole.secret, hole.encoding).unwrap();
                let body = match hole.encoding {
                    // The middle line of a PEM file: the first ones are alike in all keys.
                    Encoding::Pem => secret.split(|b| *b == b'\n').nth(2).unwrap().to_vec(),
                    _ => secret[secret.len().saturating_sub(40)..].to_vec(),
                };
                needles.insert(body);
            }
        }
    }
    needles
}

#[test]
fn nothing_but_images_and_the_operators_files_holds_a_secret() {
    let workspace = Workspace::example("single");
    let built = workspace.kubi(["build"]);
    let messages = format!("{}{}", built.stdout, built.stderr);
    let output = Output::open(&workspace.out()).unwrap();
    let (cluster, _) = read(&workspace.spec(), &Default::default()).unwrap();
    let keys = Keys::new(RootSecret::from_bytes(&ROOT).unwrap(), &cluster.metadata.name, &cluster.spec.pki);
    let needles = needles(&output, &cluster, &keys);
    assert!(needles.len() > 10, "only {} secrets were found", needles.len());

    let page = workspace.kubi(["report", "--to", "-"]).success();
    assert!(needles.iter().all(|needle| !contains(page.as_bytes(), needle)), "the report holds a secret");
    let text = workspace.spec();
    workspace.write_spec(&text.replace("epoch: 2026-11-01", "epoch: 2026-12-01"));
    let change = workspace.kubi(["diff", "--format", "html"]).success();
    assert!(
        needles.iter().all(|needle| !contains(change.as_bytes(), needle)),
        "the page about a change holds a secret"
    );
    workspace.write_spec(&text);
    let folder = workspace.out();
    let (mut public, mut in_images) = (0, 0);
    for file in files_below(&folder) {
        let name = file.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        let mut bytes = std::fs::read(&file).unwrap();
        if name.contains("/operator/") || name.ends_with(".raw") {
            continue;
        }
        if name.ends_with(".qcow2") {
            in_images += needles.iter().filter(|needle| contains(&bytes, needle)).count();
            assert!(!contains(&bytes, &ROOT), "{name} holds the root secret");
            continue;
        }
        if let Ok(plain) = zstd::decode_all(bytes.as_slice()) {
            bytes = plain;
        }
        public += 1;
        for needle in &needles {
            assert!(!contains(&bytes, needle), "{name} holds a secret");
        }
    }
    assert!(public > 50 && in_images >= needles.len() - 1, "{public} files, {in_images} secrets in images");
    assert!(needles.iter().all(|needle| !contains(messages.as_bytes(), needle)), "a message holds a secret");
}

#[test]
fn secrets_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = Workspace::example("single");
    workspace.kubi(["build"]).success();
    for file in files_below(&workspace.out()) {
        let name = file.to_string_lossy().into_owned();
        if name.ends_with(".qcow2") || name.contains("/operator/") {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
    }
}
