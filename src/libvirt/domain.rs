//! The libvirt domain of one node.
//!
//! Disks are volumes of the hypervisor's pool, by file name, so the text holds no host path but those of the
//! console's log and of a kernel to boot directly. Format: <https://libvirt.org/formatdomain.html>.

use super::domain_parts::{disks, interface, serial};
use super::identity;
use super::input::{BootInput, Input, LibvirtError, NetworkKind, NodeInput};
use super::xml::{Element, element};
use crate::spec::model::{Accelerator, Architecture};

/// Namespace of the ownership element that kubi puts into every domain's metadata.
pub const METADATA_NAMESPACE: &str = "urn:kubi:node:v1";
/// Where libvirt's own `default` pool keeps its volumes. Direct kernel boot and the console's log need a path, not a
/// volume: deploy replaces this directory by that of the pool when the pool is elsewhere.
pub const DEFAULT_POOL_DIRECTORY: &str = "/var/lib/libvirt/images";

/// The domain's XML, with a final newline.
pub fn domain_xml(input: &Input, node: &NodeInput) -> Result<String, LibvirtError> {
    let hypervisor = input.hypervisors.iter().find(|h| h.name == node.hypervisor);
    let hypervisor = hypervisor.ok_or_else(|| LibvirtError::UnknownHypervisor {
        node: node.name.clone(),
        hypervisor: node.hypervisor.clone(),
    })?;
    let accelerator = input.accelerator(node);
    let kind = if accelerator == Accelerator::Kvm { "kvm" } else { "qemu" };
    let devices = element("devices")
        .children(disks(input, node, &hypervisor.pool))
        // USB is on by default and nothing here uses it.
        .child(element("controller").with("type", "usb").with("model", "none"))
        .child(interface(input, node, NetworkKind::Management)?)
        .child(interface(input, node, NetworkKind::Cluster)?)
        .children(serial(&input.domain_name(node)))
        .child(element("memballoon").with("model", "virtio").with("autodeflate", "on"))
        .child(
            element("rng")
                .with("model", "virtio")
                .child(element("backend").with("model", "random").text("/dev/urandom")),
        );
    element("domain")
        .with("type", kind)
        .child(element("name").text(input.domain_name(node)))
        .child(element("uuid").text(identity::domain_uuid(&input.cluster, &node.name)))
        .child(element("title").text(format!("{} of Kubernetes cluster {}", node.name, input.cluster)))
        .child(element("metadata").child(ownership(input, node)))
        .child(element("memory").with("unit", "KiB").text(node.memory.div_ceil(1024)))
        .child(element("vcpu").text(node.cpus))
        .child(smbios(node))
        .child(operating_system(node))
        .child(features(node.architecture))
        .child(cpu(accelerator))
        .child(clock(node.architecture))
        .child(element("on_poweroff").text("destroy"))
        .child(element("on_reboot").text("restart"))
        .child(element("on_crash").text("restart"))
        .child(devices)
        .render()
}

/// `<kubi:node>`: whose domain this is and what it runs. The build's number is not in it: it is history, and every build
/// would change every node's domain. Whoever defines the domain may add it as attribute `build`.
pub(super) fn ownership(input: &Input, node: &NodeInput) -> Element {
    element("kubi:node")
        .with("xmlns:kubi", METADATA_NAMESPACE)
        .with("cluster", &input.cluster)
        .with("node", &node.name)
        .with("bundle", node.bundle)
}

/// A bundle cannot hold its own digest, so the machine tells the guest (SMBIOS type 11).
fn smbios(node: &NodeInput) -> Element {
    let entry = |key: &str, value: &str| element("entry").text(format!("{key}={value}"));
    let strings =
        element("oemStrings").child(entry("kubi.bundle", node.bundle.as_str())).child(entry("kubi.node", &node.name));
    element("sysinfo").with("type", "smbios").child(strings)
}

fn operating_system(node: &NodeInput) -> Element {
    let (arch, machine) = match node.architecture {
        Architecture::Amd64 => ("x86_64", "q35"),
        Architecture::Arm64 => ("aarch64", "virt"),
    };
    let mut os = element("os");
    if node.architecture == Architecture::Arm64 {
        // There is no BIOS on arm64, and without UEFI neither ACPI nor SMBIOS.
        os = os.with("firmware", "efi");
    }
    os = os.child(element("type").with("arch", arch).with("machine", machine).text("hvm"));
    os = match &*node.boot {
        BootInput::Firmware => os.child(element("boot").with("dev", "hd")),
        BootInput::Kernel { kernel, initrd, command_line } => {
            let path = |file: &str| format!("{DEFAULT_POOL_DIRECTORY}/{file}");
            os.child(element("kernel").text(path(&kernel.file)))
                .child(element("initrd").text(path(&initrd.file)))
                .child(element("cmdline").text(command_line))
        }
    };
    os.child(element("smbios").with("mode", "sysinfo"))
}

fn features(architecture: Architecture) -> Element {
    let features = element("features").child(element("acpi"));
    if architecture == Architecture::Amd64 { features.child(element("apic")) } else { features }
}

/// With KVM the guest sees the host's processor as it is, with its virtualisation extensions where the host allows
/// nesting: kata needs them. Emulation offers all it has.
fn cpu(accelerator: Accelerator) -> Element {
    let mode = if accelerator == Accelerator::Kvm { "host-passthrough" } else { "maximum" };
    element("cpu").with("mode", mode).with("check", "none")
}

fn clock(architecture: Architecture) -> Element {
    let clock = element("clock").with("offset", "utc");
    if architecture == Architecture::Arm64 {
        return clock;
    }
    // What virt-install writes for Linux guests: late ticks are made up for, and the slow HPET is left out.
    clock
        .child(element("timer").with("name", "rtc").with("tickpolicy", "catchup"))
        .child(element("timer").with("name", "pit").with("tickpolicy", "delay"))
        .child(element("timer").with("name", "hpet").with("present", "no"))
}
