//! Where an artifact is looked for: URLs in, URLs out.

/// The addresses to try for `source` below a mirror's `prefix`, best first: the source's whole address without its
/// scheme, as `wget -x` stores it, then its bare file name.
pub fn mirrored(source: &str, prefix: &str) -> Vec<String> {
    let prefix = prefix.trim_end_matches('/');
    let address = source.split_once("://").map_or(source, |(_, address)| address);
    vec![format!("{prefix}/{address}"), format!("{prefix}/{}", file_name(source))]
}

/// The last part of an address.
pub fn file_name(source: &str) -> &str {
    let path = source.split(['?', '#']).next().unwrap_or(source);
    path.rsplit(['/', ':']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_keep_the_address_or_the_name() {
        let source = "https://example.org/a/v1/tool.tgz";
        assert_eq!(mirrored(source, "file:///m/"), ["file:///m/example.org/a/v1/tool.tgz", "file:///m/tool.tgz"]);
        assert_eq!(file_name("https://example.org/x?y=/z"), "x");
        assert_eq!(file_name("vendored:kubelet"), "kubelet");
    }
}
