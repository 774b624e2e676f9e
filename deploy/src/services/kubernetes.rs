//! The few calls of the Kubernetes API that replacing nodes and showing a cluster need.

use super::http::{Http, text};
use super::{ServiceError, taints};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use ureq::http::Method;

const PATCH: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json";
/// Tells a node that kubi-deploy cordoned from one that a person did.
const CORDONED: &str = "kubi/cordoned";

/// An API server that can be asked, by any of its addresses.
pub struct Api<'a> {
    pub http: &'a Http,
    /// `https://HOST:PORT`, tried in turn.
    pub endpoints: &'a [String],
    /// Which one answered last: the others may take their whole time limit to say nothing.
    pub preferred: &'a AtomicUsize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    pub name: String,
    pub ready: bool,
    pub schedulable: bool,
    /// Ordinary pods do not come to it.
    pub tainted: bool,
    /// kubi-deploy has cordoned it.
    pub cordoned: bool,
    /// Another one after every boot.
    pub boot: String,
    pub labels: BTreeMap<String, String>,
    pub kubelet: String,
    pub runtime: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub node: String,
    pub phase: String,
    /// The kind of what made it; absent for a pod that nothing would make again.
    pub owner: Option<String>,
    /// The kubelet's own copy of a static pod: cannot be evicted.
    pub mirror: bool,
    pub leaving: bool,
}

impl Pod {
    /// Whether it runs wherever the node does, or has run already.
    pub fn stays(&self) -> bool {
        self.mirror
            || self.owner.as_deref() == Some("DaemonSet")
            || matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

impl Api<'_> {
    /// The first endpoint that answers anything has the say.
    fn call(&self, method: &Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, ServiceError> {
        let mut last = ServiceError::NoCredentials("the build names no API server".to_owned());
        for place in in_turn(self.endpoints.len(), self.preferred) {
            match self.http.json(method.clone(), &format!("{}{path}", self.endpoints[place]), body) {
                Err(error @ ServiceError::Unreachable { .. }) => last = error,
                answer => {
                    self.preferred.store(place, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(last)
    }

    pub fn get(&self, path: &str) -> Result<Value, ServiceError> {
        self.call(&Method::GET, path, None)
    }

    /// The items of a list, across pages.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, ServiceError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.get(&format!("{path}{separator}limit=500&continue={token}"))?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                return Ok(items);
            }
        }
    }

    pub fn nodes(&self) -> Result<Vec<NodeInfo>, ServiceError> {
        Ok(self.list("/api/v1/nodes")?.iter().map(node).collect())
    }

    pub fn node(&self, name: &str) -> Result<NodeInfo, ServiceError> {
        Ok(node(&self.get(&format!("/api/v1/nodes/{name}"))?))
    }

    /// A node that a person has cordoned stays the person's.
    pub fn cordon(&self, name: &str) -> Result<(), ServiceError> {
        if !self.node(name)?.schedulable {
            return Ok(());
        }
        self.patch_node(name, &json!({"metadata": {"annotations": {CORDONED: "yes"}}, "spec": {"unschedulable": true}}))
    }

    pub fn uncordon(&self, name: &str) -> Result<(), ServiceError> {
        let found = self.get(&format!("/api/v1/nodes/{name}"))?;
        if found["metadata"]["annotations"][CORDONED].as_str() != Some("yes") {
            return Ok(());
        }
        self.patch_node(name, &json!({"metadata": {"annotations": {CORDONED: null}}, "spec": {"unschedulable": null}}))
    }

    fn patch_node(&self, name: &str, patch: &Value) -> Result<(), ServiceError> {
        self.call(&Method::PATCH, &format!("/api/v1/nodes/{name}"), Some((PATCH, patch))).map(drop)
    }

    pub fn pods(&self, filter: &str) -> Result<Vec<Pod>, ServiceError> {
        Ok(self.list(&format!("/api/v1/pods{filter}"))?.iter().map(pod).collect())
    }

    pub fn evict(&self, pod: &Pod) -> Result<Option<String>, ServiceError> {
        let (namespace, name) = (&pod.namespace, &pod.name);
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
        let body = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}
        });
        match self.call(&Method::POST, &path, Some((JSON, &body))) {
            Ok(_) => Ok(None),
            Err(error) if error.status() == Some(404) => Ok(None),
            // Too many requests: a disruption budget has nothing to spare.
            Err(ServiceError::Refused { status: 429, message, .. }) => Ok(Some(message)),
            Err(error) => Err(error),
        }
    }

