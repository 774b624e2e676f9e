//! Trees of values (YAML, JSON, TOML): differences by path, list items matched by what names them.

use super::super::model::{ChangeKind, FieldChange};
use super::{list, x509};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Keys that name an item of a list; the first one that all items of both lists have is taken.
const IDENTITIES: [&str; 11] =
    ["name", "key", "id", "path", "type", "dst", "subnet", "host", "level", "mountPath", "apiGroups"];
/// Added and removed values up to this length are shown in one piece.
const COMPACT: usize = 100;

pub fn compare_json(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    Some(compare(&parse(before)?, &parse(after)?))
}

/// Differences between two trees.
pub fn compare(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    values("", before, after, &mut changes);
    changes
}

pub fn values(path: &str, before: &Value, after: &Value, out: &mut Vec<FieldChange>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => objects(path, old, new, out),
        (Value::Array(old), Value::Array(new)) => lists(path, old, new, out),
        (Value::String(old), Value::String(new)) => strings(path, old, new, out),
        _ => {
            let (old, new) = (shown(before), shown(after));
            // `"1"` and `1` look alike, but are not.
            let (old, new) = if old == new { (before.to_string(), after.to_string()) } else { (old, new) };
            out.push(FieldChange::changed(path, old, new));
        }
    }
}

fn objects(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, out: &mut Vec<FieldChange>) {
    for (key, old) in before {
        match after.get(key) {
            Some(new) => values(&below(path, key), old, new, out),
            None => one_sided(&below(path, key), old, ChangeKind::Removed, out),
        }
    }
    for (key, new) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        one_sided(&below(path, key), new, ChangeKind::Added, out);
    }
}

fn lists(path: &str, before: &[Value], after: &[Value], out: &mut Vec<FieldChange>) {
    let scalar = |value: &Value| !value.is_object() && !value.is_array();
    if before.iter().chain(after).all(scalar) {
        let text = |values: &[Value]| -> Vec<String> { values.iter().map(shown).collect() };
        out.extend(list::compare(path, &text(before), &text(after)));
        return;
    }
    match identities(before, after) {
        Some((old, new)) => named(path, (before, &old), (after, &new), out),
        None => {
            for (index, pair) in
                (0..before.len().max(after.len())).map(|index| (index, (before.get(index), after.get(index))))
            {
                let path = format!("{path}[{index}]");
                match pair {
                    (Some(old), Some(new)) => values(&path, old, new, out),
                    (Some(old), None) => one_sided(&path, old, ChangeKind::Removed, out),
                    (None, Some(new)) => one_sided(&path, new, ChangeKind::Added, out),
                    (None, None) => {}
                }
            }
        }
    }
}

/// Lists whose items have names: by name, and then their order.
fn named(path: &str, before: (&[Value], &[String]), after: (&[Value], &[String]), out: &mut Vec<FieldChange>) {
    for (old, name) in before.0.iter().zip(before.1) {
        let path = format!("{path}[{name}]");
        match after.1.iter().position(|other| other == name).and_then(|at| after.0.get(at)) {
            Some(new) => values(&path, old, new, out),
            None => one_sided(&path, old, ChangeKind::Removed, out),
        }
    }
    for (new, name) in after.0.iter().zip(after.1).filter(|(_, name)| !before.1.contains(name)) {
        one_sided(&format!("{path}[{name}]"), new, ChangeKind::Added, out);
    }
    let kept = |list: &[String], other: &[String]| -> Vec<String> {
        list.iter().filter(|name| other.contains(name)).cloned().collect()
    };
    let (stayed, stays) = (kept(before.1, after.1), kept(after.1, before.1));
    if stayed != stays {
        out.push(FieldChange::of(ChangeKind::Reordered, path, stayed.join(", "), stays.join(", ")));
    }
}

/// A name for every item of both lists, where some key gives each item of a list another one.
fn identities(before: &[Value], after: &[Value]) -> Option<(Vec<String>, Vec<String>)> {
    let by_key =
        |key: &&str| Some((names(before, |item| scalar_of(item, key))?, names(after, |item| scalar_of(item, key))?));
    let object = || Some((names(before, kubernetes_name)?, names(after, kubernetes_name)?));
    let single = || Some((names(before, only_key)?, names(after, only_key)?));
    object().or_else(|| IDENTITIES.iter().find_map(by_key)).or_else(single)
}

fn names(items: &[Value], name: impl Fn(&Value) -> Option<String>) -> Option<Vec<String>> {
    let names: Vec<String> = items.iter().map(name).collect::<Option<_>>()?;
    let unique: BTreeSet<&String> = names.iter().collect();
    (unique.len() == names.len()).then_some(names)
}

fn scalar_of(item: &Value, key: &str) -> Option<String> {
    item.get(key).filter(|value| value.is_string() || value.is_number()).map(shown)
}

/// `Deployment kube-system/coredns`.
pub fn kubernetes_name(item: &Value) -> Option<String> {
    let kind = item.get("kind")?.as_str()?;
    let metadata = item.get("metadata")?;
    let name = metadata.get("name")?.as_str()?;
    Some(match metadata.get("namespace").and_then(Value::as_str) {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    })
}

/// `secretbox: {...}` in a list: the key is the name.
fn only_key(item: &Value) -> Option<String> {
    let object = item.as_object()?;
    (object.len() == 1).then(|| object.keys().next().cloned())?
}

fn strings(path: &str, before: &str, after: &str, out: &mut Vec<FieldChange>) {
    if let Some(changes) = certificates(path, before, after) {
        out.extend(changes);
    } else if before.contains('\n') || after.contains('\n') {
        let lines = |text: &str| -> Vec<String> { text.lines().map(|line| line.trim_end().to_owned()).collect() };
        let changes = list::compare(path, &lines(before), &lines(after));
        match changes.is_empty() {
            true => out.push(FieldChange::changed(path, format!("{before:?}"), format!("{after:?}"))),
            false => out.extend(changes),
        }
    } else {
        out.push(FieldChange::changed(path, before, after));
    }
}

/// Certificates in a value, as text or as base64 of it, which kubeconfigs have.
fn certificates(path: &str, before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let text = |value: &str| -> Option<String> {
        if value.starts_with("-----BEGIN ") {
            return Some(value.to_owned());
        }
        let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        decoded.starts_with("-----BEGIN ").then_some(decoded)
    };
    let (_, mut changes) = x509::compare(&text(before)?, &text(after)?)?;
    changes.iter_mut().for_each(|change| change.path = format!("{path} {}", change.path));
    Some(changes)
}

/// A value that only one side has: in one piece where it is short, else leaf by leaf.
fn one_sided(path: &str, value: &Value, kind: ChangeKind, out: &mut Vec<FieldChange>) {
    let text = shown(value);
    let leaf = |text: String| match kind {
        ChangeKind::Removed => FieldChange::removed(path, text),
        _ => FieldChange::added(path, text),
    };
    match value {
        Value::Object(object) if text.len() > COMPACT => {
            object.iter().for_each(|(key, value)| one_sided(&below(path, key), value, kind, out));
        }
        Value::Array(items) if text.len() > COMPACT => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| one_sided(&format!("{path}[{index}]"), value, kind, out));
        }
        _ => out.push(leaf(text)),
    }
}

fn below(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "-_/".contains(c));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

/// Strings as they are, everything else as JSON.
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
