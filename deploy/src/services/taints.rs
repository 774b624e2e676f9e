//! Keeping a Node's taints as the build says: a kubelet sets them only when it registers its Node, and may not change them.
//!
//! In: the Node as it is, and the taints that the build wants. Out: what to change, or nothing. Which ones kubi has set is written
//! down in an annotation of the Node, so that they go when they leave the spec. Those of others stay.

use super::http::text;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `KEY:EFFECT` of each, with spaces between.
const OURS: &str = "kubi/taints";

/// A strategic merge patch; `None` when everything is as it should be.
pub fn patch(node: &Value, wanted: &[String]) -> Option<Value> {
    let wanted: Vec<Value> = wanted.iter().map(|taint| read(taint)).collect();
    let before = node["metadata"]["annotations"][OURS].as_str().unwrap_or_default();
    let ours = wanted.iter().map(identity).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ");
    let old = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let new = merge(&old, &wanted, before);
    if new == old && before == ours {
        return None;
    }
    // The list is replaced as a whole: not when somebody else has changed it meanwhile.
    let version = &node["metadata"]["resourceVersion"];
    Some(json!({"metadata": {"resourceVersion": version, "annotations": {OURS: ours}}, "spec": {"taints": new}}))
}

/// What is there, in its order, then what is new. One that is right keeps the time that Kubernetes wrote into it.
fn merge(old: &[Value], wanted: &[Value], before: &str) -> Vec<Value> {
    let ours: BTreeSet<&str> = before.split(' ').collect();
    let stay = old.iter().filter_map(|taint| match find(wanted, taint) {
        Some(new) if text(&new["value"]) == text(&taint["value"]) => Some(taint),
        Some(new) => Some(new),
        None => Some(taint).filter(|taint| !ours.contains(identity(taint).as_str())),
    });
    stay.chain(wanted.iter().filter(|new| find(old, new).is_none())).cloned().collect()
}

/// The same taint, whatever its value.
fn find<'a>(taints: &'a [Value], like: &Value) -> Option<&'a Value> {
    taints.iter().find(|taint| identity(taint) == identity(like))
}

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

    /// The Node after the patch, which must leave nothing to do.
    fn keep(node: &Value, wanted: &[&str]) -> Value {
        let wanted: Vec<String> = wanted.iter().map(|taint| (*taint).to_owned()).collect();
        let patch = patch(node, &wanted).unwrap();
        let mut node = node.clone();
        node["metadata"]["annotations"][OURS] = patch["metadata"]["annotations"][OURS].clone();
        node["spec"]["taints"] = patch["spec"]["taints"].clone();
        assert_eq!(super::patch(&node, &wanted), None);
        node
    }

    #[test]
    fn what_the_build_wants_comes_and_goes() {
        let node = keep(&json!({"metadata": {}}), &["gpu=yes:NoSchedule", "old:NoExecute"]);
        let gpu = json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"});
        assert_eq!(node["spec"]["taints"], json!([gpu, {"key": "old", "effect": "NoExecute"}]));
        let node = keep(&node, &["gpu=no:NoSchedule"]);
        assert_eq!(node["spec"]["taints"], json!([{"key": "gpu", "value": "no", "effect": "NoSchedule"}]));
        assert_eq!(keep(&node, &[])["spec"]["taints"], json!([]));
    }

    #[test]
    fn those_of_others_stay() {
        let theirs = json!({"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-11-20T00:00:00Z"});
        let node = json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"taints": [theirs]}});
        assert_eq!(patch(&node, &[]), None);
        let node = keep(&node, &["a:NoSchedule"]);
        assert_eq!(keep(&node, &[])["spec"]["taints"], json!([theirs]));
    }

    #[test]
    fn nobody_is_overwritten() {
        let node = json!({"metadata": {"resourceVersion": "7"}});
        assert_eq!(patch(&node, &["a:NoSchedule".into()]).unwrap()["metadata"]["resourceVersion"], "7");
    }
}
