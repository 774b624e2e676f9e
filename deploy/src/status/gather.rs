//! Asks everything and everyone.

use super::kubernetes::kubernetes;
use super::{
    CertificateRow, ComponentRow, DomainRow, DomainState, HypervisorStatus, MemberRow, Status, kubernetes as api,
};
use crate::build::Build;
use crate::deployment::{Hypervisor, NetworkKind, Node, Wait};
use crate::observed::{Domain, Observed, State};
use crate::services::{Credentials, MemberInfo, Remote, Services, certificate_expiries, peer_expiry};
use std::thread;

/// As registered with Kubernetes.
const KUBELET_PORT: u16 = 10250;
const DAY: i64 = 86_400;

/// `now` is in seconds since 1970.
pub fn status(build: &Build, observed: &Observed, services: &Remote, credentials: &Credentials, now: i64) -> Status {
    let deployment = &build.deployment;
    let (mut etcd, mut control_plane) = thread::scope(|scope| {
        // Each that does not answer takes its time.
        let members: Vec<_> =
            deployment.etcd_members().map(|(node, _)| scope.spawn(|| member(node, services))).collect();
        let servers: Vec<_> = deployment.nodes.iter().map(|node| scope.spawn(|| api_servers(node, services))).collect();
        let members: Vec<MemberRow> = members.into_iter().filter_map(|thread| thread.join().ok()).collect();
        let servers = servers.into_iter().filter_map(|thread| thread.join().ok()).flatten();
        (members, servers.collect::<Vec<ComponentRow>>())
    });
    etcd.extend(strangers(build, services, &etcd));
    let api_answers = control_plane.iter().any(|row| row.healthy);
    let kubernetes = kubernetes(deployment, services, api_answers);
    if api_answers {
        control_plane.extend(api::components(deployment, services, now));
    }
    Status {
        cluster: deployment.cluster.clone(),
        build: build.number,
        kubernetes_version: deployment.kubernetes_version.clone(),
        hypervisors: deployment.hypervisors.iter().map(|h| hypervisor(build, h, observed)).collect(),
        certificates: certificates(build, credentials, now),
        etcd,
        control_plane,
        kubernetes,
    }
}

fn hypervisor(build: &Build, hypervisor: &Hypervisor, observed: &Observed) -> HypervisorStatus {
    let (state, error) = match observed.hypervisors.get(&hypervisor.name) {
        Some(Ok(state)) => (Some(state), None),
        Some(Err(reason)) => (None, Some(reason.clone())),
        None => (None, Some("it was not asked".to_owned())),
    };
    HypervisorStatus {
        name: hypervisor.name.clone(),
        uri: hypervisor.uri.clone(),
        error,
        pool_available: state.and_then(|state| state.pool.as_ref()).map_or(0, |pool| pool.available),
        domains: state.map(|state| domains(build, &hypervisor.name, state)).unwrap_or_default(),
    }
}

/// The nodes that should be there, then domains of the cluster that should not.
fn domains(build: &Build, hypervisor: &str, state: &State) -> Vec<DomainRow> {
    let wanted = build.deployment.nodes.iter().filter(|node| node.hypervisor == hypervisor);
    let mut rows: Vec<DomainRow> = wanted.clone().map(|node| row(build, node, state)).collect();
    for domain in state.domains.iter().filter(|domain| domain.belongs_to(&build.deployment)) {
        let Some(mark) = &domain.mark else { continue };
        if wanted.clone().any(|node| node.domain.uuid == domain.uuid) {
            continue;
        }
        rows.push(DomainRow {
            node: mark.node.clone(),
            domain: domain.name.clone(),
            state: state_of(domain),
            build: mark.build,
            running: mark.bundle.clone(),
            built: String::new(),
            seen_healthy: mark.healthy,
        });
    }
    rows
}

fn row(build: &Build, node: &Node, state: &State) -> DomainRow {
    let own = |domain: &&Domain| domain.uuid == node.domain.uuid && domain.belongs_to(&build.deployment);
    let domain = state.domains.iter().find(own);
    let mark = domain.and_then(|domain| domain.mark.as_ref());
    DomainRow {
        node: node.name.clone(),
        domain: node.domain.name.clone(),
        state: domain.map_or(DomainState::Missing, state_of),
        build: mark.map_or(0, |mark| mark.build),
        running: mark.map(|mark| mark.bundle.clone()).unwrap_or_default(),
        built: node.bundle.clone(),
        seen_healthy: mark.is_some_and(|mark| mark.healthy),
    }
}

