//! The Debian packages of a base image.

use crate::spec::model::Architecture;

/// What every base image has, whatever the recipes: it boots, has a network, keeps time and can be looked at.
const COMMON: &[&str] = &[
    "ca-certificates",
    "cloud-guest-utils", // growpart, for nodes whose root disk is larger than the image
    "conntrack",         // kube-proxy clears stale UDP entries
    "dbus",
    "e2fsprogs",
    "fdisk",
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
}
