//! Certificates as kubi makes them, and kubeconfigs that hold them: every field that can differ is told by its name.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubi::diff::semantic::compare;
use kubi::diff::{ChangeKind, FieldChange};
use kubi::pki::{Authority, Keys, Pki, Request};
use kubi::secret::RootSecret;
use kubi::spec;

/// A certificate, of the authority `etcd` or `cluster`, with `spec.pki` from what follows its epoch.
fn pem(yaml: &str, request: &Request) -> String {
    let pki: spec::Pki = serde_saphyr::from_str(&format!("epoch: 2026-11-01\n{yaml}")).unwrap();
    let keys = Keys::new(RootSecret::from_bytes(&[5; 32]).unwrap(), "dev", &pki);
    let authority = |name: &str| Authority { name: name.into(), common_name: format!("dev {name}"), parent: None };
    let issuer = Pki::new(&keys, &pki, &[authority("cluster"), authority("etcd")]).unwrap();
    issuer.issue(request).unwrap().certificate_pem
}

fn request() -> Request {
    Request {
        name: "etcd-server/c1".into(),
        authority: "etcd".into(),
        common_name: "c1".into(),
        server: true,
        client: true,
        dns: vec!["c1".into(), "localhost".into()],
        addresses: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        ..Request::default()
    }
}

fn fields(path: &str, before: &str, after: &str) -> Vec<FieldChange> {
    compare(path, Some(before.as_bytes()), Some(after.as_bytes())).fields
}

/// Fields as `kind path: before -> after`, those of keys without values.
fn told(fields: &[FieldChange]) -> Vec<String> {
    let value = |field: &FieldChange, text: &Option<String>| match field.kind {
        ChangeKind::Rotated | ChangeKind::Derived => "...".to_owned(),
        _ => text.clone().unwrap_or_default(),
    };
    let text = |field: &FieldChange| {
        format!("{:?} {}: {} -> {}", field.kind, field.path, value(field, &field.before), value(field, &field.after))
    };
    fields.iter().map(text).collect()
}

#[track_caller]
fn check(before: &str, after: &str, expected: &[&str]) {
    let shown = told(&fields("/etc/x.crt", before, after));
    let rest = ["Derived serialNumber: ... -> ...", "Derived signature: ... -> ..."];
    let telling: Vec<&String> = shown.iter().filter(|text| !rest.contains(&text.as_str())).collect();
    assert_eq!(telling, expected.iter().collect::<Vec<_>>());
    assert_eq!(shown.len(), telling.len() + 2, "{shown:?}");
}

#[test]
fn every_field_has_its_name() {
    let base = pem("", &request());
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = request();
        change(&mut request);
        pem("", &request)
    };
    check(
        &base,
        &with(&|request| request.dns = vec!["c1".into(), "new".into()]),
        &["Removed subjectAltName: DNS:localhost -> ", "Added subjectAltName:  -> DNS:new"],
    );
    check(
        &base,
        &with(&|request| request.addresses = vec!["10.0.0.1".parse().unwrap()]),
        &["Removed subjectAltName: IP:fd00::1 -> "],
    );
    check(&base, &with(&|request| request.common_name = "c2".into()), &["Changed subject: CN=c1 -> CN=c2"]);
    let groups = |request: &mut Request| request.organizations = vec!["a".into(), "b".into()];
    check(&base, &with(&groups), &["Changed subject: CN=c1 -> O=a, O=b, CN=c1"]);
    check(&base, &with(&|request| request.client = false), &["Removed extendedKeyUsage: clientAuth -> "]);
    check(
        &base,
        &with(&|request| request.authority = "cluster".into()),
        &["Changed issuer: CN=dev etcd -> CN=dev cluster", "Rotated issuerKey: ... -> ..."],
    );
    check(
        &base,
        &pem("lifetimes: {certificate: 2y}", &request()),
        &["Changed notAfter: 2027-11-01T00:00:00Z -> 2028-10-31T00:00:00Z"],
    );
}

#[test]
fn another_key_is_a_rotation() {
    let base = pem("", &request());
    let rotated = told(&fields("/etc/x.crt", &base, &pem("generations: {etcd-server: 2}", &request())));
    assert!(rotated.contains(&"Rotated publicKey: ... -> ...".to_owned()), "{rotated:?}");
    assert!(rotated.contains(&"Derived subjectKeyIdentifier: ... -> ...".to_owned()), "{rotated:?}");
    assert!(!rotated.iter().any(|text| text.starts_with("Changed")), "{rotated:?}");
    let rsa = told(&fields("/etc/x.crt", &base, &pem("algorithm: rsa-2048", &request())));
    for wanted in [
        "Changed keyAlgorithm: ECDSA 256 -> RSA 2048",
        "Changed signatureAlgorithm: ecdsa-with-SHA256 -> sha256WithRSAEncryption",
    ] {
        assert!(rsa.contains(&wanted.to_owned()), "{wanted}: {rsa:?}");
    }
}

#[test]
fn certificates_of_a_file_are_matched_by_subject() {
    let other = |name: &str| pem("", &Request { common_name: name.into(), ..request() });
    let (a, b, c) = (other("a"), other("b"), other("c"));
    let swapped = fields("/etc/x.crt", &format!("{a}{b}"), &format!("{b}{a}"));
    assert_eq!(told(&swapped), ["Reordered certificates: CN=a, CN=b -> CN=b, CN=a"]);
    let grown = fields("/etc/x.crt", &a, &format!("{a}{c}"));
    let [added] = &grown[..] else { panic!("{grown:?}") };
    assert_eq!((added.kind, added.path.as_str()), (ChangeKind::Added, "certificate CN=c"));
    // A leaf's key is another one on every node: with it, fifty nodes would be fifty groups.
    let summary = added.after.as_deref().unwrap();
    assert!(summary.contains("notAfter 2027-11-01") && !summary.contains("sha256:"), "{summary}");
    // What stands around the blocks is not lost beside the fields.
    let compared =
        compare("/etc/x.crt", Some(format!("# trust\n{a}").as_bytes()), Some(format!("# never\n{b}").as_bytes()));
    assert!(!compared.fields.is_empty() && compared.untold == [0], "{compared:?}");
    let lines: Vec<&str> = compared.hunks[0].lines.iter().map(|line| line.text.as_str()).collect();
    assert!(lines.contains(&"# trust") && lines.contains(&"# never"), "{lines:?}");
}

#[test]
fn kubeconfigs_are_read_down_to_their_certificates() {
    let kubeconfig = |certificate: &str, server: &str| {
        let data = STANDARD.encode(certificate);
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: dev\n  cluster: {{server: \"{server}\"}}\nusers:\n- name: me\n  user: \
             {{client-certificate-data: {data}}}\ncontexts: []\n"
        )
    };
    let (old, new) = (pem("", &request()), pem("", &Request { dns: vec!["c1".into()], ..request() }));
    let (before, after) = (kubeconfig(&old, "https://a:6443"), kubeconfig(&new, "https://b:6443"));
    let compared = compare("/etc/kubernetes/kubeconfig", Some(before.as_bytes()), Some(after.as_bytes()));
    assert_eq!(compared.format.name(), "kubeconfig");
    let shown = told(&compared.fields);
    for wanted in [
        "Changed clusters[dev].cluster.server: https://a:6443 -> https://b:6443",
        "Removed users[me].user.client-certificate-data subjectAltName: DNS:localhost -> ",
    ] {
        assert!(shown.contains(&wanted.to_owned()), "{wanted}: {shown:#?}");
    }
    assert!(compared.untold.is_empty(), "fields tell all of it: {compared:?}");
}
