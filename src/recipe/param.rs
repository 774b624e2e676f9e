//! A recipe's parameter: its declaration, and what it refuses of a given value. Knows no recipe by name.

use super::Format;
use crate::spec::Value;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Param {
    pub r#type: ParamType,
    #[serde(default)]
    pub default: Value,
    #[serde(default)]
    pub r#enum: Vec<Value>,
    /// Of whole numbers, inclusive.
    #[serde(default)]
    pub minimum: Option<i64>,
    #[serde(default)]
    pub maximum: Option<i64>,
    /// Of a string, of each item of a list, of each value of a map.
    #[serde(default)]
    pub format: Option<Format>,
    /// The keys that a map may have; empty: any.
    #[serde(default)]
    pub keys: Vec<String>,
    pub description: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ParamType {
    String,
    Integer,
    Boolean,
    List,
    Map,
    /// The path of a file below `secrets/`, sealed with age; templates ask for `secret(name="sealed/PATH")`.
    Sealed,
}

impl ParamType {
    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String | Self::Sealed => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Map => "a mapping",
            Self::Sealed => "the path of a sealed file",
        }
    }
}

/// Why a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    /// Continues `parameter NAME`: "cannot be 300".
    pub reason: String,
    pub help: String,
}

fn refusal(reason: String, help: String) -> Option<Refusal> {
    Some(Refusal { code: "parameter-value", reason, help })
}

impl Param {
    /// A value of the spec against the declaration. `null` fits what has no default, and in a map it removes a default's key.
    pub fn refuses(&self, given: &Value) -> Option<Refusal> {
        if given.is_null() && self.default.is_null() {
            return None;
        }
        if !self.r#type.accepts(given) {
            let reason = format!("must be {}, not {given}", self.r#type.name());
            return Some(Refusal { code: "parameter-type", reason, help: self.description.clone() });
        }
        if !self.r#enum.is_empty() && !self.r#enum.contains(given) {
            let allowed: Vec<String> = self.r#enum.iter().map(Value::to_string).collect();
            return refusal(format!("cannot be {given}"), format!("write one of {}", allowed.join(", ")));
        }
        let outside = || self.outside_secrets(given);
        self.out_of_range(given).or_else(|| self.unknown_key(given)).or_else(|| self.malformed(given)).or_else(outside)
    }

    fn out_of_range(&self, given: &Value) -> Option<Refusal> {
        // What is no i64 is a u64 beyond it.
        let number = if given.is_u64() || given.is_i64() { given.as_i64().unwrap_or(i64::MAX) } else { return None };
        let (low, high) = (self.minimum.unwrap_or(i64::MIN), self.maximum.unwrap_or(i64::MAX));
        if (low..=high).contains(&number) {
            return None;
        }
        let help = match (self.minimum, self.maximum) {
            (Some(low), Some(high)) => format!("write a whole number from {low} to {high}"),
            (Some(low), None) => format!("write {low} or more"),
            _ => format!("write {high} or less"),
        };
        refusal(format!("cannot be {given}"), help)
    }

    fn unknown_key(&self, given: &Value) -> Option<Refusal> {
        let unknown = given.as_object()?.keys().find(|key| !self.keys.is_empty() && !self.keys.contains(key))?;
        refusal(format!("cannot have the key {unknown:?}"), format!("keys: {}", self.keys.join(", ")))
    }

    fn outside_secrets(&self, given: &Value) -> Option<Refusal> {
        let path = given.as_str().filter(|_| self.r#type == ParamType::Sealed)?;
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if path.strip_prefix("secrets/").is_some_and(|below| below.split('/').all(plain)) {
            return None;
        }
        let help = "write a path below secrets/, such as secrets/registry.age: letters, digits, -, _ and .".to_owned();
        refusal(format!("cannot be {given}"), help)
    }

    fn malformed(&self, given: &Value) -> Option<Refusal> {
        let parts: Vec<&Value> = match given {
            Value::Array(items) => items.iter().collect(),
            Value::Object(map) => map.values().filter(|value| !value.is_null()).collect(),
            plain => vec![plain],
        };
        if let Some(text) = given_control(given) {
            let help = "write it on one line, without tabs".to_owned();
            return refusal(format!("cannot hold a control character, as in {text:?}"), help);
        }
        let format = self.format?;
        let wrong = parts.into_iter().find(|part| !part.as_str().is_some_and(|text| format.accepts(text)))?;
        refusal(format!("cannot be {wrong}"), format!("write {}", format.wanted()))
    }
}

/// The first string, or key of a map, with a control character: a line break would begin another line of the file it ends up in.
fn given_control(value: &Value) -> Option<&str> {
    let has_control = |text: &&str| text.chars().any(char::is_control);
    match value {
        Value::String(text) => Some(text.as_str()).filter(has_control),
        Value::Array(items) => items.iter().find_map(given_control),
        Value::Object(map) => {
            map.iter().find_map(|(key, item)| Some(key.as_str()).filter(has_control).or_else(|| given_control(item)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(declared: &str, given: &str) -> bool {
        let param: Param = serde_saphyr::from_str(&format!("{{{declared}, description: d}}")).unwrap();
        param.refuses(&serde_saphyr::from_str(given).unwrap()).is_none()
    }

    #[test]
    fn values_stay_within_what_is_declared() {
        let router = "type: integer, default: 51, minimum: 1, maximum: 255";
        for (declared, given, expected) in [
            (router, "1", true),
            (router, "255", true),
            (router, "256", false),
            (router, "-1", false),
            (router, "18446744073709551615", false),
            (router, "null", false),
            ("type: integer, default: 1, minimum: 0", "18446744073709551615", true),
            ("type: string, default: null, format: duration", "null", true),
            ("type: string, default: null, format: duration", "20s", true),
            ("type: string, default: null, format: duration", "20", false),
            ("type: string, default: a", "\"a\\nb\"", false),
            ("type: list, default: [], format: word", "[a, 'b c']", false),
            ("type: list, default: [], format: word", "[a, 1]", false),
            ("type: list, default: [], format: word", "[a, b]", true),
            ("type: map, default: {}, keys: [a], format: quantity", "{a: 100Mi}", true),
            ("type: map, default: {}, keys: [a], format: quantity", "{a: null}", true),
            ("type: map, default: {}, keys: [a], format: quantity", "{b: 100Mi}", false),
            ("type: map, default: {}, keys: [a], format: quantity", "{a: 5}", false),
            ("type: map, default: {}", "{a: [\"x\\ty\"]}", false),
            ("type: sealed, default: null", "null", true),
            ("type: sealed, default: null", "secrets/a/b.age", true),
            ("type: sealed, default: null", "secrets/../b.age", false),
            ("type: sealed, default: null", "other/b.age", false),
            ("type: sealed, default: null", "secrets/", false),
            ("type: sealed, default: null", "1", false),
        ] {
            assert_eq!(fits(declared, given), expected, "{declared}: {given}");
        }
    }
}
