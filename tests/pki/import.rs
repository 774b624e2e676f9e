//! Authorities of one's own, made by OpenSSL.

use super::*;
use kubi::pki::{ImportedAuthority, Pki};
use std::collections::BTreeMap;

/// Makes a self-signed authority that is valid from 2026 to 2056, and gives its PEM pair.
fn authority(directory: &Path, key: &str, extensions: &str) -> String {
    let config = format!("[req]\ndistinguished_name=dn\n[dn]\n[ca]\n{extensions}\n");
    std::fs::write(directory.join("ca.cnf"), config).unwrap();
    openssl(directory, &format!("genpkey -quiet {key} -out ca.key")).success();
    // PrintableString, and two attributes in one set: forms that kubi itself never writes.
    let subject = "-subj /C=DE/O=Example/OU=Ops+CN=Own -multivalue-rdn -nameopt utf8";
    let days = "-not_before 20260101000000Z -not_after 20560101000000Z";
    let request = format!("req -new -x509 -key ca.key -config ca.cnf -extensions ca {subject} {days} -out ca.crt");
    let finished = openssl(directory, &request);
    if !finished.status.success() {
        // OpenSSL before 3.4 has no dates here; these begin now, which the tests' epoch then has to follow.
        let request = request.replace(days, "-days 10950").replace(" -nameopt utf8", "");
        openssl(directory, &request).success();
    }
    let read = |file: &str| std::fs::read_to_string(directory.join(file)).unwrap();
    read("ca.crt") + &read("ca.key")
}

const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash";
const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

/// An epoch after the machine's clock, for authorities that begin now.
fn later() -> spec::Pki {
    let text = "epoch: 2035-01-01\n";
    serde_saphyr::from_str(text).unwrap()
}

fn check(pair: &str, strict: &str) {
    let pki = later();
    let imported = ImportedAuthority::parse("cluster", pair.as_bytes()).unwrap();
    let keys = keys(&pki).with_imported(BTreeMap::from([("cluster".to_owned(), imported)]));
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    assert!(!issuer.authority_keys().contains(&"ca/cluster".to_owned()));
    for authority in ["cluster", "cluster-signing"] {
        let issued = issuer.issue(&server("x", authority)).unwrap();
        let (directory, _) = write(&keys, &issued, &issuer.authority_pem("cluster").unwrap());
        let options = "-attime 2053000000 -CAfile ca.crt -untrusted leaf.crt -purpose sslserver";
        openssl(directory.path(), &format!("verify {strict} {options} leaf.crt")).success();
    }
    assert!(!format!("{keys:?} {issuer:?}").contains("PRIVATE"));
}

#[test]
fn authorities_of_every_key_format_sign() {
    for (key, traditional) in [(P256, "EC PRIVATE KEY"), (RSA, "RSA PRIVATE KEY")] {
        let directory = tempfile::tempdir().unwrap();
        let pair = authority(directory.path(), key, CA);
        assert!(pair.contains("BEGIN PRIVATE KEY"));
        check(&pair, "-x509_strict");
        let old = openssl(directory.path(), "pkey -in ca.key -traditional").success();
        assert!(old.contains(traditional));
        let certificate = std::fs::read_to_string(directory.path().join("ca.crt")).unwrap();
        check(&format!("{old}\n{certificate}"), "-x509_strict");
    }
    let directory = tempfile::tempdir().unwrap();
    // As older tools made them, without what RFC 5280 asks for.
    check(&authority(directory.path(), P256, "basicConstraints=CA:TRUE"), "");
}

#[test]
fn pairs_that_cannot_sign_are_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let read = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
    let good = authority(path, P256, CA);
    let (certificate, key) = (read("ca.crt"), read("ca.key"));
    openssl(path, "pkey -in ca.key -aes256 -passout pass:x -out locked.key").success();
    openssl(path, &format!("genpkey -quiet {P256} -out other.key")).success();
    let (locked, other) = (read("locked.key"), read("other.key"));
    let leaf = authority(path, P256, "basicConstraints=CA:FALSE");
    let no_signing = authority(path, P256, "basicConstraints=CA:TRUE\nkeyUsage=digitalSignature");
    let with = |extension: &str| authority(path, P256, &format!("{CA}\n{extension}"));
    let constrained = with("nameConstraints=critical,permitted;DNS:.corp");
    let (servers, both) = (with("extendedKeyUsage=serverAuth"), with("extendedKeyUsage=serverAuth,clientAuth"));
    let strange = with("1.2.3.4=critical,DER:0500");
    ImportedAuthority::parse("etcd", both.as_bytes()).unwrap();
    let p384 = authority(path, "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", CA);
    let ed25519 = authority(path, "-algorithm ED25519", CA);
    for (text, part) in [
        (certificate.clone(), "exactly one certificate"),
        (format!("{certificate}{good}"), "exactly one certificate"),
        (format!("{certificate}{locked}"), "passphrase"),
        (format!("{certificate}{other}"), "not the certificate's"),
        (leaf, "no authority's"),
        (no_signing, "lacks certificate signing"),
        (constrained, "name constraints"),
        (servers, "extended key usages"),
        (strange, "critical extension"),
        (p384, "neither P-256 nor RSA"),
        (ed25519, "neither P-256 nor RSA"),
        (good[..good.len() - 40].to_owned(), "cut off"),
        ("hello".to_owned(), "no PEM text"),
    ] {
        let error = ImportedAuthority::parse("etcd", text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        let body: Vec<&str> =
            [&key, &other].into_iter().flat_map(|key| key.lines().filter(|line| line.len() > 40)).collect();
        let shown = format!("{error} {error:?}");
        assert!(body.iter().all(|line| !shown.contains(line)));
    }
}

#[test]
fn validity_and_path_length_must_fit_the_spec() {
    let directory = tempfile::tempdir().unwrap();
    let parse = |text: String| ImportedAuthority::parse("cluster", text.as_bytes()).unwrap();
    let new = |pki: &spec::Pki, imported: ImportedAuthority, name: &str| {
        let keys = keys(pki).with_imported(BTreeMap::from([(name.to_owned(), imported)]));
        Pki::new(&keys, pki, &authorities()).map(|_| ()).map_err(|error| error.to_string())
    };
    let good = parse(authority(directory.path(), P256, CA));
    let early: spec::Pki = serde_saphyr::from_str("epoch: 2020-01-01").unwrap();
    let late: spec::Pki = serde_saphyr::from_str("epoch: 2070-01-01").unwrap();
    assert!(good.problems(&later()).is_empty());
    assert!(new(&early, good.clone(), "cluster").unwrap_err().contains("later epoch"));
    assert!(new(&late, good.clone(), "cluster").unwrap_err().contains("expires before"));
    assert!(new(&later(), good.clone(), "clster").unwrap_err().contains("unknown certificate authority"));
    assert_eq!(new(&later(), good, "cluster"), Ok(()));
    let short = parse(authority(directory.path(), P256, "basicConstraints=critical,CA:TRUE,pathlen:0"));
    assert!(new(&later(), short.clone(), "cluster").unwrap_err().contains("path length"));
    assert_eq!(new(&later(), short, "etcd"), Ok(()));
}
