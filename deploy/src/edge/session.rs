//! Connections to every hypervisor of a build and to the cluster's services, and one look at all of it.

use super::{Folder, FolderError};
use crate::build::Build;
use crate::deployment::Hypervisor;
use crate::hypervisor::{HypervisorError, Libvirt};
use crate::observed::{MemberUrls, Observed, State};
use crate::services::{Remote, Services as _, look_at_etcd};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

pub struct Session {
    pub folder: Folder,
    pub build: Build,
    /// Those of the build, and those that earlier builds had nodes on, by name.
    pub declared: BTreeMap<String, Hypervisor>,
    /// Hypervisors that are gone for good.
    pub lost: BTreeSet<String>,
    /// Hypervisors that each node was on in builds that were deployed from here.
    places: BTreeMap<String, BTreeSet<String>>,
    /// By name; an error says why there is none.
    pub hypervisors: BTreeMap<String, Result<Arc<Libvirt>, HypervisorError>>,
    pub services: Remote,
}

impl Session {
    /// Connects side by side. A hypervisor that does not answer is no error here.
    pub fn open(folder: Folder, build: Build) -> Result<Self, FolderError> {
        Self::open_without(folder, build, &BTreeSet::new())
    }

    /// Does not try those that are gone for good.
    pub fn open_without(folder: Folder, build: Build, lost: &BTreeSet<String>) -> Result<Self, FolderError> {
        let services = Remote::new(&build.deployment, &folder.credentials(&build)?);
        let (declared, places) = declared(&folder, &build);
        let connect = |hypervisor: &Hypervisor| match lost.contains(&hypervisor.name) {
            true => Err(said_to_be_lost(hypervisor)),
            false => Libvirt::open(&hypervisor.uri).map(Arc::new),
        };
        let hypervisors = thread::scope(|scope| {
            let threads: Vec<_> = declared
                .values()
                .map(|hypervisor| (hypervisor.name.clone(), scope.spawn(|| connect(hypervisor))))
                .collect();
            threads.into_iter().map(|(name, thread)| (name, thread.join().unwrap_or_else(|_| Err(crashed())))).collect()
        });
        Ok(Self { folder, build, declared, lost: lost.clone(), places, hypervisors, services })
    }

    /// Storage pools by hypervisor.
    pub fn pools(&self) -> BTreeMap<String, String> {
        self.declared.iter().map(|(name, hypervisor)| (name.clone(), hypervisor.pool.clone())).collect()
    }

    pub fn member_urls(&self, observed: &Observed) -> MemberUrls {
        observed.member_urls(&self.build.deployment)
    }

    /// Those that answered.
    pub fn reached(&self) -> BTreeMap<String, Arc<dyn crate::hypervisor::Hypervisor>> {
        let reached = self.hypervisors.iter().filter_map(|(name, result)| Some((name, result.as_ref().ok()?)));
        reached
            .map(|(name, libvirt)| (name.clone(), libvirt.clone() as Arc<dyn crate::hypervisor::Hypervisor>))
            .collect()
    }

    pub fn libvirt(&self, name: &str) -> Option<&Result<Arc<Libvirt>, HypervisorError>> {
        self.hypervisors.get(name)
    }

    /// Looks at everything, side by side.
    pub fn observe(&self) -> Observed {
        let hypervisors: BTreeMap<String, Result<State, String>> = thread::scope(|scope| {
            let threads: Vec<_> = self
                .hypervisors
                .iter()
                .map(|(name, result)| (name.clone(), scope.spawn(move || self.look(name, result))))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<State, HypervisorError>>| {
                thread.join().unwrap_or_else(|_| Err(crashed())).map_err(|error| error.to_string())
            };
            threads.into_iter().map(|(name, thread)| (name, join(thread))).collect()
        });
        let mut observed = Observed { hypervisors, places: self.places.clone(), ..Observed::default() };
        let urls = self.member_urls(&observed);
        self.services.learn_members(urls.values().flatten());
        if self.may_have_etcd(&observed) {
            observed.etcd = look_at_etcd(&self.services, &urls);
            let nodes = self.services.nodes().unwrap_or_default();
            observed.nodes = nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
        }
        observed
    }

    fn look(&self, name: &str, libvirt: &Result<Arc<Libvirt>, HypervisorError>) -> Result<State, HypervisorError> {
        let declared = self.declared.get(name);
        let pool = declared.map(|found| found.pool.as_str()).unwrap_or_default();
        let state = libvirt.as_ref().map_err(Clone::clone)?.observe_in_time(pool)?;
        let own = declared.is_some_and(|found| is_own(&found.uri));
        Ok(State { own_images: if own { own_images() } else { None }, ..state })
    }

    /// Nobody is asked who cannot answer.
    fn may_have_etcd(&self, observed: &Observed) -> bool {
        let domains = observed.hypervisors.values().flatten().flat_map(|state| &state.domains);
        let mut running = domains.filter(|domain| domain.running && domain.belongs_to(&self.build.deployment));
        running.any(|domain| domain.mark.as_ref().is_some_and(|mark| mark.healthy))
    }
}

/// The hypervisors of the build and of those that were deployed before, and where each node has been. The build decides how
/// one is reached; a node that left it is still where it was.
fn declared(folder: &Folder, build: &Build) -> (BTreeMap<String, Hypervisor>, BTreeMap<String, BTreeSet<String>>) {
    let mut declared = BTreeMap::new();
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // A folder that was interrupted while it was written names nothing.
    let earlier = folder.deployed_numbers().into_iter().filter_map(|number| folder.deployed(number).ok());
    for deployment in earlier.map(|build| build.deployment) {
        for node in deployment.nodes {
            places.entry(node.name).or_default().insert(node.hypervisor);
        }
        declared.extend(deployment.hypervisors.into_iter().map(|hypervisor| (hypervisor.name.clone(), hypervisor)));
    }
    let built = build.deployment.hypervisors.iter().cloned();
    declared.extend(built.map(|hypervisor| (hypervisor.name.clone(), hypervisor)));
    (declared, places)
}

/// This user's own libvirt on this machine.
fn is_own(uri: &str) -> bool {
    uri.split(['?', '#']).next() == Some("qemu:///session")
}

/// Where other programs have libvirt's session keep images too.
fn own_images() -> Option<String> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(absolute);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")).filter(absolute);
    data.or_else(home)?.join("libvirt/images").into_os_string().into_string().ok()
}

fn said_to_be_lost(hypervisor: &Hypervisor) -> HypervisorError {
    HypervisorError::Unreachable { uri: hypervisor.uri.clone(), reason: "it is said to be lost".to_owned() }
}

fn crashed() -> HypervisorError {
    HypervisorError::Failed {
        doing: "asking a hypervisor".to_owned(),
        reason: "a thread crashed; this is a bug".to_owned(),
    }
}