fn state_of(domain: &Domain) -> DomainState {
    match (domain.running, domain.paused) {
        (true, true) => DomainState::Paused,
        (true, false) => DomainState::Running,
        (false, _) => DomainState::Off,
    }
}

fn member(node: &Node, services: &Remote) -> MemberRow {
    let mut row = MemberRow {
        name: node.name.clone(),
        healthy: false,
        leader: false,
        version: String::new(),
        database_size: 0,
        reason: None,
    };
    let Some(member) = &node.etcd else { return row };
    let health = services.holds(&Wait::EtcdMember { url: member.management_url.clone() });
    row.healthy = health.is_ok();
    row.reason = health.err();
    if row.healthy
        && let Ok(status) = services.etcd_status(&member.management_url)
    {
        row.leader = status.is_leader();
        row.version = status.version;
        row.database_size = status.database_size;
    }
    row
}

/// Members that etcd has and the build has not: dead ones count for the quorum all the same.
fn strangers(build: &Build, services: &Remote, etcd: &[MemberRow]) -> Vec<MemberRow> {
    if !etcd.iter().any(|row| row.healthy) {
        return Vec::new();
    }
    let built = |name: &str| build.deployment.etcd_members().any(|(_, member)| member.name == name);
    let members = services.etcd_members().unwrap_or_default().into_iter();
    let row = |member: MemberInfo| MemberRow {
        name: if member.name.is_empty() { member.peer_urls.join(" ") } else { member.name },
        healthy: false,
        leader: false,
        version: String::new(),
        database_size: 0,
        reason: Some("etcd lists it, the build does not".to_owned()),
    };
    members.filter(|member| !built(&member.name)).map(row).collect()
}

fn api_servers(node: &Node, services: &Remote) -> Vec<ComponentRow> {
    let urls = node.wait_for.iter().filter(|wait| matches!(wait, Wait::ApiServer { .. }));
    let row = |wait: &Wait| {
        let health = services.holds(wait);
        ComponentRow {
            name: "kube-apiserver".to_owned(),
            place: node.name.clone(),
            healthy: health.is_ok(),
            detail: health.err().unwrap_or_default(),
        }
    };
    urls.map(row).collect()
}

/// The operator's, and those that servers show, whether they are healthy or not.
fn certificates(build: &Build, credentials: &Credentials, now: i64) -> Vec<CertificateRow> {
    let mut found: Vec<(String, i64)> = Vec::new();
    for (what, pem) in [("Kubernetes", &credentials.kubernetes), ("etcd", &credentials.etcd)] {
        let Some(pem) = pem else { continue };
        let authorities = certificate_expiries(&pem.authority).into_iter().map(|at| (format!("{what} authority"), at));
        let own = certificate_expiries(&pem.certificate).into_iter().map(|at| (format!("{what}: the operator's"), at));
        found.extend(authorities.chain(own));
    }
    thread::scope(|scope| {
        let shown = build.deployment.nodes.iter().flat_map(servers);
        let threads: Vec<_> = shown.map(|(what, url)| scope.spawn(move || Some((what, peer_expiry(&url)?)))).collect();
        found.extend(threads.into_iter().filter_map(|thread| thread.join().ok()?));
    });
    let row = |(what, at): (String, i64)| CertificateRow { what, not_after: at, days_left: (at - now).div_euclid(DAY) };
    found.into_iter().map(row).collect()
}

/// Who shows a certificate on a node, and where. Peers of etcd talk on the cluster network: not every operator gets there.
fn servers(node: &Node) -> Vec<(String, String)> {
    let name = &node.name;
    let mut servers = Vec::new();
    if let Some(member) = &node.etcd {
        servers.push((format!("etcd member {name}"), member.management_url.clone()));
        servers.push((format!("etcd member {name}, for its peers"), member.peer_url.clone()));
    }
    servers.extend(node.wait_for.iter().filter_map(|wait| match wait {
        Wait::ApiServer { url } => Some((format!("kube-apiserver of {name}"), url.clone())),
        _ => None,
    }));
    let management = node.interfaces.iter().find(|interface| interface.network == NetworkKind::Management);
    if let Some(interface) = management.filter(|_| node.kubernetes_node().is_some()) {
        servers.push((format!("kubelet of {name}"), format!("https://{}:{KUBELET_PORT}", interface.address)));
    }
    servers
}
