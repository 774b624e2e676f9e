//! [`Services`] over the network.

use super::http::{Http, Pem, message};
use super::kubernetes::{Api, in_turn};
use super::{Credentials, MemberInfo, MemberStatus, NodeInfo, Pod, ServiceError, Services, etcd};
use crate::deployment::{Deployment, Wait};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use ureq::http::Method;

pub struct Remote {
    etcd: Result<Http, String>,
    kubernetes: Result<Http, String>,
    /// Client URLs of the build's members, on the management network.
    members: Vec<String>,
    /// Those of members that run, but are not in the build.
    others: Mutex<BTreeSet<String>>,
    api_servers: Vec<String>,
    /// Which of them answered last.
    preferred_member: AtomicUsize,
    preferred_api_server: AtomicUsize,
}

impl Remote {
    /// Without usable credentials, only the calls that need them fail.
    pub fn new(deployment: &Deployment, credentials: &Credentials) -> Self {
        let members = deployment.etcd_members().map(|(_, member)| member.management_url.clone()).collect();
        let waits = deployment.nodes.iter().flat_map(|node| &node.wait_for);
        let api_servers = waits.filter_map(|wait| match wait {
            Wait::ApiServer { url } => Some(url.trim_end_matches("/readyz").to_owned()),
            _ => None,
        });
        Self {
            etcd: client(credentials.etcd.as_ref(), "the build has no client certificate for etcd"),
            kubernetes: client(credentials.kubernetes.as_ref(), "the build has no operator's kubeconfig"),
            members,
            others: Mutex::default(),
            api_servers: api_servers.collect(),
            preferred_member: AtomicUsize::new(0),
            preferred_api_server: AtomicUsize::new(0),
        }
    }

    fn etcd(&self) -> Result<&Http, ServiceError> {
        self.etcd.as_ref().map_err(|reason| ServiceError::NoCredentials(reason.clone()))
    }

    pub fn api(&self) -> Result<Api<'_>, ServiceError> {
        let http = self.kubernetes.as_ref().map_err(|reason| ServiceError::NoCredentials(reason.clone()))?;
        Ok(Api { http, endpoints: &self.api_servers, preferred: &self.preferred_api_server })
    }

    /// Members that are not in the build are asked too: they may be all that there is.
    pub fn learn_members<'a>(&self, urls: impl Iterator<Item = &'a String>) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.extend(urls.filter(|url| !self.members.contains(url)).cloned());
    }

    /// Asks members in turn until one does it. Of errors, what a member has answered says most.
    fn any_member<T>(&self, call: impl Fn(&Http, &str) -> Result<T, ServiceError>) -> Result<T, ServiceError> {
        let http = self.etcd()?;
        let mut last = ServiceError::NoCredentials("the build has no etcd member".to_owned());
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let all: Vec<&String> = self.members.iter().chain(&others).collect();
        for place in in_turn(all.len(), &self.preferred_member) {
            match call(http, all[place]) {
                Ok(answer) => {
                    self.preferred_member.store(place, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) if error.status().is_some() || last.status().is_none() => last = error,
                Err(_) => {}
            }
        }
        Err(last)
    }

    fn node_holds(&self, name: &str, label: &str) -> Result<(), String> {
        let node = self.api().and_then(|api| api.node(name)).map_err(|error| error.to_string())?;
        match node.labels.get("kubi/bundle") {
            Some(found) if found == label && node.ready => Ok(()),
            Some(found) if found == label => Err(format!("Node {name} is not Ready")),
            Some(_) => Err(format!("Node {name} still has the label of another bundle")),
            None => Err(format!("Node {name} has no label kubi/bundle yet")),
        }
    }
}

fn client(pem: Option<&Pem>, missing: &str) -> Result<Http, String> {
    pem.ok_or_else(|| missing.to_owned()).and_then(Http::new)
}

impl Services for Remote {
    fn holds(&self, wait: &Wait) -> Result<(), String> {
        match wait {
            Wait::EtcdMember { url } => etcd::health(self.etcd().map_err(|error| error.to_string())?, url),
            Wait::ApiServer { url } => {
                let http = self.api().map_err(|error| error.to_string())?.http;
                match http.call(Method::GET, url, None).map_err(|error| error.to_string())? {
                    (200, _) => Ok(()),
                    (status, text) => Err(format!("{url} answered {status}: {}", message(&text))),
                }
            }
            Wait::Node { name, label } => self.node_holds(name, label),
        }
    }

    fn etcd_status(&self, url: &str) -> Result<MemberStatus, ServiceError> {
        etcd::status(self.etcd()?, url)
    }

    fn etcd_members(&self) -> Result<Vec<MemberInfo>, ServiceError> {
        self.any_member(etcd::members)
    }

    fn etcd_add_learner(&self, peer_url: &str) -> Result<(), ServiceError> {
        self.any_member(|http, url| etcd::add_learner(http, url, peer_url))
    }

    fn etcd_promote(&self, id: &str) -> Result<(), ServiceError> {
        self.any_member(|http, url| etcd::promote(http, url, id))
    }

    fn etcd_update(&self, id: &str, peer_url: &str) -> Result<(), ServiceError> {
        self.any_member(|http, url| etcd::update(http, url, id, peer_url))
    }

    fn etcd_remove(&self, id: &str) -> Result<(), ServiceError> {
        self.any_member(|http, url| etcd::remove(http, url, id))
    }

    fn etcd_move_leader(&self, from: &str, to: &str) -> Result<(), ServiceError> {
        etcd::move_leader(self.etcd()?, from, to)
    }

    fn nodes(&self) -> Result<Vec<NodeInfo>, ServiceError> {
        self.api()?.nodes()
    }

    fn cordon(&self, node: &str) -> Result<(), ServiceError> {
        self.api()?.cordon(node)
    }

    fn uncordon(&self, node: &str) -> Result<(), ServiceError> {
        self.api()?.uncordon(node)
    }

    fn pods(&self, node: &str) -> Result<Vec<Pod>, ServiceError> {
        self.api()?.pods(&format!("?fieldSelector=spec.nodeName%3D{node}"))
    }

    fn evict(&self, pod: &Pod) -> Result<Option<String>, ServiceError> {
        self.api()?.evict(pod)
    }

    fn delete_node(&self, node: &str) -> Result<(), ServiceError> {
        self.api()?.delete_node(node)
    }

    fn taint(&self, node: &str, wanted: &[String]) -> Result<(), ServiceError> {
        self.api()?.taint(node, wanted)
    }
}
