//! Derived keys: the same for ever, for everybody with the root, and for nobody else.

use super::*;
use kubi::pki::{Pki, PkiError};
use kubi::tree::SecretRef;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use zeroize::Zeroizing;

/// Computed by an independent program from docs/pki.md. A change here changes every secret of every cluster.
#[test]
fn derivation_gives_what_it_always_gave() {
    let keys_of = |yaml: &str| keys(&spec_pki(yaml));
    let symmetric = keys_of("").symmetric("encryption-key1", 1);
    assert_eq!(symmetric.commitment, "sha256:26f06a89336623254166bb30152baa725b9a6fbd11d5ee8ee5eefd57b9d3962d");
    let base64 = keys_of("").secret(&symmetric, Encoding::Base64).unwrap();
    assert_eq!(base64.as_slice(), b"tyb8lfx4v4jkOHeput6B3JVtRqE1GHsdj1xVMJcfkF8=");
    let p256 = keys_of("").private_key("etcd-server/kubi-controller-01", 1).unwrap();
    assert_eq!(p256.commitment, "sha256:2542f60ccd4b678030c2c0577f7dea129889b794ccc4b299c5ecdb6f3320d9e7");
    let rsa = keys_of("algorithm: rsa-2048").private_key("service-account", 1).unwrap();
    assert_eq!(rsa.commitment, "sha256:9c202e4e66c63fbe3fdd9766a950604f466b5b5fbc4c81defc8ff5354482204c");
}

/// Everything that a small cluster's PKI gives, by name.
fn everything(keys: &Keys, pki: &spec::Pki) -> BTreeMap<String, String> {
    let issuer = Pki::new(keys, pki, &authorities()).unwrap();
    let mut all = BTreeMap::new();
    for name in ["cluster", "etcd", "front-proxy", "cluster-signing"] {
        all.insert(format!("ca/{name}"), issuer.authority_pem(name).unwrap());
    }
    for (name, authority) in [("etcd-server/c1", "etcd"), ("etcd-server/c2", "etcd"), ("apiserver/c1", "cluster")] {
        let issued = issuer.issue(&server(name, authority)).unwrap();
        let key = keys.secret(&issued.key, Encoding::Pem).unwrap();
        all.insert(name.to_owned(), issued.certificate_pem + &String::from_utf8_lossy(&key));
    }
    let account = keys.generation_of("service-account");
    all.insert("service-account".to_owned(), keys.public_key_pem("service-account", account).unwrap());
    let key1 = keys.symmetric("key1", keys.generation_of("key1"));
    all.insert("key1".to_owned(), String::from_utf8_lossy(&keys.secret(&key1, Encoding::Base64).unwrap()).into_owned());
    all
}

fn changed(yaml: &str) -> Vec<String> {
    let (before, after) = (spec_pki(""), spec_pki(yaml));
    let (before, after) = (everything(&keys(&before), &before), everything(&keys(&after), &after));
    after.into_iter().filter(|(name, value)| before[name] != *value).map(|(name, _)| name).collect()
}

#[test]
fn the_same_root_gives_the_same_bytes_and_a_generation_changes_one_key() {
    assert!(changed("").is_empty());
    assert_eq!(changed("generations: {etcd-server: 2}"), ["etcd-server/c1", "etcd-server/c2"]);
    assert_eq!(changed("generations: {etcd-server/c2: 2}"), ["etcd-server/c2"]);
    assert_eq!(changed("generations: {service-account: 2}"), ["service-account"]);
    assert_eq!(changed("generations: {key1: 2}"), ["key1"]);
    // A new authority key has a new identifier and signature, so what it issued changes too.
    assert_eq!(changed("generations: {ca/etcd: 2}"), ["ca/etcd", "etcd-server/c1", "etcd-server/c2"]);
    assert_eq!(changed("generations: {ca/cluster-signing: 2}"), ["ca/cluster-signing"]);
}

#[test]
fn other_clusters_and_roots_share_nothing() {
    let pki = spec_pki("");
    let root = |byte| RootSecret::from_bytes(&[byte; 32]).unwrap();
    let key = |root: RootSecret, cluster: &str| Keys::new(root, cluster, &pki).private_key("x", 1).unwrap().commitment;
    let mut all = vec![key(root(1), "dev"), key(root(2), "dev"), key(root(1), "prod")];
    all.dedup();
    assert_eq!(all.len(), 3);
}

