//! TOML, as containerd, CRI-O and kata have it.

use super::super::model::FieldChange;
use super::document;
use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike};

pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    Some(document::compare(&parse(before)?, &parse(after)?))
}

pub fn parse(text: &str) -> Option<Value> {
    Some(table(Document::parse(text.to_owned()).ok()?.as_table()))
}

fn table(table: &dyn TableLike) -> Value {
    Value::Object(table.iter().map(|(key, item)| (key.to_owned(), item_value(item))).collect::<Map<_, _>>())
}

fn item_value(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(plain) => value(plain),
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => tables.iter().map(|inner| table(inner)).collect(),
    }
}

fn value(plain: &toml_edit::Value) -> Value {
    match plain {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(flag) => Value::Bool(*flag.value()),
        toml_edit::Value::Datetime(time) => Value::String(time.value().to_string()),
        toml_edit::Value::Array(items) => items.iter().map(value).collect(),
        toml_edit::Value::InlineTable(inner) => table(inner),
    }
}
