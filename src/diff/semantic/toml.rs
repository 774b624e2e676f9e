//! TOML, as containerd, CRI-O and kata have it.

use super::super::model::FieldChange;
use super::{document, literal};
use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike};

pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    Some(document::compare(&parse(before)?, &parse(after)?))
}

/// Numbers that a value would show otherwise are literals.
pub fn parse(text: &str) -> Option<Value> {
    if literal::is_ambiguous(text) {
        return None;
    }
    Some(table(Document::parse(text).ok()?.as_table(), text))
}

fn table(table: &dyn TableLike, text: &str) -> Value {
    Value::Object(table.iter().map(|(key, item)| (key.to_owned(), item_value(item, text))).collect::<Map<_, _>>())
}

fn item_value(item: &Item, text: &str) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(plain) => value(plain, text),
        Item::Table(inner) => table(inner, text),
        Item::ArrayOfTables(tables) => tables.iter().map(|inner| table(inner, text)).collect(),
    }
}

/// Numbers are taken from the `text` that was parsed.
fn value(plain: &toml_edit::Value, text: &str) -> Value {
    let written = || plain.span().and_then(|span| text.get(span)).map(literal::number).unwrap_or_default();
    match plain {
        toml_edit::Value::String(string) => Value::String(string.value().clone()),
        toml_edit::Value::Integer(_) | toml_edit::Value::Float(_) => written(),
        toml_edit::Value::Boolean(flag) => Value::Bool(*flag.value()),
        toml_edit::Value::Datetime(time) => Value::String(time.value().to_string()),
        toml_edit::Value::Array(items) => items.iter().map(|item| value(item, text)).collect(),
        toml_edit::Value::InlineTable(inner) => table(inner, text),
    }
}
