//! What a `deploy.json` must not say, whoever wrote it: paths that lead out of the cluster's folder, names that are no names,
//! and connections that run a program.
//!
//! In: a parsed [`Deployment`]. Out: the first thing that is wrong. Never looks at a file.

use crate::deployment::{Deployment, DeploymentError};
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// Ways to reach libvirtd that start nothing but what libvirt itself starts (<https://libvirt.org/uri.html>); not `ext`,
/// which runs a program that the URI names.
const TRANSPORTS: [&str; 6] = ["unix", "ssh", "libssh", "libssh2", "tls", "tcp"];
/// Keys of a URI that name no program: `command` and `netcat` do.
const KEYS: [&str; 13] = [
    "keyfile",
    "known_hosts",
    "known_hosts_verify",
    "mode",
    "no_tty",
    "no_verify",
    "pkipath",
    "proxy",
    "socket",
    "sshauth",
    "sshconfig",
    "tls_priority",
    "auth",
];

impl Deployment {
    /// Every name that becomes a path or a libvirt name, every path, every URI, and every reference.
    pub fn check(&self) -> Result<(), DeploymentError> {
        self.check_names()?;
        self.check_paths()?;
        self.hypervisors.iter().try_for_each(|hypervisor| check_uri(&hypervisor.uri))?;
        self.check_references()
    }

    fn check_names(&self) -> Result<(), DeploymentError> {
        let images = self.images.iter().map(|image| &image.file);
        let nodes = self.nodes.iter().flat_map(|node| {
            let data = node.disks.data.as_ref().map(|data| &data.volume);
            [&node.name, &node.domain.name, &node.disks.root.volume].into_iter().chain(data)
        });
        let networks = self.networks.iter().map(|network| &network.name);
        let hypervisors = self.hypervisors.iter().map(|hypervisor| &hypervisor.name);
        let mut names = images.chain(nodes).chain(networks).chain(hypervisors).chain([&self.cluster]);
        let odd = |c: char| c.is_control() || matches!(c, '/' | '<' | '>' | '&' | '\'' | '"');
        let bad = |name: &&String| matches!(name.as_str(), "" | "." | "..") || name.contains(odd);
        names.find(bad).map_or(Ok(()), |name| Err(DeploymentError::Name(name.clone())))
    }

    fn check_paths(&self) -> Result<(), DeploymentError> {
        let xml =
            self.nodes.iter().map(|node| &node.domain.xml).chain(self.networks.iter().map(|network| &network.xml));
        let beside = self.operator_files().chain([&self.image_directory]);
        let below_deploy = xml.map(|path| (path, is_below(path)));
        // `deploy/` lies in the cluster's folder: one step up is still in it.
        let below_cluster = beside.map(|path| (path, is_below(path.strip_prefix("../").unwrap_or(path))));
        let bad = below_deploy.chain(below_cluster).find(|(_, good)| !good);
        bad.map_or(Ok(()), |(path, _)| Err(DeploymentError::Path(path.clone())))
    }

    fn check_references(&self) -> Result<(), DeploymentError> {
        let hypervisors: BTreeSet<&str> = self.hypervisors.iter().map(|h| h.name.as_str()).collect();
        let images: BTreeSet<&str> = self.images.iter().map(|image| image.file.as_str()).collect();
        let known = |names: &BTreeSet<&str>, place: String, name: &str| match names.contains(name) {
            true => Ok(()),
            false => Err(DeploymentError::Unknown { place, name: name.to_owned() }),
        };
        for network in &self.networks {
            known(&hypervisors, format!("network {}", network.name), &network.hypervisor)?;
        }
        for image in &self.images {
            let place = || format!("image {}", image.file);
            image.hypervisors.iter().try_for_each(|name| known(&hypervisors, place(), name))?;
            image.backing.iter().try_for_each(|name| known(&images, place(), name))?;
        }
        for node in &self.nodes {
            let place = || format!("node {}", node.name);
            known(&hypervisors, place(), &node.hypervisor)?;
            node.images().into_iter().try_for_each(|file| known(&images, place(), file))?;
        }
        Ok(())
    }
}

/// Names alone: nothing absolute, no step up, not empty.
fn is_below(path: &str) -> bool {
    let normal = |component| matches!(component, Component::Normal(_));
    !path.is_empty() && !path.contains('\0') && Path::new(path).components().all(normal)
}

fn check_uri(uri: &str) -> Result<(), DeploymentError> {
    let bad = |reason: String| Err(DeploymentError::Uri { uri: uri.to_owned(), reason });
    let Some((scheme, rest)) = uri.split_once("://") else { return bad("it is no URI".to_owned()) };
    match scheme.split_once('+') {
        // libvirt's built-in driver for tests runs nothing.
        None if matches!(scheme, "qemu" | "test") => {}
        Some(("qemu", transport)) if TRANSPORTS.contains(&transport) => {}
        _ => return bad(format!("{scheme} is not qemu, or qemu+ one of {}", TRANSPORTS.join(", "))),
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host = place.split('/').next().unwrap_or_default();
    // ssh takes what begins with a hyphen for an option; percent signs could hide one.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:@[]".contains(c);
    if !host.chars().all(plain) || host.split('@').any(|part| part.starts_with('-')) {
        return bad(format!("{host:?} is no host"));
    }
    let keys = query.split(['&', ';']).filter(|part| !part.is_empty());
    let keys = keys.map(|part| part.split('=').next().unwrap_or_default());
    match keys.into_iter().find(|key| !KEYS.contains(key)) {
        Some(key) => bad(format!("the key {key:?} is none of {}", KEYS.join(", "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below() {
        for (path, good) in [
            ("domains/a.xml", true),
            ("a", true),
            ("", false),
            ("/etc/passwd", false),
            ("../a", false),
            ("a/../../b", false),
            ("a\0b", false),
        ] {
            assert_eq!(is_below(path), good, "{path:?}");
        }
    }

    #[test]
    fn uris_run_no_programs() {
        for good in [
            "qemu:///system",
            "qemu:///session",
            "test:///default",
            "qemu+ssh://root@hv1.example:2222/system?keyfile=/k&no_tty=1",
            "qemu+tls://[fd00::1]/system?no_verify=1",
            "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
            "qemu+tcp://hv2/system",
        ] {
            assert!(check_uri(good).is_ok(), "{good}");
        }
        for bad in [
            "hv1",
            "qemu+ext://h/system?command=/tmp/x",
            "qemu+ssh://h/system?command=/tmp/x",
            "qemu+ssh://h/system?no_tty=1&netcat=/tmp/x",
            "qemu+ssh://h/system?no_tty=1;netcat=/tmp/x",
            "qemu+ssh://h/system?c%6fmmand=/tmp/x",
            "qemu+ssh://-oProxyCommand=x/system",
            "qemu+ssh://u@-oProxyCommand/system",
            "qemu+ssh://%2DoProxyCommand/system",
            "remote+ssh://h/system",
        ] {
            assert!(check_uri(bad).is_err(), "{bad}");
        }
    }
}
