//! YAML: configuration, Kubernetes objects one by one, kubeconfigs, cloud-init's files.

use super::super::model::FieldChange;
use super::{document, literal};
use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Tag};
use std::collections::BTreeMap;

/// Files that nest deeper, or that are larger with their aliases put in, are compared as text.
const MAX_DEPTH: usize = 128;
const MAX_VALUES: usize = 2_000_000;

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

/// The documents of a text, without empty ones.
fn parse(text: &str) -> Option<Vec<Value>> {
    if literal::is_ambiguous(text) {
        return None;
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        builder.event(next.ok()?.0)?;
    }
    Some(builder.documents)
}

#[derive(Default)]
struct Builder {
    documents: Vec<Value>,
    open: Vec<Open>,
    /// With the number of values below.
    anchors: BTreeMap<usize, (Value, usize)>,
    values: usize,
}

/// A collection whose end has not come yet.
struct Open {
    value: Value,
    /// Waits for its value.
    key: Option<String>,
    anchor: usize,
    /// How many values there were before it.
    from: usize,
}

impl Builder {
    /// `None` for what has no place in a tree of values: then the file is compared as text.
    fn event(&mut self, event: Event<'_>) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = match (tag, style) {
                    // A tag says what kind of value it is (YAML 1.2.2, 2.4): another one is another value.
                    (Some(tag), _) if !is_one(&tag, "str") => Value::String(format!("{tag} {text}")),
                    (Some(_), _) => Value::String(text.into_owned()),
                    (None, ScalarStyle::Plain) => scalar(&text),
                    (None, _) => Value::String(text.into_owned()),
                };
                self.finish(value, anchor, self.values)
            }
            Event::SequenceStart(_, _, Some(tag)) if !is_one(&tag, "seq") => None,
            Event::MappingStart(_, _, Some(tag)) if !is_one(&tag, "map") => None,
            Event::SequenceStart(_, anchor, _) => self.start(Value::Array(Vec::new()), anchor),
            Event::MappingStart(_, anchor, _) => self.start(Value::Object(Map::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop()?;
                self.finish(open.value, open.anchor, open.from)
            }
            Event::Alias(anchor) => {
                let (value, size) = self.anchors.get(&anchor)?.clone();
                self.values += size;
                self.place(value)
            }
            _ => Some(()),
        }
    }

    fn start(&mut self, value: Value, anchor: usize) -> Option<()> {
        self.open.push(Open { value, key: None, anchor, from: self.values });
        Some(())
    }

    fn finish(&mut self, value: Value, anchor: usize, from: usize) -> Option<()> {
        self.values += 1;
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - from));
        }
        self.place(value)
    }

    fn place(&mut self, value: Value) -> Option<()> {
        if self.values > MAX_VALUES {
            return None;
        }
        match self.open.last_mut() {
            None if value.is_null() => {}
            None => self.documents.push(value),
            Some(Open { value: Value::Array(items), .. }) => items.push(value),
            Some(Open { value: Value::Object(object), key, .. }) => match key.take() {
                None => *key = Some(key_of(&value)?),
                // A key that comes twice has no single value.
                Some(name) => return object.insert(name, value).is_none().then_some(()),
            },
            Some(_) => return None,
        }
        Some(())
    }
}

/// Whether the tag is this one of YAML's own, which a value of its kind has anyway.
fn is_one(tag: &Tag, name: &str) -> bool {
    let tag = tag.to_string();
    tag == "!" || tag.strip_prefix("tag:yaml.org,2002:") == Some(name)
}

/// Only plain values are keys.
fn key_of(value: &Value) -> Option<String> {
    (!value.is_array() && !value.is_object()).then(|| literal::shown(value))
}

/// A scalar without quotes, by YAML's core schema (YAML 1.2.2, 10.3.2): `no`, `off` and `y` are texts.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => literal::number(text),
        _ => Value::String(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let based = |prefix: &str, radix: u32| {
        digits.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    let decimal =
        digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.contains(|c: char| c.is_ascii_digit());
    based("0o", 8) || based("0x", 16) || (decimal && text.parse::<f64>().is_ok())
}
