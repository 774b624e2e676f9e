//! Sizes and digests, short enough to read.

/// Binary units, one decimal below ten.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut divisor = 1u64;
    let mut unit = 0;
    while bytes / divisor >= 1024 && unit + 1 < UNITS.len() {
        divisor *= 1024;
        unit += 1;
    }
    let whole = bytes / divisor;
    let tenth = bytes % divisor * 10 / divisor;
    if unit > 0 && whole < 10 && tenth > 0 {
        return format!("{whole}.{tenth} {}", UNITS[unit]);
    }
    format!("{whole} {}", UNITS[unit])
}

/// The first digits of a digest, or of a digest in a file name.
pub fn short(name: &str) -> String {
    if let Some(hex) = name.strip_prefix("sha256:") {
        return hex.chars().take(12).collect();
    }
    let is_digest = |part: &str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<String> = name
        .split_inclusive(['-', '.'])
        .map(|part| {
            let (body, end) = part.split_at(part.len() - usize::from(part.ends_with(['-', '.'])));
            if is_digest(body) { format!("{}{end}", &body[..12]) } else { part.to_owned() }
        })
        .collect();
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (267_124_736, "254 MiB"), (4 << 30, "4 GiB")];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn digests_are_cut_wherever_they_are() {
        let hex = "0123456789ab".to_owned() + &"c".repeat(52);
        assert_eq!(short(&format!("sha256:{hex}")), "0123456789ab");
        assert_eq!(short(&format!("base-{hex}.qcow2")), "base-0123456789ab.qcow2");
        assert_eq!(short("w-1.qcow2"), "w-1.qcow2");
    }
}
