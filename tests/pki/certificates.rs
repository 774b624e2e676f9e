//! Every kind of certificate through OpenSSL.

use super::*;
use kubi::pki::{Pki, PkiError};

fn check_all_kinds(pki: &spec::Pki, signature: &str, key_usage: &str) {
    let keys = keys(pki);
    let issuer = Pki::new(&keys, pki, &authorities()).unwrap();
    for (request, purposes, refused) in [
        (server("etcd-server/c1", "etcd"), vec!["sslserver", "sslclient"], vec![]),
        (Request { client: false, ..server("kubelet/c1", "cluster") }, vec!["sslserver"], vec!["sslclient"]),
        (client("admin", "kubi-admin", &["kubi:cluster-admins"]), vec!["sslclient"], vec!["sslserver"]),
        (server("requested", "cluster-signing"), vec!["sslserver", "sslclient"], vec![]),
    ] {
        let issued = issuer.issue(&request).unwrap();
        let root = if request.authority == "cluster-signing" { "cluster" } else { &request.authority };
        let (directory, text) = write(&keys, &issued, &issuer.authority_pem(root).unwrap());
        for purpose in purposes {
            assert!(verify(directory.path(), purpose).success().contains("leaf.crt: OK"));
        }
        for purpose in refused {
            assert!(verify(directory.path(), purpose).failure().contains("purpose"), "{purpose}");
        }
        let key_usage = format!("X509v3 Key Usage: critical\n                {key_usage}\n");
        for part in
            [signature, &key_usage, "Not Before: Nov  1 00:00:00 2026 GMT", "Not After : Nov  1 00:00:00 2027 GMT"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let intermediates = usize::from(request.authority == "cluster-signing");
        assert_eq!(issued.certificate_pem.matches("BEGIN CERTIFICATE").count(), 1 + intermediates);
        // The form of the PEM files is OpenSSL's own.
        let leaf = std::fs::read_to_string(directory.path().join("leaf.key")).unwrap();
        assert_eq!(openssl(directory.path(), "pkey -in leaf.key").success(), leaf);
        let public = openssl(directory.path(), "pkey -in leaf.key -pubout").success();
        assert_eq!(keys.public_key_pem(&request.name, 1).unwrap(), public);
        openssl(directory.path(), "pkey -in leaf.key -pubout -outform DER -out leaf.der").success();
        let digest = openssl(directory.path(), "dgst -sha256 -r leaf.der").success();
        assert_eq!(issued.key.commitment, format!("sha256:{}", digest.split_whitespace().next().unwrap()));
    }
}

#[test]
fn openssl_accepts_every_kind_of_p256_certificate() {
    check_all_kinds(&spec_pki(""), "Signature Algorithm: ecdsa-with-SHA256", "Digital Signature");
}

#[test]
fn openssl_accepts_every_kind_of_rsa_certificate() {
    let usage = "Digital Signature, Key Encipherment";
    check_all_kinds(&spec_pki("algorithm: rsa-2048"), "Signature Algorithm: sha256WithRSAEncryption", usage);
}

#[test]
fn authorities_bound_what_is_below_them() {
    let pki = spec_pki("lifetimes: {authority: 30y, certificate: 1y}\nsubject: {organization: Example}");
    let keys = keys(&pki);
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (name, path_length, issued_by) in
        [("cluster", 1, "cluster"), ("etcd", 0, "etcd"), ("cluster-signing", 0, "cluster")]
    {
        std::fs::write(directory.path().join("ca.crt"), issuer.authority_pem(name).unwrap()).unwrap();
        let text = openssl(directory.path(), "x509 -in ca.crt -noout -text").success();
        let basic = format!("X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:{path_length}\n");
        let issuer = format!("Issuer: O = Example, CN = dev {issued_by}\n");
        let subject = format!("Subject: O = Example, CN = dev {name}\n");
        // 30 years of 365 days: RFC 5280 writes years from 2050 on in another form.
        let end = "Not After : Oct 24 00:00:00 2056 GMT";
        let text = text.replace(", ", ",").replace(" = ", "=");
        for part in
            [&basic, &issuer, &subject, end, "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n"]
        {
            let part = part.replace(", ", ",").replace(" = ", "=");
            assert!(text.contains(&part), "{part}\n{text}");
        }
    }
}

#[test]
fn subjects_carry_every_field_and_every_group_in_order() {
    let fields =
        "subject: {country: DE, state: Bayern, locality: München, organization: Example, organizationalUnit: Ops}";
    let pki = spec_pki(fields);
    let keys = keys(&pki);
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    let issued = issuer.issue(&client("viewer", "system:node:ä", &["b:second", "a:first", "system:nodes"])).unwrap();
    let (directory, _) = write(&keys, &issued, &issuer.authority_pem("cluster").unwrap());
    verify(directory.path(), "sslclient").success();
    let name = |file: &str, field: &str| {
        openssl(directory.path(), &format!("x509 -in {file} -noout -{field} -nameopt sep_comma_plus,utf8")).success()
    };
    assert_eq!(
        name("leaf.crt", "subject").trim(),
        "subject=C=DE,ST=Bayern,L=München,O=b:second,O=a:first,O=system:nodes,OU=Ops,CN=system:node:ä"
    );
    assert_eq!(name("leaf.crt", "issuer").trim(), "issuer=C=DE,ST=Bayern,L=München,O=Example,OU=Ops,CN=dev cluster");
}

#[test]
fn requests_and_authorities_that_make_no_sense_are_refused() {
    let pki = spec_pki("");
    let keys = keys(&pki);
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    let good = || server("x", "etcd");
    for (request, part) in [
        (Request { authority: "etc".into(), ..good() }, "declared are: cluster, cluster-signing, etcd, front-proxy"),
        (Request { server: false, client: false, ..good() }, "usages are empty"),
        (Request { dns: vec![], addresses: vec![], ..good() }, "needs a DNS name or an address"),
        (Request { dns: vec!["a b".into()], ..good() }, "\"a b\" is no DNS name"),
        (Request { dns: vec!["münchen.de".into()], ..good() }, "is no DNS name"),
        (Request { common_name: String::new(), ..good() }, "common name \"\" is empty"),
        (Request { common_name: "a\u{0}b".into(), ..good() }, "control character"),
        (Request { organizations: vec!["system:masters ".into()], ..good() }, "blanks at its ends"),
        (Request { name: "ca/etcd".into(), ..good() }, "never leaves"),
    ] {
        let error = issuer.issue(&request).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let new = |authorities: &[Authority]| Pki::new(&keys, &pki, authorities).map(|_| ()).unwrap_err();
    let authority = |name: &str, parent: &str| Authority {
        name: name.into(),
        common_name: "x".into(),
        parent: Some(parent.into()),
    };
    assert!(matches!(new(&[authority("a", "b"), authority("b", "a")]), PkiError::AuthorityCycle { .. }));
    assert!(matches!(new(&[authority("a", "a")]), PkiError::AuthorityCycle { .. }));
    assert!(matches!(new(&[authority("a", "b")]), PkiError::UnknownAuthority { .. }));
    let etcd = authorities()[1].clone();
    assert!(matches!(new(&[etcd.clone(), etcd]), PkiError::DuplicateAuthority { .. }));
}
