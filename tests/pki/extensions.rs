//! Each extension and field as an independent parser reads it.

use super::*;
use kubi::pki::Pki;
use sha2::{Digest as _, Sha256};
use x509_parser::pem::Pem;
use x509_parser::prelude::*;

fn extension<'a>(certificate: &'a X509Certificate<'a>, name: &str) -> (&'a ParsedExtension<'a>, bool) {
    let found = certificate.extensions().iter().find(|extension| {
        let parsed = format!("{:?}", extension.parsed_extension());
        parsed.starts_with(name)
    });
    let found = found.unwrap_or_else(|| panic!("no {name}"));
    (found.parsed_extension(), found.critical)
}

fn key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    Sha256::digest(&certificate.public_key().subject_public_key.data)[..20].to_vec()
}

#[test]
fn extensions_are_what_rfc_5280_asks_for() {
    let pki = spec_pki("");
    let keys = keys(&pki);
    let issuer = Pki::new(&keys, &pki, &authorities()).unwrap();
    let issued = issuer.issue(&server("kube-apiserver/c1", "cluster")).unwrap();
    let authority = issuer.authority_pem("cluster").unwrap();
    let pems: Vec<Pem> = [&issued.certificate_pem, &authority]
        .map(|text| Pem::iter_from_buffer(text.as_bytes()).next().unwrap().unwrap())
        .into();
    let (leaf, authority) = (pems[0].parse_x509().unwrap(), pems[1].parse_x509().unwrap());

    assert_eq!(leaf.version(), X509Version::V3);
    let serial = leaf.raw_serial();
    assert!(serial.len() == 20 && serial[0] & 0xc0 == 0x40, "{serial:02x?}");
    assert_eq!(leaf.issuer().as_raw(), authority.subject().as_raw());
    let order: Vec<String> = leaf.extensions().iter().map(|extension| extension.oid.to_id_string()).collect();
    assert_eq!(order, ["2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.14", "2.5.29.35", "2.5.29.17"]);

    let (ParsedExtension::BasicConstraints(constraints), true) = extension(&leaf, "BasicConstraints") else { panic!() };
    assert!(!constraints.ca && constraints.path_len_constraint.is_none());
    let (ParsedExtension::KeyUsage(usage), true) = extension(&leaf, "KeyUsage") else { panic!() };
    assert_eq!(usage.to_string(), "Digital Signature");
    let (ParsedExtension::ExtendedKeyUsage(usage), false) = extension(&leaf, "ExtendedKeyUsage") else { panic!() };
    assert!(usage.server_auth && usage.client_auth && !usage.any && usage.other.is_empty());
    let (ParsedExtension::SubjectKeyIdentifier(identifier), false) = extension(&leaf, "SubjectKeyIdentifier") else {
        panic!()
    };
    assert_eq!(identifier.0, key_id(&leaf));
    let (ParsedExtension::AuthorityKeyIdentifier(identifier), false) = extension(&leaf, "AuthorityKeyIdentifier")
    else {
        panic!()
    };
    assert_eq!(identifier.key_identifier.as_ref().unwrap().0, key_id(&authority));
    let (ParsedExtension::SubjectAlternativeName(names), false) = extension(&leaf, "SubjectAlternativeName") else {
        panic!()
    };
    let names: Vec<String> = names.general_names.iter().map(GeneralName::to_string).collect();
    assert_eq!(names.len(), 6);
    let dns = ["*.example.com", "kubi-controller-01", "localhost"];
    assert!(names.iter().zip(dns).all(|(name, dns)| name.contains(dns)), "{names:?}");

    let (ParsedExtension::SubjectKeyIdentifier(identifier), false) = extension(&authority, "SubjectKeyIdentifier")
    else {
        panic!()
    };
    assert_eq!(identifier.0, key_id(&authority));
    assert!(
        authority.is_ca() && authority.extensions().iter().all(|extension| extension.oid.to_id_string() != "2.5.29.35")
    );
}

#[test]
fn serials_cover_everything_that_is_signed() {
    let pki = spec_pki("");
    let serial = |pki: &spec::Pki, request: &Request| {
        let keys = keys(pki);
        let issued = Pki::new(&keys, pki, &authorities()).unwrap().issue(request).unwrap();
        let pem = Pem::iter_from_buffer(issued.certificate_pem.as_bytes()).next().unwrap().unwrap();
        pem.parse_x509().unwrap().raw_serial().to_vec()
    };
    let base = server("x", "etcd");
    let mut serials = vec![
        serial(&pki, &base),
        serial(&pki, &Request { common_name: "other".into(), ..base.clone() }),
        serial(&pki, &Request { authority: "cluster".into(), ..base.clone() }),
        serial(&pki, &Request { client: false, ..base.clone() }),
        serial(&pki, &Request { dns: vec!["other".into()], ..base.clone() }),
        serial(&pki, &Request { addresses: vec![], ..base.clone() }),
        serial(&pki, &Request { name: "y".into(), ..base.clone() }),
        serial(&spec_pki("lifetimes: {authority: 10y, certificate: 2y}"), &base),
        serial(&spec_pki("generations: {x: 2}"), &base),
    ];
    let all = serials.len();
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), all);
}
