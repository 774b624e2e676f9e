//! A status as one screen of text.

use super::table::table;
use super::{bytes, short};
use crate::status::{DomainRow, DomainState, HypervisorStatus, KubernetesStatus, Status};
use std::fmt::Write as _;

/// From here on an expiry is worth a word.
const SOON_DAYS: i64 = 30;

pub fn status_text(status: &Status) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}: build {}, Kubernetes {}", status.cluster, status.build, status.kubernetes_version);
    status.hypervisors.iter().for_each(|hypervisor| hypervisor_text(&mut out, hypervisor));
    let members: Vec<Vec<String>> = status
        .etcd
        .iter()
        .map(|row| {
            let state = if row.healthy { "healthy".to_owned() } else { row.reason.clone().unwrap_or_default() };
            let leader = if row.leader { "leader" } else { "" };
            vec![row.name.clone(), leader.to_owned(), row.version.clone(), bytes(row.database_size), state]
        })
        .collect();
    section(&mut out, "etcd", &["MEMBER", "LEADS", "VERSION", "DATABASE", "STATE"], &members);
    let components: Vec<Vec<String>> = status
        .control_plane
        .iter()
        .map(|row| {
            let state = if row.healthy { "healthy" } else { "not healthy" };
            vec![row.name.clone(), row.place.clone(), state.to_owned(), row.detail.clone()]
        })
        .collect();
    section(&mut out, "control plane", &["COMPONENT", "ON", "STATE", ""], &components);
    kubernetes_text(&mut out, &status.kubernetes);
    let certificates: Vec<Vec<String>> = status
        .certificates
        .iter()
        .map(|row| {
            let note = match row.days_left {
                days if days < 0 => "EXPIRED",
                days if days < SOON_DAYS => "soon",
                _ => "",
            };
            vec![row.what.clone(), format!("{} days", row.days_left), note.to_owned()]
        })
        .collect();
    section(&mut out, "certificates", &["OF", "LEFT", ""], &certificates);
    out
}

fn section(out: &mut String, title: &str, header: &[&str], rows: &[Vec<String>]) {
    if !rows.is_empty() {
        let _ = write!(out, "\n{title}\n{}", table(header, rows));
    }
}

fn hypervisor_text(out: &mut String, hypervisor: &HypervisorStatus) {
    let _ = write!(out, "\nhypervisor {} ({}", hypervisor.name, hypervisor.uri);
    let _ = match &hypervisor.error {
        Some(error) => writeln!(out, "): {error}"),
        None => writeln!(out, ", {} free)", bytes(hypervisor.pool_available)),
    };
    let rows: Vec<Vec<String>> = hypervisor
        .domains
        .iter()
        .map(|row| {
            let state = match row.state {
                DomainState::Running => "running",
                DomainState::Paused => "paused",
                DomainState::Off => "off",
                DomainState::Missing => "missing",
            };
            let build = if row.build == 0 { String::new() } else { row.build.to_string() };
            vec![row.node.clone(), state.to_owned(), build, short(&row.running), against_built(row)]
        })
        .collect();
    if !rows.is_empty() {
        out.push_str(&table(&["NODE", "DOMAIN", "BUILD", "BUNDLE", ""], &rows));
    }
}

fn against_built(row: &DomainRow) -> String {
    match (row.running.is_empty(), row.built.is_empty(), row.is_current()) {
        (true, ..) => "not deployed".to_owned(),
        (_, true, _) => "not in the build: apply removes it".to_owned(),
        (_, _, false) => format!("built is {}: apply replaces it", short(&row.built)),
        _ if !row.seen_healthy => "as built, not yet seen healthy".to_owned(),
        _ => "as built".to_owned(),
    }
}

fn kubernetes_text(out: &mut String, kubernetes: &KubernetesStatus) {
    if let Some(error) = &kubernetes.error {
        let _ = writeln!(out, "\nKubernetes: {error}");
        return;
    }
    let nodes: Vec<Vec<String>> = kubernetes
        .nodes
        .iter()
        .map(|row| {
            let ready = if row.ready { "Ready" } else { "NotReady" };
            let cordoned = if row.schedulable { "" } else { ", cordoned" };
            let roles = row.roles.join(",");
            let pods = row.pods.to_string();
            vec![row.name.clone(), format!("{ready}{cordoned}"), roles, row.kubelet.clone(), row.runtime.clone(), pods]
        })
        .collect();
    section(out, "nodes", &["NODE", "STATE", "ROLES", "KUBELET", "RUNTIME", "PODS"], &nodes);
    let addons: Vec<Vec<String>> = kubernetes
        .addons
        .iter()
        .map(|row| vec![row.name.clone(), row.kind.clone(), format!("{}/{}", row.ready, row.wanted)])
        .collect();
    section(out, "add-ons in kube-system", &["NAME", "KIND", "READY"], &addons);
    if let Some(network) = &kubernetes.pod_network {
        let _ = writeln!(out, "\npod network: {}, up on {} of {} nodes", network.recipe, network.ready, network.nodes);
    }
    if !kubernetes.runtime_classes.is_empty() {
        let _ = writeln!(out, "\nruntime classes: {}", kubernetes.runtime_classes.join(", "));
    }
    let volumes: Vec<Vec<String>> = kubernetes
        .volumes
        .iter()
        .map(|row| vec![row.name.clone(), row.capacity.clone(), row.phase.clone(), row.claim.clone()])
        .collect();
    section(out, "volumes", &["VOLUME", "SIZE", "STATE", "CLAIM"], &volumes);
}
