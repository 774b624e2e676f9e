//! Single YAML values: what type they are, by YAML 1.2's core schema, and what is wrong when another was expected.

use super::yaml::{Kind, Node};
use serde_json::Value;

/// Why a value does not fit, in the words of a [`super::Problem`].
#[derive(Debug)]
pub struct Wrong {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

/// A plain scalar without text, or one that spells null.
pub fn is_null(node: &Node) -> bool {
    plain(node).is_some_and(|text| text.is_empty() || text == "~" || text.eq_ignore_ascii_case("null"))
}

fn plain(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar { text, plain: true } => Some(text),
        _ => None,
    }
}

fn whole_number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text),
    };
    let radix = match digits.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => 10,
    };
    let digits = if radix == 10 { digits } else { &digits[2..] };
    let number = digits.starts_with(|c: char| c.is_ascii_hexdigit()).then(|| digits.replace('_', ""))?;
    i128::from_str_radix(&number, radix).ok().map(|number| sign * number)
}

fn is_number(text: &str) -> bool {
    let shape = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    whole_number(text).is_some()
        || (shape && text.contains(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok())
}

fn is_boolean(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

/// A text, quoted or not, that `parse` accepts. Its error is "what is wrong: write what to write".
pub fn text(node: &Node, parse: impl Fn(&str) -> Result<(), String>) -> Result<Value, Wrong> {
    let Kind::Scalar { text, .. } = &node.kind else { return Err(wrong_type(node, "text")) };
    if is_null(node) {
        return Err(wrong_type(node, "text"));
    }
    if let Err(words) = parse(text) {
        let (message, help) = match words.rsplit_once(": write ") {
            Some((message, help)) => (message.to_owned(), Some(format!("write {help}"))),
            None => (words, None),
        };
        return Err(Wrong { code: "bad-value", message, help });
    }
    match plain(node).filter(|text| is_number(text) || is_boolean(text)) {
        Some(text) => Err(Wrong { help: Some(format!("put it in quotes: \"{text}\"")), ..wrong_type(node, "text") }),
        None => Ok(text.as_str().into()),
    }
}

/// A whole number within the schema's bounds.
pub fn integer(node: &Node, schema: &Value) -> Result<Value, Wrong> {
    let number = plain(node).and_then(whole_number).ok_or_else(|| wrong_type(node, "a whole number"))?;
    let bound = |name: &str| schema[name].as_i64().map(i128::from);
    let most = bound("maximum").or(match schema["format"].as_str() {
        Some("uint32") => Some(i128::from(u32::MAX)),
        _ => Some(i128::from(i64::MAX)),
    });
    match (bound("minimum"), most) {
        (Some(least), Some(most)) if !(least..=most).contains(&number) => Err(Wrong {
            code: "out-of-range",
            message: format!("{number} is out of range"),
            help: Some(format!("write a number from {least} to {most}")),
        }),
        _ => i64::try_from(number).map(Value::from).map_err(|_| wrong_type(node, "a smaller number")),
    }
}

pub fn boolean(node: &Node) -> Result<Value, Wrong> {
    match plain(node) {
        Some("true") => Ok(true.into()),
        Some("false") => Ok(false.into()),
        _ => Err(Wrong { help: Some("write true or false".to_owned()), ..wrong_type(node, "true or false") }),
    }
}

/// The value of a scalar whose type is not prescribed.
pub fn anything(node: &Node) -> Value {
    let Kind::Scalar { text, .. } = &node.kind else { return Value::Null };
    match plain(node) {
        _ if is_null(node) => Value::Null,
        Some("true") => true.into(),
        Some("false") => false.into(),
        Some(plain) => match (whole_number(plain).and_then(|number| i64::try_from(number).ok()), is_number(plain)) {
            (Some(number), _) => number.into(),
            (None, true) => plain.parse::<f64>().map_or_else(|_| plain.into(), Value::from),
            _ => plain.into(),
        },
        None => text.as_str().into(),
    }
}

/// `expected`, but the node is something else.
pub fn wrong_type(node: &Node, expected: &str) -> Wrong {
    let found = match &node.kind {
        Kind::Sequence(_) => "a list".to_owned(),
        Kind::Mapping(_) => "keys and values".to_owned(),
        _ if is_null(node) => "nothing".to_owned(),
        Kind::Scalar { text, plain: true } if is_number(text) => format!("the number {text}"),
        Kind::Scalar { text, plain: true } if is_boolean(text) => format!("the truth value {text}"),
        Kind::Scalar { text, .. } => format!("the text {:?}", shorten(text)),
    };
    Wrong { code: "wrong-type", message: format!("expected {expected}, found {found}"), help: None }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
