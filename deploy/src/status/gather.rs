//! Asks everything and everyone.

use super::kubernetes::kubernetes;
use super::{
    CertificateRow, ComponentRow, DomainRow, DomainState, HypervisorStatus, MemberRow, Status, kubernetes as api,
};
use crate::build::Build;
use crate::deployment::{Hypervisor, Node, Wait};
use crate::observed::{Observed, State};
use crate::services::{Credentials, Remote, Services, certificate_expiries, peer_expiry};
use std::thread;

const DAY: i64 = 86_400;

/// `now` is in seconds since 1970.
pub fn status(build: &Build, observed: &Observed, services: &Remote, credentials: &Credentials, now: i64) -> Status {
    let deployment = &build.deployment;
    let (etcd, mut control_plane) = thread::scope(|scope| {
        // Each that does not answer takes its time.
        let members: Vec<_> =
            deployment.etcd_members().map(|(node, _)| scope.spawn(|| member(node, services))).collect();
        let servers: Vec<_> = deployment.nodes.iter().map(|node| scope.spawn(|| api_servers(node, services))).collect();
        let members: Vec<MemberRow> = members.into_iter().filter_map(|thread| thread.join().ok()).collect();
        let servers = servers.into_iter().filter_map(|thread| thread.join().ok()).flatten();
        (members, servers.collect::<Vec<ComponentRow>>())
    });
    let api_answers = control_plane.iter().any(|row| row.healthy);
    let kubernetes = kubernetes(deployment, services, api_answers);
    if api_answers {
        control_plane.extend(api::components(deployment, services));
    }
    Status {
        cluster: deployment.cluster.clone(),
        build: build.number,
        kubernetes_version: deployment.kubernetes_version.clone(),
        hypervisors: deployment.hypervisors.iter().map(|h| hypervisor(build, h, observed)).collect(),
        certificates: certificates(build, credentials, &etcd, &control_plane, now),
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
            state: state_of(domain.running),
            build: mark.build,
            running: mark.bundle.clone(),
            built: String::new(),
            seen_healthy: mark.healthy,
        });
    }
    rows
}

fn row(build: &Build, node: &Node, state: &State) -> DomainRow {
    let own =
        |domain: &&crate::observed::Domain| domain.uuid == node.domain.uuid && domain.belongs_to(&build.deployment);
    let domain = state.domains.iter().find(own);
    let mark = domain.and_then(|domain| domain.mark.as_ref());
    DomainRow {
        node: node.name.clone(),
        domain: node.domain.name.clone(),
        state: domain.map_or(DomainState::Missing, |domain| state_of(domain.running)),
        build: mark.map_or(0, |mark| mark.build),
        running: mark.map(|mark| mark.bundle.clone()).unwrap_or_default(),
        built: node.bundle.clone(),
        seen_healthy: mark.is_some_and(|mark| mark.healthy),
    }
}

fn state_of(running: bool) -> DomainState {
    if running { DomainState::Running } else { DomainState::Off }
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

/// The operator's, and those that servers show.
fn certificates(
    build: &Build,
    credentials: &Credentials,
    etcd: &[MemberRow],
    servers: &[ComponentRow],
    now: i64,
) -> Vec<CertificateRow> {
    let mut found: Vec<(String, i64)> = Vec::new();
    for (what, pem) in [("Kubernetes", &credentials.kubernetes), ("etcd", &credentials.etcd)] {
        let Some(pem) = pem else { continue };
        let authorities = certificate_expiries(&pem.authority).into_iter().map(|at| (format!("{what} authority"), at));
        let own = certificate_expiries(&pem.certificate).into_iter().map(|at| (format!("{what}: the operator's"), at));
        found.extend(authorities.chain(own));
    }
    for node in &build.deployment.nodes {
        if let (Some(member), Some(pem)) = (&node.etcd, &credentials.etcd)
            && etcd.iter().any(|row| row.name == node.name && row.healthy)
            && let Some(at) = peer_expiry(&member.management_url, pem)
        {
            found.push((format!("etcd member {}", node.name), at));
        }
        let healthy = servers.iter().any(|row| row.place == node.name && row.healthy);
        let url = node.wait_for.iter().find_map(|wait| match wait {
            Wait::ApiServer { url } if healthy => Some(url),
            _ => None,
        });
        if let (Some(url), Some(pem)) = (url, &credentials.kubernetes)
            && let Some(at) = peer_expiry(url, pem)
        {
            found.push((format!("kube-apiserver of {}", node.name), at));
        }
    }
    let row = |(what, at): (String, i64)| CertificateRow { what, not_after: at, days_left: (at - now).div_euclid(DAY) };
    found.into_iter().map(row).collect()
}
