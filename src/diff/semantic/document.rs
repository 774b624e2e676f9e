//! Trees of values (YAML, JSON, TOML): differences by path, list items matched by what names them.

use super::super::model::{ChangeKind, FieldChange, LineKind};
use super::literal::{self, is_literal, json, shown};
use super::{list, sequence, text, x509};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Keys that name an item of a list; the first one that all items of both lists have is taken.
const IDENTITIES: [&str; 12] =
    ["name", "key", "id", "path", "type", "dst", "subnet", "host", "level", "mountPath", "serial", "@name"];
/// A line of a terminal has room for this.
const COMPACT: usize = 100;

pub fn compare_json(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let parse = |text: &str| -> Option<Value> {
        if literal::is_ambiguous(text) {
            return None;
        }
        serde_json::from_str(&literal::protect_numbers(text)).ok()
    };
    Some(compare(&parse(before)?, &parse(after)?))
}

/// Changes while they are found.
#[derive(Debug)]
pub struct Changes {
    pub list: Vec<FieldChange>,
    /// Added and removed values up to this length are shown in one piece, longer ones leaf by leaf.
    compact: usize,
}

impl Default for Changes {
    fn default() -> Self {
        Self { list: Vec::new(), compact: COMPACT }
    }
}

/// Differences between two trees.
pub fn compare(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Changes::default();
    values("", before, after, &mut changes);
    changes.list
}

/// As [`compare`], but objects that only one side has come key by key.
pub fn compare_leaves(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Changes { compact: 2, ..Changes::default() };
    values("", before, after, &mut changes);
    changes.list
}

pub fn values(path: &str, before: &Value, after: &Value, out: &mut Changes) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => objects(path, old, new, out),
        (Value::Array(old), Value::Array(new)) => lists(path, old, new, out),
        (Value::String(old), Value::String(new)) if !is_literal(before) && !is_literal(after) => {
            strings(path, old, new, out);
        }
        _ => {
            let (old, new) = (shown(before), shown(after));
            // `"1"` and `1` look alike, but are not.
            let (old, new) = if old == new { (json(before), json(after)) } else { (old, new) };
            out.list.push(FieldChange::changed(path, old, new));
        }
    }
}

fn objects(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, out: &mut Changes) {
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

fn lists(path: &str, before: &[Value], after: &[Value], out: &mut Changes) {
    let scalar = |value: &Value| !value.is_object() && !value.is_array();
    if before.iter().chain(after).all(scalar) {
        let one = if look_alike(before, after) { json } else { shown };
        let text = |values: &[Value]| -> Vec<String> { values.iter().map(one).collect() };
        let (before, after) = (text(before), text(after));
        let changes = list::compare(path, &before, &after);
        let told = changes.iter().any(|change| matches!(change.kind, ChangeKind::Reordered | ChangeKind::Changed));
        out.list.extend(changes);
        out.list.extend(order(path, &before, &after).filter(|_| !told));
        return;
    }
    match identities(before, after) {
        Some((old, new)) => named(path, (before, &old), (after, &new), out),
        None => sequence::compare(path, before, after, out),
    }
}

/// Whether there are `"1"` and `1`: they look alike, but are not.
fn look_alike(before: &[Value], after: &[Value]) -> bool {
    let mut seen: BTreeMap<String, &Value> = BTreeMap::new();
    before.iter().chain(after).any(|value| *seen.entry(shown(value)).or_insert(value) != value)
}

/// Lists whose items have names: by name, and then their order.
fn named(path: &str, before: (&[Value], &[String]), after: (&[Value], &[String]), out: &mut Changes) {
    let items: BTreeMap<&String, &Value> = after.1.iter().zip(after.0).collect();
    let known: BTreeSet<&String> = before.1.iter().collect();
    for (old, name) in before.0.iter().zip(before.1) {
        let path = format!("{path}[{name}]");
        match items.get(name) {
            Some(new) => values(&path, old, new, out),
            None => one_sided(&path, old, ChangeKind::Removed, out),
        }
    }
    for (new, name) in after.0.iter().zip(after.1).filter(|(_, name)| !known.contains(name)) {
        one_sided(&format!("{path}[{name}]"), new, ChangeKind::Added, out);
    }
    out.list.extend(order(path, before.1, after.1));
}

/// Another order of what both lists have, or something new before it: in many lists the first one wins.
fn order(path: &str, before: &[String], after: &[String]) -> Option<FieldChange> {
    let (stayed, stays) = (list::kept(before, after), list::kept(after, before));
    let common: BTreeSet<&String> = stayed.iter().collect();
    let ahead = |list: &[String]| list.iter().position(|name| common.contains(name)).unwrap_or(0);
    let inserted = ahead(after) > ahead(before);
    (stayed != stays || inserted)
        .then(|| FieldChange::of(ChangeKind::Reordered, path, before.join(", "), after.join(", ")))
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
    let text = |value: &Value| value.is_string().then(|| shown(value));
    let kind = text(item.get("kind")?)?;
    let metadata = item.get("metadata")?;
    let name = text(metadata.get("name")?)?;
    Some(match metadata.get("namespace").and_then(text) {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    })
}

/// `secretbox: {...}` in a list: the key is the name.
fn only_key(item: &Value) -> Option<String> {
    let object = item.as_object()?;
    (object.len() == 1).then(|| object.keys().next().cloned())?
}

fn strings(path: &str, before: &str, after: &str, out: &mut Changes) {
    if let Some(changes) = certificates(path, before, after) {
        out.list.extend(changes);
    } else if before.contains('\n') || after.contains('\n') {
        out.list.extend(multiline(path, before, after));
    } else {
        out.list.push(FieldChange::changed(path, before, after));
    }
}

/// Texts of several lines: those that went and came, in their order.
fn multiline(path: &str, before: &str, after: &str) -> Vec<FieldChange> {
    let hunks = text::hunks(before, after);
    let lines = hunks.into_iter().flat_map(|hunk| hunk.lines);
    let changes = lines.filter_map(|line| match line.kind {
        LineKind::Same => None,
        LineKind::Removed => Some(FieldChange::removed(path, line.text)),
        LineKind::Added => Some(FieldChange::added(path, line.text)),
    });
    changes.collect()
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
    if changes.is_empty() {
        // Another encoding of the same certificates.
        return None;
    }
    changes.iter_mut().for_each(|change| change.path = format!("{path} {}", change.path));
    Some(changes)
}

/// A value that only one side has: in one piece where it is short, else leaf by leaf.
pub(super) fn one_sided(path: &str, value: &Value, kind: ChangeKind, out: &mut Changes) {
    let text = shown(value);
    let leaf = |text: String| match kind {
        ChangeKind::Removed => FieldChange::removed(path, text),
        _ => FieldChange::added(path, text),
    };
    match value {
        Value::Object(object) if text.len() > out.compact => {
            object.iter().for_each(|(key, value)| one_sided(&below(path, key), value, kind, out));
        }
        Value::Array(items) if text.len() > out.compact.max(COMPACT) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| one_sided(&format!("{path}[{index}]"), value, kind, out));
        }
        _ => out.list.push(leaf(text)),
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
