//! Documents (YAML, JSON, TOML): settings by path, and the kinds that need an eye of their own.

use super::rule::{Presence, Rule};
use super::{Settings, flags, judge, table};
use crate::diff::semantic::{Format, toml};
use serde_json::Value;
use std::collections::BTreeMap;

pub fn weakened(format: Format, before: &str, after: &str, presence: Presence) -> Vec<String> {
    let (Some(before), Some(after)) = (read(format, before), read(format, after)) else { return Vec::new() };
    let mut found = judge(&before.settings, &after.settings, presence, rule);
    found.extend(flags::weakened(&before.flags, &after.flags, presence));
    if presence == Presence::Both {
        found.extend(audit(&before.audit, &after.audit));
    }
    found
}

/// The rule whose name is the end of the path.
fn rule(path: &str) -> Option<&'static Rule> {
    table::DOCUMENTS.iter().find(|(name, _)| ends_with(path, name)).map(|(_, rule)| rule)
}

fn ends_with(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', ' ']))
}

#[derive(Debug, Default)]
struct Document {
    settings: Settings,
    flags: Settings,
    /// Levels by what they are for, of audit policies.
    audit: BTreeMap<String, String>,
}

fn read(format: Format, text: &str) -> Option<Document> {
    let mut document = Document::default();
    for value in values(format, text)? {
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "AuthenticationConfiguration" => document.settings.extend(anonymous(&value)),
            "AuthorizationConfiguration" => document.settings.extend(authorizers(&value)),
            "Policy" => document.audit.extend(audit_rules(&value)),
            _ => collect(&object(&value), &value, &mut document),
        }
    }
    Some(document)
}

fn values(format: Format, text: &str) -> Option<Vec<Value>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    match format {
        Format::Json => Some(vec![serde_json::from_str(text).ok()?]),
        Format::Toml => Some(vec![toml::parse(text)?]),
        _ => serde_saphyr::from_multiple(text).ok(),
    }
}

/// Objects in one file are told apart by their names.
fn object(value: &Value) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match (text(value.get("kind")), value.get("metadata").and_then(|metadata| text(metadata.get("name")))) {
        (Some(kind), Some(name)) => format!("{kind} {name}: "),
        _ => String::new(),
    }
}

/// Scalars and lists of them by path; items of other lists by their names.
fn collect(path: &str, value: &Value, out: &mut Document) {
    let below = |key: &str| {
        if path.is_empty() || path.ends_with(": ") { format!("{path}{key}") } else { format!("{path}.{key}") }
    };
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| collect(&below(key), value, out)),
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str).map_or_else(|| index.to_string(), str::to_owned);
                collect(&format!("{path}[{name}]"), item, out);
            }
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(shown).collect();
            if texts.iter().any(|text| text.starts_with("--")) {
                // A container's command line.
                out.flags.extend(flags::of(texts.iter().map(String::as_str)));
            }
            out.settings.insert(path.to_owned(), texts);
        }
        Value::Null => {}
        scalar => drop(out.settings.insert(path.to_owned(), vec![shown(scalar)])),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Paths that need no credentials: none, these, or, without conditions, all.
fn anonymous(value: &Value) -> Settings {
    let Some(anonymous) = value.get("anonymous") else { return Settings::new() };
    let enabled = anonymous.get("enabled").and_then(Value::as_bool).unwrap_or(false);
    let conditions = anonymous.get("conditions").and_then(Value::as_array).filter(|conditions| !conditions.is_empty());
    let paths = |conditions: &Vec<Value>| -> Vec<String> {
        conditions.iter().filter_map(|one| one.get("path")?.as_str().map(str::to_owned)).collect()
    };
    let allowed = match (enabled, conditions) {
        (false, _) => vec![String::new()],
        (true, Some(conditions)) => paths(conditions),
        // What no list holds back.
        (true, None) => vec!["no".to_owned()],
    };
    [("anonymous.conditions".to_owned(), allowed)].into()
}

fn authorizers(value: &Value) -> Settings {
    let all = value.get("authorizers").and_then(Value::as_array).cloned().unwrap_or_default();
    let types = all.iter().filter_map(|one| one.get("type")?.as_str().map(str::to_owned)).collect();
    [("authorizers".to_owned(), types)].into()
}

/// From the least on (audit.k8s.io/v1).
const LEVELS: [&str; 4] = ["None", "Metadata", "Request", "RequestResponse"];

fn audit_rules(value: &Value) -> BTreeMap<String, String> {
    let rules = value.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    let rule = |mut rule: Value| {
        let level = rule.as_object_mut()?.remove("level")?.as_str()?.to_owned();
        Some((rule.to_string(), level))
    };
    // The first rule that fits decides.
    rules.into_iter().rev().filter_map(rule).collect()
}

fn audit(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level).unwrap_or(0);
    let lost = before.iter().filter_map(|(rule, level)| match after.get(rule) {
        None if level != "None" => Some(format!("audit rules: {level} of {rule} is removed")),
        Some(now) if rank(now) < rank(level) => Some(format!("audit rules: {rule} from {level} to {now}")),
        _ => None,
    });
    let silent = after.iter().filter(|(rule, level)| *level == "None" && !before.contains_key(*rule));
    lost.chain(silent.map(|(rule, _)| format!("audit rules: {rule} is not logged any more"))).collect()
}