    pub fn taint(&self, name: &str, wanted: &[String]) -> Result<(), ServiceError> {
        let found = self.get(&format!("/api/v1/nodes/{name}"))?;
        taints::patch(&found, wanted).map_or(Ok(()), |patch| self.patch_node(name, &patch))
    }

    pub fn delete_node(&self, name: &str) -> Result<(), ServiceError> {
        match self.call(&Method::DELETE, &format!("/api/v1/nodes/{name}"), None) {
            Err(error) if error.status() == Some(404) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// Places of a list, beginning with the preferred one.
pub fn in_turn(length: usize, preferred: &AtomicUsize) -> impl Iterator<Item = usize> + use<> {
    let first = preferred.load(Ordering::Relaxed);
    (0..length).map(move |offset| (first + offset) % length)
}

fn node(value: &Value) -> NodeInfo {
    let conditions = value["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let info = &value["status"]["nodeInfo"];
    let labels = value["metadata"]["labels"].as_object().into_iter().flatten();
    let taints = value["spec"]["taints"].as_array().map(Vec::as_slice).unwrap_or_default();
    let keeps_away = |taint: &Value| {
        let effect = taint["effect"].as_str().unwrap_or_default();
        // That of a cordon goes with the cordon.
        matches!(effect, "NoSchedule" | "NoExecute") && taint["key"] != "node.kubernetes.io/unschedulable"
    };
    NodeInfo {
        name: text(&value["metadata"]["name"]),
        ready: conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"),
        schedulable: !value["spec"]["unschedulable"].as_bool().unwrap_or(false),
        tainted: taints.iter().any(keeps_away),
        cordoned: value["metadata"]["annotations"][CORDONED] == "yes",
        boot: text(&info["bootID"]),
        labels: labels.map(|(key, value)| (key.clone(), text(value))).collect(),
        kubelet: text(&info["kubeletVersion"]),
        runtime: text(&info["containerRuntimeVersion"]),
    }
}

fn pod(value: &Value) -> Pod {
    let metadata = &value["metadata"];
    let owners = metadata["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    Pod {
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
        node: text(&value["spec"]["nodeName"]),
        phase: text(&value["status"]["phase"]),
        owner: owners.iter().find(|owner| owner["controller"] == true).map(|owner| text(&owner["kind"])),
        mirror: !metadata["annotations"]["kubernetes.io/config.mirror"].is_null(),
        leaving: !metadata["deletionTimestamp"].is_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_it_says_so() {
        let value = |status: &str| {
            json!({
                "metadata": {"name": "w", "labels": {"kubi/bundle": "ab"}}, "spec": {"unschedulable": true},
                "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": status}]}
            })
        };
        assert!(node(&value("True")).ready && !node(&value("Unknown")).ready);
        let node = node(&value("True"));
        assert_eq!((node.name.as_str(), node.schedulable, node.labels["kubi/bundle"].as_str()), ("w", false, "ab"));
    }

    #[test]
    fn taints_keep_pods_away() {
        let tainted =
            |key: &str, effect: &str| node(&json!({"spec": {"taints": [{"key": key, "effect": effect}]}})).tainted;
        assert!(tainted("node-role.kubernetes.io/control-plane", "NoSchedule") && tainted("x", "NoExecute"));
        assert!(!tainted("x", "PreferNoSchedule") && !tainted("node.kubernetes.io/unschedulable", "NoSchedule"));
    }

    #[test]
    fn pods_that_belong_to_the_node_stay() {
        let pod = |owner: &str, phase: &str, mirror: bool| {
            let annotations = if mirror { json!({"kubernetes.io/config.mirror": "x"}) } else { json!({}) };
            pod(&json!({
                "metadata": {"name": "p", "annotations": annotations, "ownerReferences": [{"kind": owner, "controller": true}]},
                "status": {"phase": phase}
            }))
        };
        assert!(pod("DaemonSet", "Running", false).stays());
        assert!(pod("Job", "Succeeded", false).stays());
        assert!(pod("Node", "Running", true).stays());
        assert!(!pod("ReplicaSet", "Running", false).stays());
    }
}
