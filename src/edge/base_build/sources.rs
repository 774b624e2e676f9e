//! Where packages come from: the host's own apt configuration, or what the user names.

use super::BaseError;
use crate::artifact::base::Suite;
use crate::edge::process::Program;

const APT_GET: Program = Program { name: "apt-get", package: "apt" };
const APT_CONFIG: Program = Program { name: "apt-config", package: "apt" };

/// `deb` lines for the suite. Empty when the host has no Debian sources: mmdebstrap then uses its own default.
pub(super) fn sources(suite: Suite, mirrors: &[String]) -> Result<Vec<String>, BaseError> {
    if !mirrors.is_empty() {
        return Ok(mirrors.iter().map(|mirror| deb_line(mirror, suite)).collect());
    }
    if APT_GET.find().is_err() {
        return Ok(vec![]);
    }
    let format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
    let targets = APT_GET.run(["indextargets", "--format", format, "Identifier: Packages"], &[], b"")?;
    Ok(from_targets(suite, &String::from_utf8_lossy(&targets)))
}

/// The host's proxies, as options for the apt inside mmdebstrap.
pub(super) fn proxies() -> Vec<String> {
    let mut options = vec![];
    for scheme in ["http", "https"] {
        let key = format!("Acquire::{scheme}::Proxy");
        let Ok(output) = APT_CONFIG.run(["shell", "PROXY", key.as_str()], &[], b"") else { continue };
        // The answer is PROXY='value'.
        let text = String::from_utf8_lossy(&output).into_owned();
        if let Some(value) = text.trim().strip_prefix("PROXY='").and_then(|text| text.strip_suffix('\'')) {
            options.push(format!("{key} \"{value}\""));
        }
    }
    options
}

fn deb_line(mirror: &str, suite: Suite) -> String {
    if mirror.starts_with("deb ") { mirror.to_owned() } else { format!("deb {mirror} {suite} main") }
}

/// The same mirrors as the host's, for another release: its main archive with updates, and its security archive.
fn from_targets(suite: Suite, targets: &str) -> Vec<String> {
    let (mut archive, mut security) = (None, None);
    for line in targets.lines() {
        let mut words = line.split_whitespace();
        let (Some(uri), Some(release), Some("main")) = (words.next(), words.next(), words.next()) else { continue };
        let release = release.trim_end_matches('/');
        match release.strip_suffix("-security") {
            Some(base) if is_debian(base) => security.get_or_insert(uri),
            None if is_debian(release) => archive.get_or_insert(uri),
            _ => continue,
        };
    }
    let Some(archive) = archive else { return vec![] };
    let mut lines = vec![format!("deb {archive} {suite} main"), format!("deb {archive} {suite}-updates main")];
    lines.extend(security.map(|uri| format!("deb {uri} {suite}-security main")));
    lines
}

fn is_debian(release: &str) -> bool {
    ["bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable", "oldstable"].contains(&release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_mirrors_serve_another_release() {
        let targets = "http://m/debian/ bookworm main\nhttp://m/debian/ bookworm-updates main\n\
                       https://other/apt nodistro main\nhttp://m/debian-security/ bookworm-security main\n";
        let expected = [
            "deb http://m/debian/ trixie main",
            "deb http://m/debian/ trixie-updates main",
            "deb http://m/debian-security/ trixie-security main",
        ];
        assert_eq!(from_targets(Suite::Trixie, targets), expected);
        assert!(from_targets(Suite::Trixie, "http://u/ubuntu noble main\n").is_empty());
        assert_eq!(deb_line("http://m/d", Suite::Bookworm), "deb http://m/d bookworm main");
    }
}
