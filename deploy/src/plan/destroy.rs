//! What of a hypervisor is a cluster's own, and goes when the cluster goes.

use crate::build::Build;
use crate::observed::{DATA_SERIAL, ROOT_SERIAL, State};
use crate::upload::marker;
use std::collections::BTreeSet;

/// Images of builds that nobody will go back to: those that no other build and no domain on the hypervisor needs.
pub fn leftovers(old: &[Build], kept: &[&Build], state: &State) -> BTreeSet<String> {
    let images = |build: &Build| -> Vec<String> {
        let files = build.deployment.images.iter();
        files.flat_map(|image| [image.file.clone(), marker(&image.file)]).collect()
    };
    let mut needed: BTreeSet<String> = kept.iter().flat_map(|build| images(build)).collect();
    needed.extend(state.domains.iter().flat_map(|domain| domain.volumes.iter().cloned()));
    let there = |name: &String| state.pool.as_ref().is_some_and(|pool| pool.volumes.contains_key(name));
    old.iter().flat_map(images).filter(|name| there(name) && !needed.contains(name)).collect()
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destruction {
    pub domains: BTreeSet<String>,
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// Data disks that stay.
    pub kept: BTreeSet<String>,
}

/// `builds` are those that may have left something. Images that any other domain uses stay.
pub fn destruction<'a>(
    builds: impl Iterator<Item = &'a Build> + Clone,
    hypervisor: &str,
    state: &State,
    with_data: bool,
) -> Destruction {
    let mut out = Destruction::default();
    let mut candidates = BTreeSet::new();
    let mut data = BTreeSet::new();
    for build in builds {
        let deployment = &build.deployment;
        for domain in state.domains.iter().filter(|domain| domain.belongs_to(deployment)) {
            out.domains.insert(domain.name.clone());
            let top = |serial: &str| domain.disks.get(serial).and_then(|disk| disk.chain.first().cloned());
            candidates.extend(top(ROOT_SERIAL));
            candidates.extend(crate::apply::console_files(&domain.name));
            data.extend(top(DATA_SERIAL));
        }
        let networks = deployment.networks.iter().filter(|network| network.hypervisor == hypervisor);
        let uuids: BTreeSet<&str> = networks.map(|network| network.uuid.as_str()).collect();
        let there = state.networks.iter().filter(|network| uuids.contains(network.uuid.as_str()));
        out.networks.extend(there.map(|network| network.name.clone()));
        candidates.extend(deployment.images.iter().flat_map(|image| [image.file.clone(), marker(&image.file)]));
        for node in deployment.nodes.iter().filter(|node| node.hypervisor == hypervisor) {
            candidates.insert(node.disks.root.volume.clone());
            data.extend(node.disks.data.as_ref().map(|data| data.volume.clone()));
        }
    }
    let foreign = state.domains.iter().filter(|domain| !out.domains.contains(&domain.name));
    out.networks.retain(|name| !foreign.clone().any(|domain| domain.networks.contains(name)));
    let used: BTreeSet<&String> = foreign.flat_map(|domain| &domain.volumes).collect();
    let there = |name: &String| state.pool.as_ref().is_some_and(|pool| pool.volumes.contains_key(name));
    let data: BTreeSet<String> = data.into_iter().filter(|name| there(name) && !used.contains(name)).collect();
    out.volumes = candidates.into_iter().filter(|name| there(name) && !used.contains(name)).collect();
    if with_data {
        out.volumes.extend(data);
    } else {
        out.volumes.retain(|name| !data.contains(name));
        out.kept = data;
    }
    out
}
