//! Distinguished names: the subject fields of the spec, groups and a common name as DER.

use super::der::{self, oid};
use super::error::PkiError;
use crate::spec;

/// A name's attributes in the order C, ST, L, O..., OU, CN, each in a set of its own.
///
/// `organizations` keeps its order. Country is a PrintableString, as RFC 5280 asks; all others are UTF8String.
/// `certificate` names the certificate in errors.
pub fn subject(
    certificate: &str,
    fields: &spec::Subject,
    organizations: &[String],
    common_name: &str,
) -> Result<Vec<u8>, PkiError> {
    let mut sets = Vec::new();
    if let Some(country) = &fields.country {
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(problem(certificate, "country", country, "is not two letters (ISO 3166)"));
        }
        sets.push(attribute(oid::COUNTRY, &der::printable_string(country)));
    }
    let mut add = |field, identifier, text: &str| {
        check(certificate, field, text)?;
        sets.push(attribute(identifier, &der::utf8_string(text)));
        Ok(())
    };
    if let Some(state) = &fields.state {
        add("state", oid::STATE, state)?;
    }
    if let Some(locality) = &fields.locality {
        add("locality", oid::LOCALITY, locality)?;
    }
    for organization in organizations {
        add("organization", oid::ORGANIZATION, organization)?;
    }
    if let Some(unit) = &fields.organizational_unit {
        add("organizational unit", oid::ORGANIZATIONAL_UNIT, unit)?;
    }
    add("common name", oid::COMMON_NAME, common_name)?;
    let parts: Vec<&[u8]> = sets.iter().map(Vec::as_slice).collect();
    Ok(der::sequence(&parts))
}

fn attribute(identifier: &[u8], value: &[u8]) -> Vec<u8> {
    der::set(&[&der::sequence(&[&der::object_identifier(identifier), value])])
}

/// Kubernetes takes users and groups from these texts, so what cannot be seen must not be in them. RFC 5280's limit of
/// 64 characters is not enforced: `system:node:` and a long host name exceed it, and neither Go nor OpenSSL minds.
fn check(certificate: &str, field: &'static str, text: &str) -> Result<(), PkiError> {
    if text.is_empty() {
        return Err(problem(certificate, field, text, "is empty"));
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(problem(certificate, field, text, "has a control character, or blanks at its ends"));
    }
    Ok(())
}

fn problem(certificate: &str, field: &'static str, value: &str, problem: &'static str) -> PkiError {
    PkiError::Subject { certificate: certificate.to_owned(), field, value: value.to_owned(), problem }
}
