//! Certificates: lifetimes, subject fields, additional names, imports.

use super::super::names;
use super::super::units::Lifetime;
use super::{Cluster, Problems, SpecPath};
use crate::spec::model::{Pki, Subject};
use std::path::{Component, Path};

const DAY: u64 = 86_400;

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    let (pki, at) = (&cluster.spec.pki, SpecPath::of("spec.pki"));
    lifetimes(pki, &at.key("lifetimes"), problems);
    subject(&pki.subject, &at.key("subject"), problems);
    for (certificate, names) in &pki.sans {
        alternative_names(names, &at.key("sans").key(certificate.as_str()), problems);
    }
    for (secret, _) in pki.generations.iter().filter(|(_, generation)| **generation == 0) {
        let at = at.key("generations").key(secret.as_str());
        problems.error(
            "bad-generation",
            at,
            "generations count from 1",
            "write 2 to rotate for the first time, or leave it out",
        );
    }
    for (authority, file) in &pki.import {
        if !inside(Path::new(file)) {
            let message = format!("{file:?} is not inside the cluster's directory");
            let help = "write a relative path without .., such as secrets/ca.age";
            problems.error("path-outside", at.key("import").key(authority.as_str()), message, help);
        }
    }
}

fn inside(path: &Path) -> bool {
    let mut components = path.components().peekable();
    components.peek().is_some() && components.all(|component| matches!(component, Component::Normal(_)))
}

fn lifetimes(pki: &Pki, at: &SpecPath, problems: &mut Problems) {
    let Lifetime { seconds: authority } = pki.lifetimes.authority;
    let Lifetime { seconds: certificate } = pki.lifetimes.certificate;
    if certificate > authority {
        let message = format!(
            "certificates live for {}, longer than their authority with {}",
            pki.lifetimes.certificate, pki.lifetimes.authority
        );
        problems.error(
            "lifetime-beyond-authority",
            at.key("certificate"),
            message,
            "write less, or a longer lifetimes.authority",
        );
    }
    if certificate < DAY {
        let message = format!("certificates expire after {}", pki.lifetimes.certificate);
        let help = "write 30d or more: they begin at pki.epoch, and only a rebuild renews them";
        problems.warning("short-lifetime", at.key("certificate"), message, help);
    }
}

/// Upper bounds of X.520 (RFC 5280, appendix A).
fn subject(subject: &Subject, at: &SpecPath, problems: &mut Problems) {
    if let Some(country) = &subject.country
        && (country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()))
    {
        let message = format!("{country:?} is no country code");
        problems.error("bad-country", at.key("country"), message, "write two capital letters (ISO 3166), such as DE");
    }
    let others = [
        ("state", &subject.state, 128),
        ("locality", &subject.locality, 128),
        ("organization", &subject.organization, 64),
        ("organizationalUnit", &subject.organizational_unit, 64),
    ];
    for (key, value, most) in others {
        let Some(value) = value else { continue };
        if value.trim().is_empty() || value.chars().count() > most || value.contains(char::is_control) {
            let message = format!("{value:?} is no value for this subject field");
            problems.error(
                "bad-subject",
                at.key(key),
                message,
                format!("write 1 to {most} printable characters, or leave it out"),
            );
        }
    }
}

fn alternative_names(names: &[String], at: &SpecPath, problems: &mut Problems) {
    for (index, name) in names.iter().enumerate() {
        if let Err(message) = names::alternative_name(name) {
            let help = "write a name such as api.example.com or *.example.com, or an address; no scheme, no port";
            problems.error("bad-san", at.index(index), message, help);
        } else if names[..index].contains(name) {
            problems.warning("duplicate-san", at.index(index), format!("{name} is already there"), "keep one");
        }
    }
}
