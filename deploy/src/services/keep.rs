//! Keeping a Node's labels and taints as the build says: a kubelet sets them only when its Node is registered for the first time,
//! and may not change taints at all.
//!
//! In: the Node as it is, and what the build wants. Out: what to change, or nothing. What kubi has set is written down in an
//! annotation of the Node, so that it goes when it leaves the spec; labels and taints of other people's stay.

use super::http::text;
use crate::deployment::NodeObject;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// `label KEY` and `taint KEY:EFFECT`, one a line.
const KEPT: &str = "kubi/kept";

/// A strategic merge patch; `None` when everything is as it should be.
pub fn patch(node: &Value, wanted: &NodeObject) -> Option<Value> {
    let before = node["metadata"]["annotations"][KEPT].as_str().unwrap_or_default();
    let kept = kept(wanted);
    let labels = labels(node, wanted, before);
    let old = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let taints = taints(&old, wanted, before);
    if labels.is_empty() && taints == old && before == kept {
        return None;
    }
    let mut metadata = json!({"annotations": {KEPT: kept}, "labels": labels});
    // The list of taints is replaced as a whole: not when somebody else has changed it meanwhile.
    metadata["resourceVersion"] = node["metadata"]["resourceVersion"].clone();
    Some(json!({"metadata": metadata, "spec": {"taints": taints}}))
}

fn kept(wanted: &NodeObject) -> String {
    let labels = wanted.labels.keys().map(|key| format!("label {key}"));
    let taints = wanted.taints.iter().map(|taint| format!("taint {}", identity(&read(taint))));
    let lines: BTreeSet<String> = labels.chain(taints).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

fn labels(node: &Value, wanted: &NodeObject, before: &str) -> Map<String, Value> {
    let there = &node["metadata"]["labels"];
    let gone = before.lines().filter_map(|line| line.strip_prefix("label "));
    let gone = gone.filter(|key| !wanted.labels.contains_key(*key) && !there[*key].is_null());
    let gone = gone.map(|key| (key.to_owned(), Value::Null));
    let changed = wanted.labels.iter().filter(|(key, value)| there[key.as_str()] != value.as_str());
    gone.chain(changed.map(|(key, value)| (key.clone(), json!(value)))).collect()
}

/// Those of others first, as they are; then the build's.
fn taints(old: &[Value], wanted: &NodeObject, before: &str) -> Vec<Value> {
    let ours: BTreeSet<&str> = before.lines().filter_map(|line| line.strip_prefix("taint ")).collect();
    let new: Vec<Value> = wanted.taints.iter().map(|taint| read(taint)).collect();
    let wants = |taint: &Value| new.iter().find(|new| identity(new) == identity(taint));
    // One that is right stays where it is, with the time that Kubernetes wrote into it.
    let stay = old.iter().filter_map(|taint| match wants(taint) {
        Some(new) if text(&new["value"]) == text(&taint["value"]) => Some(taint.clone()),
        Some(new) => Some(new.clone()),
        None if ours.contains(identity(taint).as_str()) => None,
        None => Some(taint.clone()),
    });
    let missing = new.iter().filter(|new| !old.iter().any(|taint| identity(taint) == identity(new)));
    stay.chain(missing.cloned()).collect()
}

/// A taint is one of its key and effect; the value may change.
fn identity(taint: &Value) -> String {
    format!("{}:{}", text(&taint["key"]), text(&taint["effect"]))
}

/// `KEY=VALUE:EFFECT` or `KEY:EFFECT`.
fn read(taint: &str) -> Value {
    let (pair, effect) = taint.rsplit_once(':').unwrap_or((taint, ""));
    match pair.split_once('=') {
        Some((key, value)) => json!({"key": key, "value": value, "effect": effect}),
        None => json!({"key": pair, "effect": effect}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(labels: &[(&str, &str)], taints: &[&str]) -> NodeObject {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        NodeObject { labels, taints: taints.iter().map(|taint| (*taint).to_owned()).collect() }
    }

    /// What the API makes of a patch.
    fn patched(node: &Value, patch: &Value) -> Value {
        let mut node = node.clone();
        for part in ["labels", "annotations"] {
            for (key, value) in patch["metadata"][part].as_object().unwrap() {
                if !node["metadata"][part].is_object() {
                    node["metadata"][part] = json!({});
                }
                let map = node["metadata"][part].as_object_mut().unwrap();
                match value {
                    Value::Null => drop(map.remove(key)),
                    value => drop(map.insert(key.clone(), value.clone())),
                }
            }
        }
        node["spec"]["taints"] = patch["spec"]["taints"].clone();
        node
    }

    fn keep(node: &Value, wanted: &NodeObject) -> Value {
        let node = patched(node, &patch(node, wanted).unwrap());
        assert_eq!(patch(&node, wanted), None, "it is in line now");
        node
    }

    #[test]
    fn what_the_build_wants_comes_and_goes() {
        let node = json!({"metadata": {"resourceVersion": "7", "labels": {"others": "x", "disk": "ssd"}}});
        let node = keep(&node, &wanted(&[("disk", "nvme"), ("rack", "a")], &["gpu=yes:NoSchedule", "old:NoExecute"]));
        assert_eq!(node["metadata"]["labels"], json!({"others": "x", "disk": "nvme", "rack": "a"}));
        let gpu = json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"});
        assert_eq!(node["spec"]["taints"], json!([gpu, {"key": "old", "effect": "NoExecute"}]));
        let node = keep(&node, &wanted(&[("rack", "a")], &["gpu=no:NoSchedule"]));
        assert_eq!(node["metadata"]["labels"], json!({"others": "x", "rack": "a"}));
        assert_eq!(node["spec"]["taints"], json!([{"key": "gpu", "value": "no", "effect": "NoSchedule"}]));
        let node = keep(&node, &wanted(&[], &[]));
        assert_eq!(node["metadata"]["labels"], json!({"others": "x"}));
        assert_eq!(node["spec"]["taints"], json!([]));
    }

    #[test]
    fn others_own_what_kubi_did_not_set() {
        let taint = json!({"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-11-20T00:00:00Z"});
        let node = json!({"metadata": {"labels": {"others": "x"}}, "spec": {"taints": [taint]}});
        assert_eq!(patch(&node, &wanted(&[], &[])), None);
        let node = keep(&node, &wanted(&[], &["a:NoSchedule"]));
        assert_eq!(keep(&node, &wanted(&[], &[]))["spec"]["taints"], json!([taint]));
    }

    #[test]
    fn nobody_is_overwritten() {
        let node = json!({"metadata": {"resourceVersion": "7"}});
        assert_eq!(patch(&node, &wanted(&[("a", "b")], &[])).unwrap()["metadata"]["resourceVersion"], "7");
    }
}