#[test]
fn many_threads_issue_the_same_as_one() {
    let pki = spec_pki("");
    let names: Vec<String> = (0..200).map(|i| format!("kubelet/n{}", i % 50)).collect();
    let issue = |parallel: bool| {
        let keys = keys(&pki);
        let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
        let one = |name: &String| issuer.issue(&server(name, "cluster-signing")).unwrap().certificate_pem;
        if parallel { names.par_iter().map(one).collect::<Vec<_>>() } else { names.iter().map(one).collect() }
    };
    assert_eq!(issue(true), issue(false));
}

#[test]
fn preparing_counts_every_slow_key_once() {
    let names = ["a", "b", "ca/etcd"].map(str::to_owned).into();
    let (calls, last) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = |done: usize, total: usize| {
        assert!(done <= total && total == 3);
        calls.fetch_add(1, Ordering::SeqCst);
        last.fetch_max(done, Ordering::SeqCst);
    };
    keys(&spec_pki("")).prepare(&names, &progress);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    keys(&spec_pki("algorithm: rsa-2048")).prepare(&names, &progress);
    assert_eq!((calls.load(Ordering::SeqCst), last.load(Ordering::SeqCst)), (4, 3));
}

#[test]
fn authorities_keys_stay_here() {
    let pki = spec_pki("");
    let keys = keys(&pki);
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    assert_eq!(issuer.authority_key("cluster"), Err(PkiError::AuthorityKey { name: "cluster".into() }));
    assert_eq!(keys.private_key("ca/cluster", 1), Err(PkiError::AuthorityKey { name: "cluster".into() }));
    let forged = SecretRef { name: "key/ca/cluster".into(), generation: 1, commitment: String::new() };
    assert!(keys.secret(&forged, Encoding::Pem).unwrap_err().to_string().contains("never leaves"));
    // The intermediate's key is the one that its certificate names.
    let key = issuer.authority_key("cluster-signing").unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.key"), keys.secret(&key, Encoding::Pem).unwrap()).unwrap();
    std::fs::write(directory.path().join("ca.crt"), issuer.authority_pem("cluster-signing").unwrap()).unwrap();
    let public = openssl(directory.path(), "pkey -in ca.key -pubout").success();
    assert_eq!(openssl(directory.path(), "x509 -in ca.crt -noout -pubkey").success(), public);
}

#[test]
fn secrets_are_filled_only_where_their_commitment_fits() {
    let pki = spec_pki("");
    let sealed = || BTreeMap::from([("registry".to_owned(), Zeroizing::new(b"hunter2".to_vec()))]);
    let keys = keys(&pki).with_sealed(sealed());
    let password = keys.sealed("registry").unwrap();
    assert_eq!(keys.secret(&password, Encoding::Raw).unwrap().as_slice(), b"hunter2");
    assert_eq!(keys.secret(&password, Encoding::Base64).unwrap().as_slice(), b"aHVudGVyMg==");
    assert!(keys.sealed("other").is_err());
    for (secret, encoding) in [
        (SecretRef { generation: 2, ..keys.symmetric("key1", 1) }, Encoding::Base64),
        (SecretRef { commitment: "sha256:00".into(), ..password.clone() }, Encoding::Raw),
        (keys.symmetric("key1", 1), Encoding::Raw),
        (keys.private_key("x", 1).unwrap(), Encoding::Raw),
        (password.clone(), Encoding::Pem),
        (SecretRef { name: "x".into(), ..password }, Encoding::Raw),
    ] {
        let error = keys.secret(&secret, encoding).unwrap_err();
        assert!(error.name == secret.name && !format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn nothing_that_prints_shows_a_secret() {
    let pki = spec_pki("");
    let root: Vec<u8> = (0..32).collect();
    let keys = keys(&pki).with_sealed(BTreeMap::from([("registry".to_owned(), Zeroizing::new(b"hunter2".to_vec()))]));
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    let issued = issuer.issue(&server("x", "etcd")).unwrap();
    let symmetric = keys.symmetric("key1", 1);
    let shown = format!("{keys:?} {issuer:?} {issued:?} {symmetric:?} {:?}", RootSecret::from_bytes(&root).unwrap());
    let pem = keys.secret(&issued.key, Encoding::Pem).unwrap();
    let pem = String::from_utf8_lossy(&pem).into_owned();
    let base64 = String::from_utf8_lossy(&keys.secret(&symmetric, Encoding::Base64).unwrap()).into_owned();
    let secrets =
        pem.lines().filter(|line| !line.starts_with('-')).chain([base64.as_str(), "hunter2", "00010203", "[0, 1, 2"]);
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
