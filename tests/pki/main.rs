//! Keys, certificates and sealed files against OpenSSL, age, OpenSSH and an independent X.509 parser.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod extensions;
mod import;
mod keys;
mod sealing;

use kubi::pki::{Authority, Issued, Keys, Request};
use kubi::secret::RootSecret;
use kubi::spec;
use kubi::tree::{Encoding, SecretSource as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A `spec.pki` from what follows its epoch.
fn spec_pki(yaml: &str) -> spec::Pki {
    serde_saphyr::from_str(&format!("epoch: 2026-11-01\n{yaml}")).unwrap()
}

/// Keys of the root secret 00 01 02 .. 1f.
fn keys(pki: &spec::Pki) -> Keys {
    let root: Vec<u8> = (0..32).collect();
    Keys::new(RootSecret::from_bytes(&root).unwrap(), "dev", pki)
}

fn authorities() -> Vec<Authority> {
    let authority = |name: &str, parent: Option<&str>| Authority {
        name: name.into(),
        common_name: format!("dev {name}"),
        parent: parent.map(str::to_owned),
    };
    vec![
        authority("cluster", None),
        authority("etcd", None),
        authority("front-proxy", None),
        authority("cluster-signing", Some("cluster")),
    ]
}

fn server(name: &str, authority: &str) -> Request {
    Request {
        name: name.into(),
        authority: authority.into(),
        common_name: "kubi-controller-01".into(),
        server: true,
        client: true,
        dns: ["kubi-controller-01", "localhost", "LOCALHOST", "*.example.com"].map(str::to_owned).to_vec(),
        addresses: ["192.168.24.11", "127.0.0.1", "fd00::1", "127.0.0.1"].map(|text| text.parse().unwrap()).to_vec(),
        ..Request::default()
    }
}

fn client(name: &str, common_name: &str, organizations: &[&str]) -> Request {
    Request {
        name: name.into(),
        authority: "cluster".into(),
        common_name: common_name.into(),
        organizations: organizations.iter().map(|text| (*text).to_owned()).collect(),
        client: true,
        ..Request::default()
    }
}

/// Runs `openssl` with arguments split at blanks, inside a folder.
#[track_caller]
fn openssl(directory: &Path, arguments: &str) -> common::Finished {
    let tool = common::require_tool("openssl", "openssl");
    let arguments = arguments.split_whitespace();
    common::run(Command::new(tool).args(arguments).current_dir(directory), Duration::from_secs(60))
}

/// Writes `ca.crt`, `leaf.crt` and `leaf.key`, lets OpenSSL check the key, and gives `openssl x509 -text` of the leaf.
fn write(keys: &Keys, issued: &Issued, authority_pem: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("ca.crt"), authority_pem).unwrap();
    std::fs::write(path.join("leaf.crt"), &issued.certificate_pem).unwrap();
    std::fs::write(path.join("leaf.key"), keys.secret(&issued.key, Encoding::Pem).unwrap()).unwrap();
    openssl(path, "pkey -in leaf.key -check -noout").success();
    let text = openssl(path, "x509 -in leaf.crt -noout -text").success();
    (directory, text)
}

/// Verifies `leaf.crt` up to `ca.crt` by the letter of RFC 5280, at a time within the tests' validity.
fn verify(directory: &Path, purpose: &str) -> common::Finished {
    let options = "-x509_strict -check_ss_sig -attime 1800000000 -CAfile ca.crt -untrusted leaf.crt";
    openssl(directory, &format!("verify {options} -purpose {purpose} leaf.crt"))
}
