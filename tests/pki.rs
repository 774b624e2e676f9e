//! Keys and certificates against OpenSSL and an independent X.509 parser.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kubi::pki::{Authority, Issued, Keys, Pki, Request};
use kubi::secret::RootSecret;
use kubi::spec;
use kubi::tree::{Digest, Encoding, SecretSource as _};
use std::path::Path;
use std::process::Command;

fn spec_pki(yaml: &str) -> spec::Pki {
    serde_saphyr::from_str(&format!("epoch: 2026-11-01\n{yaml}")).unwrap()
}

fn keys(pki: &spec::Pki) -> Keys {
    Keys::new(RootSecret::from_bytes(&[0x5a; 32]).unwrap(), "dev", pki)
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
        dns: vec!["kubi-controller-01".into(), "localhost".into(), "LOCALHOST".into()],
        addresses: ["192.168.24.11", "127.0.0.1", "::1", "127.0.0.1"].map(|text| text.parse().unwrap()).to_vec(),
        ..Request::default()
    }
}

/// Runs a program and gives what it prints; both failing and missing fail the test.
fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("these tests need the program {program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

struct Written {
    directory: tempfile::TempDir,
    text: String,
}

/// Puts certificate, key and authority into files and lets OpenSSL read each of them.
fn write(keys: &Keys, issued: &Issued, authority_pem: &str) -> Written {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("ca.crt"), authority_pem).unwrap();
    std::fs::write(path.join("leaf.crt"), &issued.certificate_pem).unwrap();
    std::fs::write(path.join("leaf.key"), keys.secret(&issued.key, Encoding::Pem).unwrap()).unwrap();
    run("openssl", &["pkey", "-in", "leaf.key", "-check", "-noout"], path);
    let text = run("openssl", &["x509", "-in", "leaf.crt", "-noout", "-text"], path);
    Written { directory, text }
}

fn verify(path: &Path, purpose: &str) {
    // At a time within the validity that the tests' spec gives, whatever the clock says.
    let arguments = ["verify", "-x509_strict", "-check_ss_sig", "-attime", "1800000000", "-CAfile", "ca.crt"];
    run("openssl", &[&arguments[..], &["-untrusted", "leaf.crt", "-purpose", purpose, "leaf.crt"]].concat(), path);
}

#[test]
fn openssl_accepts_a_server_and_client_certificate_and_its_key() {
    let pki = spec_pki("");
    let keys = keys(&pki);
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    let issued = issuer.issue(&server("etcd-server/kubi-controller-01", "etcd")).unwrap();
    let written = write(&keys, &issued, &issuer.authority_pem("etcd").unwrap());
    let path = written.directory.path();
    verify(path, "sslserver");
    verify(path, "sslclient");
    for line in [
        "DNS:kubi-controller-01, DNS:localhost, IP Address:127.0.0.1, IP Address:192.168.24.11, IP Address:0:0:0:0:0:0:0:1",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "X509v3 Key Usage: critical",
        "Not Before: Nov  1 00:00:00 2026 GMT",
        "Not After : Nov  1 00:00:00 2027 GMT",
        "Issuer: CN = dev etcd",
    ] {
        assert!(written.text.contains(line), "{line}\n{}", written.text);
    }
    run("sh", &["-c", "openssl pkey -in leaf.key -pubout -outform DER -out leaf.der"], path);
    let commitment = Digest::of(&std::fs::read(path.join("leaf.der")).unwrap());
    assert_eq!(issued.key.commitment, commitment.to_string());
    let public = run("openssl", &["pkey", "-in", "leaf.key", "-pubout"], path);
    assert_eq!(keys.public_key_pem("etcd-server/kubi-controller-01", 1).unwrap(), public);
    assert_eq!(
        run("openssl", &["pkey", "-in", "leaf.key"], path),
        std::fs::read_to_string(path.join("leaf.key")).unwrap()
    );
}

#[test]
fn intermediates_come_with_the_leaf_and_verify_up_to_the_root() {
    let pki = spec_pki("");
    let keys = keys(&pki);
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    let issued = issuer.issue(&server("requested/kubi-worker-0001", "cluster-signing")).unwrap();
    assert_eq!(issued.certificate_pem.matches("BEGIN CERTIFICATE").count(), 2);
    let written = write(&keys, &issued, &issuer.authority_pem("cluster").unwrap());
    verify(written.directory.path(), "sslserver");
    let authority = run("openssl", &["x509", "-in", "ca.crt", "-noout", "-text"], written.directory.path());
    assert!(authority.contains("CA:TRUE, pathlen:1"), "{authority}");
    assert!(authority.contains("Certificate Sign, CRL Sign"), "{authority}");
}
