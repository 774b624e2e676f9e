//! Pools to make or start, and images to upload.

use super::{Action, NodeChange, Problem, Step};
use crate::build::Build;
use crate::definition::DEFAULT_POOL_DIRECTORY;
use crate::deployment::{Hypervisor, Image};
use crate::observed::{Observed, Pool, State};
use crate::upload::{marker, progress};
use std::collections::BTreeSet;

pub fn pools(build: &Build, observed: &Observed, steps: &mut Vec<Step>, problems: &mut Vec<Problem>) {
    for hypervisor in &build.deployment.hypervisors {
        let Some(Ok(state)) = observed.hypervisors.get(&hypervisor.name) else { continue };
        let (name, pool) = (hypervisor.name.clone(), hypervisor.pool.clone());
        match &state.pool {
            None => match directory(hypervisor, state).filter(|_| pool == "default") {
                Some(directory) => steps.push(Step::CreatePool { hypervisor: name, pool, directory }),
                None => problems.push(Problem::NoPool { hypervisor: name, pool, uri: hypervisor.uri.clone() }),
            },
            Some(found) if !found.is_directory() => {
                problems.push(Problem::PoolKind { hypervisor: name, pool, found: found.kind.clone() });
            }
            Some(found) if !found.active => steps.push(Step::StartPool { hypervisor: name, pool }),
            Some(_) => {}
        }
    }
}

/// Where libvirt's own `default` pool is, of the system or of the user.
fn directory(hypervisor: &Hypervisor, state: &State) -> Option<String> {
    let is_system = hypervisor.uri.split(['?', '#']).next().is_some_and(|uri| uri.ends_with("/system"));
    is_system.then(|| DEFAULT_POOL_DIRECTORY.to_owned()).or_else(|| state.own_images.clone())
}

/// Images that changed nodes need and a pool does not have whole.
pub fn uploads(
    build: &Build,
    observed: &Observed,
    changes: &[NodeChange],
    steps: &mut Vec<Step>,
    problems: &mut Vec<Problem>,
) {
    for hypervisor in &build.deployment.hypervisors {
        let Some(Ok(state)) = observed.hypervisors.get(&hypervisor.name) else { continue };
        let missing = missing_images(build, hypervisor, state, changes);
        let needed: u64 = missing.iter().map(|(image, done)| image.size - done).sum();
        if let Some(pool) = state.pool.as_ref().filter(|pool| pool.active && pool.available < needed) {
            problems.push(Problem::PoolFull {
                hypervisor: hypervisor.name.clone(),
                pool: hypervisor.pool.clone(),
                needed,
                available: pool.available,
            });
        }
        steps.extend(missing.into_iter().map(|(image, done)| Step::Upload {
            hypervisor: hypervisor.name.clone(),
            file: image.file.clone(),
            size: image.size,
            done,
        }));
    }
}

fn missing_images<'a>(
    build: &'a Build,
    hypervisor: &Hypervisor,
    state: &State,
    changes: &[NodeChange],
) -> Vec<(&'a Image, u64)> {
    let mut needed = BTreeSet::new();
    for change in changes.iter().filter(|change| change.hypervisor == hypervisor.name && change.action != Action::Wait)
    {
        let mut files = build.deployment.node(&change.node).map(|node| node.images()).unwrap_or_default();
        while let Some(file) = files.pop() {
            needed.insert(file);
            files.extend(build.deployment.image(file).and_then(|image| image.backing.as_deref()));
        }
    }
    let empty = Pool::default();
    let pool = state.pool.as_ref().unwrap_or(&empty);
    let images = build.deployment.images.iter().filter(|image| needed.contains(image.file.as_str()));
    images.filter_map(|image| Some((image, missing_from(pool, image)?))).collect()
}

/// How many bytes are there already; `None` when the volume is whole.
fn missing_from(pool: &Pool, image: &Image) -> Option<u64> {
    match (pool.volumes.contains_key(&image.file), pool.volumes.get(&marker(&image.file))) {
        (true, None) => None,
        (true, Some(marker)) => Some(progress(marker.capacity).min(image.size)),
        (false, _) => Some(0),
    }
}
