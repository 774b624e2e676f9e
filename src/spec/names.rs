//! Syntax of names: DNS, Kubernetes labels and taints, network interfaces. Each says what is wrong, or nothing.

/// RFC 1123 label, as Kubernetes asks of most names: 1 to 63 of `a-z`, `0-9` and `-`, not at either end.
pub fn dns_label(name: &str) -> Result<(), String> {
    let fits = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    fits.then_some(()).ok_or_else(|| format!("{name:?} is no DNS label"))
}

/// What [`dns_label`] accepts, for help texts.
pub const DNS_LABEL_HELP: &str = "write 1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit";

/// RFC 1123 subdomain: labels divided by dots, 253 characters at most.
pub fn dns_name(name: &str) -> Result<(), String> {
    let fits = name.len() <= 253 && name.split('.').all(|label| dns_label(label).is_ok());
    fits.then_some(()).ok_or_else(|| format!("{name:?} is no DNS name"))
}

/// A host name or an IP address, without port.
pub fn host(name: &str) -> Result<(), String> {
    let address = name.parse::<std::net::IpAddr>().is_ok();
    // All digits and dots, but no address: a mistyped address, not a name.
    let digits = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (address || (!digits && dns_name(name).is_ok()))
        .then_some(())
        .ok_or_else(|| format!("{name:?} is neither a DNS name nor an IP address"))
}

/// A certificate's alternative name: an IP address, or a DNS name whose first label may be `*` (RFC 6125).
pub fn alternative_name(name: &str) -> Result<(), String> {
    host(name.strip_prefix("*.").unwrap_or(name))
        .map_err(|_| format!("{name:?} is neither a DNS name nor an IP address"))
}

/// Letters, digits, `-`, `_` and `.`, 63 at most, beginning and ending with a letter or digit.
fn qualified_part(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && edge(bytes.first())
        && edge(bytes.last())
}

/// A label or taint key: `name` or `prefix/name`, the prefix being a DNS name.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
pub fn label_key(key: &str) -> Result<(), String> {
    let fits = match key.split_once('/') {
        Some((prefix, name)) => dns_name(prefix).is_ok() && qualified_part(name),
        None => qualified_part(key),
    };
    fits.then_some(()).ok_or_else(|| format!("{key:?} is no label key"))
}

/// A label or taint value: empty, or like a key without prefix.
pub fn label_value(value: &str) -> Result<(), String> {
    (value.is_empty() || qualified_part(value)).then_some(()).ok_or_else(|| format!("{value:?} is no label value"))
}

/// A taint as kubectl writes it, taken apart: key, value, effect.
pub fn taint(taint: &str) -> Result<(&str, &str, &str), String> {
    let (rest, effect) = taint.rsplit_once(':').ok_or_else(|| format!("{taint:?} has no effect"))?;
    let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
    label_key(key).and_then(|()| label_value(value)).map_err(|wrong| format!("in the taint {taint:?}, {wrong}"))?;
    match effect {
        "NoSchedule" | "PreferNoSchedule" | "NoExecute" => Ok((key, value, effect)),
        other => Err(format!("{other:?} is no taint effect")),
    }
}

/// A Linux network interface: 1 to 15 bytes (`IFNAMSIZ`) without white space, `/` and `:`.
pub fn interface(name: &str) -> Result<(), String> {
    let fits = (1..=15).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b':')
        && name != "."
        && name != "..";
    fits.then_some(()).ok_or_else(|| format!("{name:?} is no network interface's name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accepts: impl Fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        good.iter().for_each(|name| assert!(accepts(name), "{name:?} is good"));
        bad.iter().for_each(|name| assert!(!accepts(name), "{name:?} is bad"));
    }

    #[test]
    fn names_follow_their_standards() {
        let long = "a".repeat(64);
        check(
            |s| dns_label(s).is_ok(),
            &["a", "kubi-worker-0001", "0"],
            &["", "-a", "a-", "A", "a_b", "a.b", "ä", &long],
        );
        check(
            |s| host(s).is_ok(),
            &["api.example.com", "10.0.0.9", "::1"],
            &["", "api:6443", "10.0.0", "10.0.0.256", "a..b"],
        );
        check(
            |s| alternative_name(s).is_ok(),
            &["*.example.com", "fd00::1", "localhost"],
            &["*", "a.*.com", "https://a", "*.*.com"],
        );
        check(
            |s| label_key(s).is_ok(),
            &["rack", "example.com/Rack_1"],
            &["", "/a", "a/", "a/b/c", "-a", "E/a b", &long],
        );
        check(|s| label_value(s).is_ok(), &["", "1", "a.b"], &["a b", "-", "ä", &long]);
        check(
            |s| taint(s).is_ok(),
            &["gpu=yes:NoSchedule", "example.com/a:NoExecute"],
            &["gpu", "gpu=yes", "gpu=yes:Never", "=yes:NoSchedule", "a=b=c:NoSchedule"],
        );
        check(|s| interface(s).is_ok(), &["br0", "virbr-kubi"], &["", "br 0", "a/b", "sixteen-letters-"]);
    }
}
