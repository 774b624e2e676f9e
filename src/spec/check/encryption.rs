//! Encryption at rest, as the API server's EncryptionConfiguration understands it.
//! <https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/>

use super::{Cluster, Problems, SpecPath};
use crate::spec::model::EncryptionProvider;

pub fn check(cluster: &Cluster, problems: &mut Problems) {
    let (encryption, at) = (&cluster.spec.encryption, SpecPath::of("spec.encryption"));
    let providers = at.key("providers");
    match encryption.providers.first() {
        None => problems.error("no-provider", providers.clone(), "no provider writes", "write [secretbox, identity]"),
        Some(EncryptionProvider::Identity) => {
            let help = "put secretbox first; identity after it still reads what is not encrypted yet";
            problems.warning(
                "not-encrypted",
                providers.index(0),
                "the first provider writes, and identity does not encrypt",
                help,
            );
        }
        Some(EncryptionProvider::Aescbc) => {
            problems.warning(
                "weak-provider",
                providers.index(0),
                "aescbc is open to padding oracle attacks",
                "write secretbox",
            );
        }
        Some(EncryptionProvider::Aesgcm) => {
            let message = "an aesgcm key must be replaced after 200,000 writes";
            problems.warning("weak-provider", providers.index(0), message, "write secretbox, whose keys last");
        }
        Some(EncryptionProvider::Secretbox) => {}
    }
    for (index, provider) in encryption.providers.iter().enumerate() {
        if encryption.providers[..index].contains(provider) {
            problems.error("duplicate-provider", providers.index(index), "this provider is already there", "keep one");
        }
    }
    keys(cluster, &at.key("keys"), problems);
    resources(cluster, &at.key("resources"), problems);
}

fn keys(cluster: &Cluster, at: &SpecPath, problems: &mut Problems) {
    let encryption = &cluster.spec.encryption;
    let encrypts = encryption.providers.iter().any(|provider| *provider != EncryptionProvider::Identity);
    if encryption.keys.is_empty() && encrypts {
        problems.error(
            "no-key",
            at.clone(),
            "there is no key to encrypt with",
            "write [key1]; kubi derives it from the root secret",
        );
    }
    for (index, key) in encryption.keys.iter().enumerate() {
        if key.is_empty() || key.len() > 63 || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            let message = format!("{key:?} is no key name");
            problems.error("bad-name", at.index(index), message, "write letters, digits, - and _, 63 at most");
        }
    }
    let keys = encryption.keys.iter().enumerate().map(|(index, key)| (key, move || at.index(index)));
    problems.duplicates("duplicate-key-name", keys, |key, _| format!("the key {key} is already there"), "keep one");
}

fn resources(cluster: &Cluster, at: &SpecPath, problems: &mut Problems) {
    let resources = &cluster.spec.encryption.resources;
    if resources.is_empty() {
        problems.error("no-resource", at.clone(), "nothing is encrypted", "write [secrets], or leave it out");
    }
    for (index, resource) in resources.iter().enumerate() {
        if let Err((message, help)) = group_resource(resource) {
            problems.error("bad-resource", at.index(index), message, help);
        }
        if let Some(other) = resources.iter().find(|other| *other != resource && covers(other, resource)) {
            let help = "write the wider one alone: the API server refuses to start with both";
            problems.error("resource-overlap", at.index(index), format!("{other} is {resource} too"), help);
        }
    }
    // `secrets` and `secrets.` are both that of the core group.
    let named = |name: &String| name.strip_suffix('.').unwrap_or(name).to_owned();
    let resources = resources.iter().enumerate().map(|(index, resource)| (named(resource), move || at.index(index)));
    problems.duplicates("duplicate-resource", resources, |name, _| format!("{name} is already there"), "keep one");
}

/// Resources that the API server keeps in etcd without serving them.
const NOT_SERVED: [&str; 3] = ["apiserveripinfo", "serviceipallocations", "servicenodeportallocations"];

/// The rules by which the API server validates its EncryptionConfiguration at its start: what is wrong, and what to write.
fn group_resource(text: &str) -> Result<(), (String, &'static str)> {
    let (resource, group) = text.split_once('.').unwrap_or((text, ""));
    let name = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    let fits = (resource == "*" || (!resource.is_empty() && name(resource))) && (group == "*" || name(group));
    let refuse = |message: String, help| Err((message, help));
    match (resource, group) {
        ("*", "") if text == "*" => {
            refuse("* is no resource".to_owned(), "write '*.' for the core group, or '*.*' for everything")
        }
        _ if !fits => refuse(
            format!("{text:?} is no resource"),
            "write it in plural with its group: secrets, widgets.example.com, *.apps",
        ),
        (resource, "*") if resource != "*" => {
            refuse(format!("{text:?} is a resource in every group"), "write the one group that it is in")
        }
        (_, "events.k8s.io") => {
            refuse("events of events.k8s.io are kept in etcd as those of the core group".to_owned(), "write events")
        }
        (_, "extensions") => {
            refuse("the group extensions is no more".to_owned(), "write the group that the resource is in today")
        }
        (resource, "") if NOT_SERVED.contains(&resource) => {
            refuse(format!("{resource} has no API, and cannot be encrypted"), "leave it out")
        }
        _ => Ok(()),
    }
}

/// Whether a wildcard stands for another entry: all of everything, or all of its group.
fn covers(wildcard: &str, other: &str) -> bool {
    let group = |text: &str| text.split_once('.').map_or("", |(_, group)| group).to_owned();
    wildcard == "*.*" || (wildcard.starts_with("*.") && group(wildcard) == group(other))
}
