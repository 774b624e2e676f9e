//! The Debian packages of a base image.

use crate::spec::model::Architecture;
use std::collections::BTreeMap;

/// What every base image has, whatever the recipes: it boots, has a network, keeps time and can be looked at.
const COMMON: &[&str] = &[
    "ca-certificates",
    "conntrack", // kube-proxy clears stale UDP entries
    "dbus",
    "e2fsprogs",
    "ethtool", // the kubelet's preflight of veth pairs
    "initramfs-tools",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libpam-systemd",
    "mount",
    "netbase",
    "nftables",
    "procps",
    "systemd",
    "systemd-resolved",
    "systemd-sysv",
    "systemd-timesyncd",
    "tzdata",
    "udev",
    "util-linux",
    "zstd", // compresses the initramfs
];

/// All packages to install: the common ones, kernel and boot loader, and what the recipes ask for; sorted, each once.
pub fn base_packages(architecture: Architecture, extra: &[String]) -> Vec<String> {
    let mut packages: Vec<String> = COMMON.iter().map(|name| (*name).to_owned()).collect();
    let name = architecture.name();
    packages.push(format!("linux-image-cloud-{name}"));
    packages.push(format!("grub-efi-{name}-bin"));
    if architecture == Architecture::Amd64 {
        packages.push("grub-pc-bin".to_owned());
    }
    packages.extend(extra.iter().cloned());
    packages.sort();
    packages.dedup();
    packages
}

/// Reads `/var/lib/dpkg/status`: every installed package and its version.
pub fn installed_packages(status: &str) -> BTreeMap<String, String> {
    let mut packages = BTreeMap::new();
    for paragraph in status.split("\n\n") {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim()))
        };
        let installed = field("Status").is_some_and(|status| status.ends_with(" installed"));
        if let (true, Some(package), Some(version)) = (installed, field("Package"), field("Version")) {
            packages.insert(package.to_owned(), version.to_owned());
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_sorted_and_fit_the_architecture() {
        let extra = ["etcd-server".to_owned(), "kmod".to_owned()];
        let amd64 = base_packages(Architecture::Amd64, &extra);
        assert!(amd64.is_sorted() && amd64.contains(&"grub-pc-bin".to_owned()));
        assert_eq!(amd64.iter().filter(|package| *package == "kmod").count(), 1);
        let arm64 = base_packages(Architecture::Arm64, &extra);
        assert!(arm64.contains(&"linux-image-cloud-arm64".to_owned()) && !arm64.contains(&"grub-pc-bin".to_owned()));
    }

    #[test]
    fn only_installed_packages_count() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1:2-3\nDescription: x\n y\n\n\
                      Package: b\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                      Package: c\nStatus: hold ok installed\nArchitecture: all\nVersion: 2\n";
        let expected = [("a", "1:2-3"), ("c", "2")].map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(installed_packages(status), BTreeMap::from(expected));
    }
}
