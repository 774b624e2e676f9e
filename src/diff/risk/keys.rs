//! Risks about keys: those that show in files, and those that the spec or a sealed file tells where keys are not known.

use super::evidence::{Evidence, Finding};
use crate::diff::compare::KeySource;
use crate::diff::keys::{ImportMove, ROOT_FILE};
use crate::diff::model::ChangeKind;

/// An authority that is trusted no more: the file held its key, and does not any longer.
pub fn authority_key(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut found = evidence.find(|change, field| {
        let authority = change.format == "x509" && change.tags.iter().any(|tag| tag == "authority");
        let replaced = field.kind == ChangeKind::Rotated && field.path.ends_with("publicKey");
        let removed = field.kind == ChangeKind::Removed && field.path.starts_with("certificate ");
        let embedded =
            field.kind == ChangeKind::Rotated && field.path.ends_with("certificate-authority-data publicKey");
        ((authority && (replaced || removed)) || embedded).then(|| match removed {
            true => format!("{} is trusted no more", field.path),
            false => "another authority takes the place of the one that is trusted now".to_owned(),
        })
    });
    found.extend(imported(evidence));
    found
}

/// Imported authorities, which stand-ins do not show.
fn imported(evidence: &Evidence<'_>) -> Vec<Finding> {
    let both = match evidence.options.keys {
        KeySource::Own => return Vec::new(),
        KeySource::StandIns => true,
        KeySource::OneStandIn => false,
    };
    let finding = |(name, import): (&String, &ImportMove)| match import {
        ImportMove::Added(file) => both.then(|| format!("the authority {name} is imported from {file} now")),
        ImportMove::Removed(file) => both.then(|| format!("the authority {name} is imported from {file} no more")),
        ImportMove::Replaced(file) => Some(format!(
            "{file}, which the authority {name} is imported from, is another file: another authority, or the same one \
             sealed again, which cannot be told without an identity that opens it"
        )),
    };
    evidence.keys.imports.iter().filter_map(finding).map(Finding::cluster).collect()
}

pub fn service_account_key(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.find(|change, field| {
        let public = change.tags.iter().any(|tag| tag == "key") && change.path.contains("service-account");
        let lost = matches!(field.kind, ChangeKind::Rotated | ChangeKind::Removed);
        (public && lost && !field.path.starts_with("secret "))
            .then(|| "the key that tokens are checked with is replaced".to_owned())
    })
}

/// Where keys are known, what another root makes of them shows by itself.
pub fn sealed_root(evidence: &Evidence<'_>) -> Vec<Finding> {
    let unknown = evidence.options.keys != KeySource::Own;
    let text = format!("{ROOT_FILE} is another file, and what is in it could not be compared");
    (unknown && evidence.keys.root).then(|| Finding::cluster(text)).into_iter().collect()
}
