//! What the Kubernetes API says about the cluster.

use super::{AddonRow, ComponentRow, KubernetesStatus, NodeRow, PodNetwork, VolumeRow};
use crate::deployment::{Deployment, Role};
use crate::services::{Api, NodeInfo, Pod, Remote, ServiceError, text};
use serde_json::Value;

/// Seconds by which clocks of operators and nodes may differ.
const CLOCKS: i64 = 45;

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
    let nodes = api.nodes()?;
    Ok(KubernetesStatus {
        error: None,
        // A kubelet is Ready only while its runtime's network is.
        pod_network: deployment.pod_network.as_ref().map(|recipe| PodNetwork {
            recipe: recipe.clone(),
            ready: nodes.iter().filter(|node| node.ready).count(),
            nodes: nodes.len(),
        }),
        nodes: nodes.iter().map(|node| node_row(deployment, node, &pods)).collect(),
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
pub fn components(deployment: &Deployment, services: &Remote, now: i64) -> Vec<ComponentRow> {
    let Ok(api) = services.api() else { return Vec::new() };
    let controllers: Vec<_> = deployment.nodes.iter().filter(|node| node.has(Role::Controller)).collect();
    match controllers.as_slice() {
        [controller] => component_statuses(&api, &controller.name),
        _ => ["kube-controller-manager", "kube-scheduler"].into_iter().map(|name| lease(&api, name, now)).collect(),
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

fn lease(api: &Api<'_>, name: &str, now: i64) -> ComponentRow {
    let answer = api.get(&format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}"));
    lease_row(name, &answer.unwrap_or_default()["spec"], now)
}

/// A lease that nobody renews is one of somebody who is gone.
fn lease_row(name: &str, lease: &Value, now: i64) -> ComponentRow {
    let (holder, renewed) = (text(&lease["holderIdentity"]), text(&lease["renewTime"]));
    let age = seconds_since_1970(&renewed).map(|at| now - at);
    let alive = age.is_some_and(|age| age <= lease["leaseDurationSeconds"].as_i64().unwrap_or(0) + CLOCKS);
    let detail = match (holder.is_empty(), alive) {
        (true, _) => "nobody leads".to_owned(),
        (false, true) => format!("leads, renewed {renewed}"),
        (false, false) => format!("led, and has not renewed since {renewed}"),
    };
    let place = holder.split('_').next().unwrap_or_default().to_owned();
    ComponentRow { name: name.to_owned(), place, healthy: !holder.is_empty() && alive, detail }
}

/// Of `2026-11-20T10:11:12.345678Z`, as Kubernetes writes times.
fn seconds_since_1970(time: &str) -> Option<i64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator: char| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock.split('.').next()?, ':')?;
    // Years that begin in March have the leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day;
    // From 1 March of year 0 to 1 January 1970.
    Some(((days - 719_469) * 24 + hour) * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_counted_from_1970() {
        for (time, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00.000001Z", 951_825_600),
            ("2026-11-20T15:16:14Z", 1_795_187_774),
        ] {
            assert_eq!(seconds_since_1970(time), Some(seconds), "{time}");
        }
        assert_eq!(seconds_since_1970("soon"), None);
    }

    #[test]
    fn a_lease_that_nobody_renews_is_of_somebody_dead() {
        let lease = json!({"holderIdentity": "c-1_x", "renewTime": "1970-01-01T00:10:00Z", "leaseDurationSeconds": 15});
        let healthy = |now: i64| lease_row("kube-scheduler", &lease, now).healthy;
        assert!(healthy(600) && healthy(620) && !healthy(700), "alive for a while");
        assert_eq!(lease_row("kube-scheduler", &lease, 700).place, "c-1");
        assert!(!lease_row("kube-scheduler", &json!({}), 0).healthy);
    }
}
