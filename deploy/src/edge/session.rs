//! Connections to every hypervisor of a build and to the cluster's services, and one look at all of it.

use super::{Folder, FolderError};
use crate::build::Build;
use crate::hypervisor::{Hypervisor, HypervisorError, Libvirt};
use crate::observed::{Observed, State};
use crate::services::{Remote, Services};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

pub struct Session {
    pub folder: Folder,
    pub build: Build,
    /// By name; an error says why there is none.
    pub hypervisors: BTreeMap<String, Result<Arc<Libvirt>, HypervisorError>>,
    pub services: Remote,
}

impl Session {
    /// Connects side by side. A hypervisor that does not answer is no error here.
    pub fn open(folder: Folder, build: Build) -> Result<Self, FolderError> {
        let services = Remote::new(&build.deployment, &folder.credentials(&build)?);
        let hypervisors = thread::scope(|scope| {
            let declared = build.deployment.hypervisors.iter();
            let threads: Vec<_> = declared
                .map(|hypervisor| {
                    (hypervisor.name.clone(), scope.spawn(|| Libvirt::open(&hypervisor.uri).map(Arc::new)))
                })
                .collect();
            threads.into_iter().map(|(name, thread)| (name, thread.join().unwrap_or_else(|_| Err(crashed())))).collect()
        });
        Ok(Self { folder, build, hypervisors, services })
    }

    /// Those that answered.
    pub fn reached(&self) -> BTreeMap<String, Arc<dyn Hypervisor>> {
        let reached = self.hypervisors.iter().filter_map(|(name, result)| Some((name, result.as_ref().ok()?)));
        reached.map(|(name, libvirt)| (name.clone(), libvirt.clone() as Arc<dyn Hypervisor>)).collect()
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
        let mut observed = Observed { hypervisors, ..Observed::default() };
        if self.may_have_etcd(&observed) {
            self.look_at_etcd(&mut observed);
            let nodes = self.services.nodes().unwrap_or_default();
            observed.nodes = nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
        }
        observed
    }

    fn look(&self, name: &str, libvirt: &Result<Arc<Libvirt>, HypervisorError>) -> Result<State, HypervisorError> {
        let pool = self.build.deployment.hypervisor(name).map(|found| found.pool.as_str()).unwrap_or_default();
        libvirt.as_ref().map_err(Clone::clone)?.observe_in_time(pool)
    }

    /// Nobody is asked who cannot answer.
    fn may_have_etcd(&self, observed: &Observed) -> bool {
        let domains = observed.hypervisors.values().flatten().flat_map(|state| &state.domains);
        let mut running = domains.filter(|domain| domain.running && domain.belongs_to(&self.build.deployment));
        running.any(|domain| domain.mark.as_ref().is_some_and(|mark| mark.healthy))
    }

    fn look_at_etcd(&self, observed: &mut Observed) {
        let Ok(members) = self.services.etcd_members() else { return };
        for (_, member) in self.build.deployment.etcd_members() {
            let Ok(status) = self.services.etcd_status(member) else { continue };
            let leader = members.iter().find(|known| known.id == status.leader);
            if let Some(leader) = leader {
                observed.etcd_leader = Some(leader.name.clone());
                break;
            }
        }
        observed.etcd_members =
            Some(members.into_iter().map(|member| member.name).filter(|name| !name.is_empty()).collect());
    }
}

fn crashed() -> HypervisorError {
    HypervisorError::Failed {
        doing: "asking a hypervisor".to_owned(),
        reason: "a thread crashed; this is a bug".to_owned(),
    }
}
