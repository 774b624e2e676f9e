//! The spec's JSON schema, made from the types: for editors, and for finding every wrong key and value of a spec at once.

use super::model::{Cluster, RoleSpec};
use super::units::{Bytes, Date, Lifetime, PortRange, Version};
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use std::borrow::Cow;
use std::str::FromStr;

/// Stands for [`ipnet::Ipv4Net`], which knows no schema.
#[derive(Debug)]
pub struct Network;

/// JSON schema (draft 2020-12) of a spec.
pub fn schema() -> Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(drop_empty_defaults))
        .into_generator()
        .into_root_schema_for::<Cluster>()
}

/// Settings by role: schemars knows nothing of a map's keys.
pub(super) fn role_specs(generator: &mut SchemaGenerator) -> Schema {
    let spec = generator.subschema_for::<RoleSpec>();
    json_schema!({
        "type": "object",
        "properties": {"controller": spec.clone(), "worker": spec.clone(), "etcd": spec},
        "additionalProperties": false
    })
}

/// A default that is nothing, or made of its parts' defaults, tells a reader nothing.
fn drop_empty_defaults(schema: &mut Schema) {
    let empty = |default: &Value| match default {
        Value::Null | Value::Object(_) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if schema.get("default").is_some_and(empty) {
        schema.remove("default");
    }
}

/// Says what is wrong with a text, if anything.
pub(super) type TextParser = fn(&str) -> Result<(), String>;

/// What parses the types that are written as one text, by schema name.
pub(super) fn text_parser(schema_name: &str) -> Option<TextParser> {
    fn check<T: FromStr<Err = String>>(text: &str) -> Result<(), String> {
        text.parse::<T>().map(drop)
    }
    Some(match schema_name {
        "Bytes" => check::<Bytes>,
        "Date" => check::<Date>,
        "Lifetime" => check::<Lifetime>,
        "PortRange" => check::<PortRange>,
        "Version" => check::<Version>,
        "Network" => |text| match text.parse::<ipnet::Ipv4Net>() {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(format!("{text:?} is no IPv4 network: write address and prefix length, such as 10.32.0.0/24"))
            }
        },
        _ => return None,
    })
}

macro_rules! text_schema {
    ($($name:ident: $description:literal, $pattern:literal, [$($example:literal),+];)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "description": $description, "pattern": $pattern, "examples": [$($example),+]})
            }
        }
    )*};
}
text_schema! {
    Bytes: "A size: a whole number with KiB, MiB, GiB or TiB.", "^[1-9][0-9]* ?[KMGT]iB$", ["512MiB", "4GiB"];
    Date: "A calendar date, UTC midnight.", "^[1-9][0-9]{3}-[01][0-9]-[0-3][0-9]$", ["2026-11-01"];
    Lifetime: "How long a certificate is valid: years (365 days), days or hours.", "^[1-9][0-9]*[ydh]$", ["10y", "90d", "8760h"];
    PortRange: "First and last port, both included.", "^[0-9]{1,5}-[0-9]{1,5}$", ["30000-32767"];
    Version: "A release without a leading v.", "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$", ["1.36.4"];
    Network: "An IPv4 network: address and prefix length.", "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$", ["10.32.0.0/24"];
}
