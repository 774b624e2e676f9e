//! YAML: configuration, Kubernetes objects one by one, kubeconfigs, cloud-init's files.

use super::super::model::FieldChange;
use super::document;
use serde_json::Value;

/// `None` where one of the texts is no YAML.
pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let (before, after) = (parse(before)?, parse(after)?);
    let objects = |documents: &[Value]| documents.iter().all(|one| document::kubernetes_name(one).is_some());
    Some(match (before.as_slice(), after.as_slice()) {
        ([old], [new]) if !(objects(&before) && objects(&after)) => document::compare(old, new),
        _ => {
            let mut changes = document::compare(&Value::Array(before), &Value::Array(after));
            changes.iter_mut().for_each(|change| change.path = object_path(&change.path));
            changes
        }
    })
}

/// `[Deployment kube-system/coredns].spec` reads better as `Deployment kube-system/coredns: spec`.
fn object_path(path: &str) -> String {
    match path.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((object, "")) => object.to_owned(),
        Some((object, rest)) => format!("{object}: {}", rest.trim_start_matches('.')),
        None if path.is_empty() => "objects".to_owned(),
        None => path.to_owned(),
    }
}

fn parse(text: &str) -> Option<Vec<Value>> {
    // `no`, `off` and `y` are texts: a diff shows what is written.
    let options = serde_saphyr::options! { strict_booleans: true };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).ok()?;
    Some(documents.into_iter().filter(|document| !document.is_null()).collect())
}
