//! Disks, network interfaces and the console of a domain.

use super::domain::DEFAULT_POOL_DIRECTORY;
use super::identity;
use super::input::{DiskFormat, ImageFile, Input, LibvirtError, NetworkKind, NodeInput};
use super::xml::{Element, element};

/// Serials; the node finds its disks as `/dev/disk/by-id/virtio-SERIAL`.
pub const ROOT_SERIAL: &str = "kubi-root";
pub const ARTIFACTS_SERIAL: &str = "kubi-artifacts";
pub const DATA_SERIAL: &str = "kubi-data";

/// Root, artifact and data disk, in this order: `vda`, then one letter on for each that is there.
pub fn disks(input: &Input, node: &NodeInput, pool: &str) -> Vec<Element> {
    let mut letters = ["vda", "vdb", "vdc"].into_iter();
    let mut target = || element("target").with("dev", letters.next().unwrap_or("vdd")).with("bus", "virtio");
    let mut disks = vec![root(input, node, pool, target())];
    if let Some(artifacts) = &node.artifacts {
        let disk = volume_disk(pool, &artifacts.file, artifacts.format);
        let disk = disk.child(target()).child(element("readonly")).child(element("serial").text(ARTIFACTS_SERIAL));
        disks.push(disk);
    }
    if node.data_disk.is_some() {
        let disk = volume_disk(pool, &input.data_volume(node), DiskFormat::Raw);
        disks.push(disk.child(target()).child(element("serial").text(DATA_SERIAL)));
    }
    disks
}

/// Throw-away layer on overlay on base, each named, so that libvirt probes no image. What the node writes goes to the
/// layer, which deploy makes anew; the overlay is never written. (`<transient/>` would do the same, but libvirt knows it
/// for files only, and files need host paths.)
fn root(input: &Input, node: &NodeInput, pool: &str, target: Element) -> Element {
    let base = backing(&node.base, pool).child(element("backingStore"));
    let overlay = backing(&node.overlay, pool).child(base);
    volume_disk(pool, &input.root_volume(node), DiskFormat::Qcow2)
        .child(overlay)
        .child(target)
        .child(element("serial").text(ROOT_SERIAL))
}

fn backing(image: &ImageFile, pool: &str) -> Element {
    element("backingStore")
        .with("type", "volume")
        .child(element("format").with("type", image.format.as_str()))
        .child(element("source").with("pool", pool).with("volume", &image.file))
}

fn volume_disk(pool: &str, volume: &str, format: DiskFormat) -> Element {
    // Freed blocks go back to the host.
    let driver = element("driver").with("name", "qemu").with("type", format.as_str()).with("discard", "unmap");
    element("disk")
        .with("type", "volume")
        .with("device", "disk")
        .child(driver)
        .child(element("source").with("pool", pool).with("volume", volume))
}

/// A virtio interface on one of the cluster's libvirt networks.
pub fn interface(input: &Input, node: &NodeInput, kind: NetworkKind) -> Result<Element, LibvirtError> {
    let mac = identity::mac(&input.cluster, &node.name, kind.as_str());
    let interface = element("interface")
        .with("type", "network")
        .child(element("mac").with("address", mac))
        .child(element("source").with("network", input.network_name(kind)))
        .child(element("model").with("type", "virtio"));
    match (kind, input.cluster_network.mtu) {
        // On a bridge of the host's own, libvirt knows no MTU to hand on.
        (NetworkKind::Cluster, Some(mtu)) if input.host_bridge(kind)?.is_some() => {
            Ok(interface.child(element("mtu").with("size", mtu)))
        }
        _ => Ok(interface),
    }
}

/// The serial console, kept as a file of the pool: it is where a node without logins reports, and libvirt hands it out
/// wherever it runs.
pub fn serial(domain: &str) -> Vec<Element> {
    let file = format!("{DEFAULT_POOL_DIRECTORY}/{domain}-console.log");
    let log = element("log").with("file", file).with("append", "on");
    let serial = element("serial").with("type", "pty").child(log).child(element("target").with("port", 0));
    let console = element("console").with("type", "pty");
    vec![serial, console.child(element("target").with("type", "serial").with("port", 0))]
}
