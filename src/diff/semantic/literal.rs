//! Numbers as they are written: `0640`, `1.50`, `0o17`, or more digits than 64 bits hold. As values they would be rounded or
//! become others; a diff shows what is in the file. In a tree of values such a number is a text behind a mark.

use serde_json::Value;
use std::borrow::Cow;

/// A Unicode noncharacter, which is never in a text that people exchange; one that has it is compared as text.
pub const MARK: char = '\u{fdd0}';

/// A number that a value of 64 bits would show otherwise.
pub fn literal(text: &str) -> Value {
    Value::String(format!("{MARK}{text}"))
}

/// A number: as a value where that is written the same, else as a literal.
pub fn number(text: &str) -> Value {
    let small = text.parse::<i64>().map(|number| (number.to_string(), Value::from(number)));
    let large = || text.parse::<u64>().map(|number| (number.to_string(), Value::from(number)));
    match small.or_else(|_| large()) {
        Ok((same, value)) if same == text => value,
        _ => literal(text),
    }
}

pub fn is_literal(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(MARK))
}

/// Whether marks in the text could be taken for those of literals.
pub fn is_ambiguous(text: &str) -> bool {
    text.contains(MARK) || text.to_ascii_lowercase().contains("\\ufdd0")
}

/// Strings as they are, everything else as JSON, numbers as they were written.
pub fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.strip_prefix(MARK).unwrap_or(text).to_owned(),
        None => json(value),
    }
}

/// As JSON: strings in quotes, numbers as they were written.
pub fn json(value: &Value) -> String {
    let text = value.to_string();
    let mark = format!("\"{MARK}");
    if !text.contains(&mark) {
        return text;
    }
    let mut parts = text.split(mark.as_str());
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // A number has no quotes in it: the next one ends it.
        let (number, rest) = part.split_once('"').unwrap_or((part, ""));
        out += number;
        out += rest;
    }
    out
}

/// JSON in which every number that could be read as another one is a literal. Wrong JSON stays wrong.
pub fn protect_numbers(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let end =
                    bytes[at..].iter().position(|byte| !is_of_number(*byte)).map_or(text.len(), |length| at + length);
                if is_literal(&number(&text[at..end])) && is_json_number(&text[at..end]) {
                    out.push_str(&text[copied..at]);
                    out.push_str(&format!("\"{MARK}{}\"", &text[at..end]));
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 { Cow::Borrowed(text) } else { Cow::Owned(out + &text[copied..]) }
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')
}

fn is_json_number(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_number())
}

/// The place after the string that starts at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_they_are_written() {
        let check = |text: &str| {
            let value: Value = serde_json::from_str(&protect_numbers(text)).unwrap();
            assert_eq!(json(&value), text);
        };
        check(r#"{"a":18446744073709551616,"b":[-1,1.50,1e3,18446744073709551615],"c":"12.50 \" 1.0","1.0":-0}"#);
        assert_eq!((number("0640"), shown(&number("0640"))), (literal("0640"), "0640".to_owned()));
        assert_eq!(number("640"), Value::from(640));
    }
}
