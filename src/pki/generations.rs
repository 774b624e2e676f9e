//! Which generation of a secret the spec asks for.

use crate::spec;
use std::collections::{BTreeMap, BTreeSet};

/// The generation of `name`: its own entry, else that of the part before its last `/`, and so on; 1 without any.
///
/// So `etcd-server: 2` rotates that certificate's key on all nodes and `etcd-server/kubi-controller-01: 2` on one. All
/// authorities are called `ca/NAME` in the spec, intermediate ones too.
pub fn generation_of(generations: &BTreeMap<String, u32>, name: &str) -> u32 {
    if let Some(authority) = name.strip_prefix("intermediate/") {
        return generation_of(generations, &format!("ca/{authority}"));
    }
    let mut name = name;
    loop {
        if let Some(generation) = generations.get(name) {
            return *generation;
        }
        match name.rsplit_once('/') {
            Some((declared, _)) => name = declared,
            None => return 1,
        }
    }
}

/// Names in `pki.generations` that no recipe declares. `declared` holds the names of certificates, key pairs and
/// symmetric secrets, and `ca/NAME` for every authority; `nodes` the nodes' names.
pub fn unknown_generations<'a>(
    pki: &'a spec::Pki,
    declared: &BTreeSet<String>,
    nodes: &BTreeSet<String>,
) -> Vec<&'a str> {
    let known = |name: &str| {
        declared.contains(name)
            || name.rsplit_once('/').is_some_and(|(name, node)| declared.contains(name) && nodes.contains(node))
    };
    pki.generations.keys().map(String::as_str).filter(|name| !known(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_most_exact_entry_wins() {
        let entries = [("etcd-server", 2), ("etcd-server/c1", 3), ("ca/cluster-signing", 4)];
        let generations = entries.map(|(name, generation)| (name.to_owned(), generation)).into();
        let of = |name| generation_of(&generations, name);
        assert_eq!((of("etcd-server/c1"), of("etcd-server/c2"), of("etcd-server")), (3, 2, 2));
        assert_eq!((of("intermediate/cluster-signing"), of("ca/etcd"), of("etcd-server-2")), (4, 1, 1));
    }

    #[test]
    fn names_that_nobody_declares_are_found() {
        let yaml = "epoch: 2026-11-01\ngenerations: {ca/etcd: 2, ca/etc: 2, etcd-server/c1: 2, etcd-server/c9: 2}\n";
        let pki: spec::Pki = serde_saphyr::from_str(yaml).unwrap();
        let unknown = unknown_generations(&pki, &set(&["ca/etcd", "etcd-server"]), &set(&["c1"]));
        assert_eq!(unknown, ["ca/etc", "etcd-server/c9"]);
    }
}
