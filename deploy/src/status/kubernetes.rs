//! What the Kubernetes API says about the cluster.

use super::{AddonRow, ComponentRow, KubernetesStatus, NodeRow, VolumeRow};
use crate::deployment::{Deployment, Role};
use crate::services::{Api, NodeInfo, Pod, Remote, ServiceError};
use serde_json::Value;

pub fn kubernetes(deployment: &Deployment, services: &Remote, answers: bool) -> KubernetesStatus {
    if !answers {
        return KubernetesStatus { error: Some("no API server is ready".to_owned()), ..KubernetesStatus::default() };
    }
    ask(deployment, services)
        .unwrap_or_else(|error| KubernetesStatus { error: Some(error.to_string()), ..KubernetesStatus::default() })
}

fn ask(deployment: &Deployment, services: &Remote) -> Result<KubernetesStatus, ServiceError> {
    let api = services.api()?;
    let pods = api.pods("")?;
    let mut addons = Vec::new();
    for (kind, list, wanted, ready) in [
        ("Deployment", "deployments", "replicas", "readyReplicas"),
        ("DaemonSet", "daemonsets", "desiredNumberScheduled", "numberReady"),
    ] {
        let items = api.list(&format!("/apis/apps/v1/namespaces/kube-system/{list}"))?;
        addons.extend(items.iter().map(|item| addon(kind, item, wanted, ready)));
    }
    let classes = api.list("/apis/node.k8s.io/v1/runtimeclasses")?;
    Ok(KubernetesStatus {
        error: None,
        nodes: api.nodes()?.iter().map(|node| node_row(deployment, node, &pods)).collect(),
        runtime_classes: classes.iter().map(|class| text(&class["metadata"]["name"])).collect(),
        volumes: api.list("/api/v1/persistentvolumes")?.iter().map(volume).collect(),
        addons,
    })
}

fn node_row(deployment: &Deployment, node: &NodeInfo, pods: &[Pod]) -> NodeRow {
    let built = deployment.node(&node.name).map(|built| built.roles.clone()).unwrap_or_default();
    NodeRow {
        name: node.name.clone(),
        roles: built.iter().map(|role| role.as_str().to_owned()).collect(),
        ready: node.ready,
        schedulable: node.schedulable,
        kubelet: node.kubelet.clone(),
        runtime: node.runtime.clone(),
        pods: pods.iter().filter(|pod| pod.node == node.name && pod.phase == "Running").count(),
    }
}

fn addon(kind: &str, item: &Value, wanted: &str, ready: &str) -> AddonRow {
    AddonRow {
        kind: kind.to_owned(),
        name: text(&item["metadata"]["name"]),
        ready: item["status"][ready].as_u64().unwrap_or(0),
        wanted: item["status"][wanted].as_u64().unwrap_or(0),
    }
}

fn volume(item: &Value) -> VolumeRow {
    let claim = &item["spec"]["claimRef"];
    VolumeRow {
        name: text(&item["metadata"]["name"]),
        capacity: text(&item["spec"]["capacity"]["storage"]),
        phase: text(&item["status"]["phase"]),
        claim: if claim.is_null() {
            String::new()
        } else {
            format!("{}/{}", text(&claim["namespace"]), text(&claim["name"]))
        },
    }
}

/// Controller managers and schedulers answer nobody from outside. Where there are several, they hold leases; a single one
/// elects nobody, and its API server says how it is.
pub fn components(deployment: &Deployment, services: &Remote) -> Vec<ComponentRow> {
    let Ok(api) = services.api() else { return Vec::new() };
    let controllers: Vec<_> = deployment.nodes.iter().filter(|node| node.has(Role::Controller)).collect();
    match controllers.as_slice() {
        [controller] => component_statuses(&api, &controller.name),
        _ => ["kube-controller-manager", "kube-scheduler"].into_iter().map(|name| lease(&api, name)).collect(),
    }
}

fn component_statuses(api: &Api<'_>, place: &str) -> Vec<ComponentRow> {
    let items = api.list("/api/v1/componentstatuses").unwrap_or_default();
    let row = |name: &str| {
        let item = items.iter().find(|item| item["metadata"]["name"] == name);
        let condition = item.and_then(|item| item["conditions"].as_array()?.iter().find(|c| c["type"] == "Healthy"));
        let healthy = condition.is_some_and(|condition| condition["status"] == "True");
        let message = condition.map(|condition| text(&condition["message"])).unwrap_or_default();
        let detail = if healthy { String::new() } else { message };
        ComponentRow { name: format!("kube-{name}"), place: place.to_owned(), healthy, detail }
    };
    ["controller-manager", "scheduler"].into_iter().map(row).collect()
}

fn lease(api: &Api<'_>, name: &str) -> ComponentRow {
    let answer = api.get(&format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}"));
    let holder = answer.as_ref().map(|lease| text(&lease["spec"]["holderIdentity"])).unwrap_or_default();
    let renewed = answer.as_ref().map(|lease| text(&lease["spec"]["renewTime"])).unwrap_or_default();
    ComponentRow {
        name: name.to_owned(),
        place: holder.split('_').next().unwrap_or_default().to_owned(),
        healthy: !holder.is_empty(),
        detail: if holder.is_empty() { "nobody leads".to_owned() } else { format!("leads, renewed {renewed}") },
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
