//! Formats of strings that a recipe's parameter may ask for. Patterns by name, each with the words to ask for it.

use serde::Deserialize;

/// What a string must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// As Go reads it (`time.ParseDuration`), not negative.
    Duration,
    /// As Kubernetes writes amounts, without an exponent, not negative.
    Quantity,
    /// A quantity or a percentage, as the kubelet's eviction thresholds.
    Threshold,
    /// As systemd reads sizes.
    Size,
    /// Safe unquoted in a unit's command line and in YAML.
    Word,
    /// A [`Format::Word`] that is an HTTP address.
    Url,
}

impl Format {
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::Duration => duration(text),
            Self::Quantity => quantity(text),
            Self::Threshold => text.strip_suffix('%').map_or_else(|| quantity(text), percentage),
            Self::Size => number_with_unit(text, &["", "K", "M", "G", "T"]),
            Self::Word => word(text),
            Self::Url => ["http://", "https://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(word)),
        }
    }

    /// Continues "write".
    pub fn wanted(self) -> &'static str {
        match self {
            Self::Duration => "a duration with its unit, such as 500ms, 20s or 1h30m",
            Self::Quantity => "a Kubernetes quantity as a string, such as 500m, 256Mi or \"2\"",
            Self::Threshold => "a quantity or a percentage as a string, such as 200Mi or 10%",
            Self::Size => "a whole number with its unit, such as 500M or 2G",
            Self::Word => {
                "letters, digits and marks, beginning with a letter or digit: no space, quote, \\, $, %, ;, # or brace"
            }
            Self::Url => "an address that begins with http:// or https://, without spaces",
        }
    }
}

/// `12` or `1.5`, and what follows.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let whole = number.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
    Some((number.parse().ok().filter(|_| whole)?, rest))
}

fn duration(text: &str) -> bool {
    const UNITS: [(&str, f64); 6] = [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    /// Go counts nanoseconds in 63 bits.
    const MOST_SECONDS: f64 = 9.2e9;
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let Some((number, after)) = leading_number(rest) else { return false };
        let Some((unit, worth)) = UNITS.iter().find(|(unit, _)| after.starts_with(unit)) else { return false };
        seconds += number * worth;
        rest = &after[unit.len()..];
    }
    !text.is_empty() && seconds < MOST_SECONDS
}

fn quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 15] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"];
    leading_number(text).is_some_and(|(_, suffix)| SUFFIXES.contains(&suffix))
}

fn percentage(number: &str) -> bool {
    leading_number(number).is_some_and(|(value, rest)| rest.is_empty() && value <= 100.0)
}

fn number_with_unit(text: &str, units: &[&str]) -> bool {
    leading_number(text).is_some_and(|(number, unit)| number.fract() == 0.0 && units.contains(&unit))
}

fn word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'\\`$%;#{}".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_the_programs_that_read_them() {
        let cases: [(Format, &[&str], &[&str]); 6] = [
            (
                Format::Duration,
                &["8h", "1h30m", "500ms", "1.5s", "0s"],
                &["", "8", "h", "-1s", "1s ", "1.s", "8 h", "1d", "9999999h"],
            ),
            (Format::Quantity, &["100m", "256Mi", "2", "0.5", "1k"], &["", "Mi", "256MB", "-1", "1 Gi", "1.", "10%"]),
            (Format::Threshold, &["10%", "100%", "5.5%", "200Mi"], &["", "%", "101%", "-1%", "10 %"]),
            (Format::Size, &["500M", "2G", "1048576"], &["", "M", "500MB", "1.5G", "-1M"]),
            (
                Format::Word,
                &["https://a.example:6443/x", "kubernetes", "r.example/a@sha256:00"],
                &["", "a b", "-a", "a\nb", "a$b", "50%", "a;b", "{a}", "ä"],
            ),
            (
                Format::Url,
                &["https://mirror.example:5000", "http://10.0.0.1/v2"],
                &["", "mirror.example", "https://", "ftp://a", "https://a b"],
            ),
        ];
        for (format, good, bad) in cases {
            good.iter().for_each(|text| assert!(format.accepts(text), "{format:?} {text:?} is good"));
            bad.iter().for_each(|text| assert!(!format.accepts(text), "{format:?} {text:?} is bad"));
        }
    }
}
