//! Every combination of domain and network against libvirt's own schema, and networks defined in its test driver.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reaches the machine"
)]

mod common;

use common::{package_directory, require_tool, run_tool};
use kubi::libvirt::{
    BootInput, ClusterLink, DeployFile, DiskFormat, ImageFile, Input, ManagementLink, NodeInput, deploy_files,
};
use kubi::spec::{Accelerator, Addresses, Architecture, ClusterMode, Hypervisor, ManagementMode, Role};
use kubi::tree::Digest;
use std::path::{Path, PathBuf};
use std::process::Command;

fn image(file: &str, format: DiskFormat) -> ImageFile {
    ImageFile { file: file.into(), digest: Digest::of(file.as_bytes()), size: 4096, format }
}

/// Everything that changes a domain's shape.
fn node(index: u8, architecture: Architecture, boot: BootInput, extras: bool, base: DiskFormat) -> NodeInput {
    NodeInput {
        name: format!("node-{index:02}"),
        roles: vec![Role::Worker],
        hypervisor: "hv1".into(),
        architecture,
        cpus: 2,
        memory: 2 << 30,
        addresses: Addresses { cluster: [10, 0, 0, index].into(), management: [10, 0, 1, index].into() },
        bundle: Digest::of(&[index]),
        taints: Some(vec!["gpu=yes:NoSchedule".into()]),
        base: image("base.img", base).into(),
        overlay: image(&format!("node-{index:02}.qcow2"), DiskFormat::Qcow2),
        artifacts: extras.then(|| image("artifacts.squashfs", DiskFormat::Raw).into()),
        data_disk: extras.then_some(20 << 30),
        boot: boot.into(),
    }
}

fn nodes() -> Vec<NodeInput> {
    let kernel = || BootInput::Kernel {
        kernel: image("vmlinuz", DiskFormat::Raw),
        initrd: image("initrd", DiskFormat::Raw),
        command_line: "root=LABEL=root ro console=ttyS0 quoted='<&>'".into(),
    };
    let mut nodes = Vec::new();
    for architecture in [Architecture::Amd64, Architecture::Arm64] {
        for boot in [BootInput::Firmware, kernel()] {
            for (extras, base) in [(true, DiskFormat::Raw), (false, DiskFormat::Qcow2)] {
                nodes.push(node(nodes.len() as u8 + 1, architecture, boot.clone(), extras, base));
            }
        }
    }
    nodes
}

fn input(accelerator: Accelerator, management: ManagementMode, cluster: ClusterMode, mtu: Option<u32>) -> Input {
    let bridge = |wanted: bool| wanted.then(|| "br0".to_owned());
    Input {
        cluster: "dev".into(),
        identity: "sha256:ab".into(),
        pod_network: Some("cni/bridge".into()),
        kubernetes_version: "1.36.4".into(),
        api_host: "10.0.0.1".into(),
        api_port: 6443,
        operator_kubeconfig: None,
        operator_etcd: None,
        management: ManagementLink {
            cidr: "10.0.1.0/24".parse().unwrap(),
            gateway: [10, 0, 1, 254].into(),
            mode: management,
            bridge: bridge(management == ManagementMode::Bridge),
        },
        cluster_network: ClusterLink {
            cidr: "10.0.0.0/24".parse().unwrap(),
            mode: cluster,
            bridge: bridge(cluster == ClusterMode::Bridge),
            mtu,
        },
        hypervisors: vec![Hypervisor {
            name: "hv1".into(),
            uri: if accelerator == Accelerator::Kvm { "qemu:///system".into() } else { "qemu:///session".into() },
            accelerator,
            pool: "a pool with <&'\"> in its name".into(),
        }],
        nodes: nodes(),
    }
}

fn all_inputs() -> Vec<Input> {
    let mut inputs = Vec::new();
    for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
        for management in [ManagementMode::Nat, ManagementMode::Routed, ManagementMode::Bridge] {
            for cluster in [ClusterMode::Isolated, ClusterMode::Bridge] {
                inputs.extend([None, Some(1400)].map(|mtu| input(accelerator, management, cluster, mtu)));
            }
        }
    }
    inputs
}

/// Writes the XML files of a deployment below `directory`.
fn write(directory: &Path, files: &[DeployFile]) -> Vec<PathBuf> {
    let xml = files.iter().filter(|file| file.path.ends_with(".xml"));
    let write = |file: &DeployFile| {
        let path = directory.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &file.contents).unwrap();
        path
    };
    xml.map(write).collect()
}

#[test]
fn every_combination_is_valid_for_libvirt() {
    let validate = require_tool("virt-xml-validate", "libvirt-clients");
    require_tool("xmllint", "libxml2-utils");
    let mut checked = std::collections::BTreeSet::new();
    for input in all_inputs() {
        let directory = tempfile::tempdir().unwrap();
        for path in write(directory.path(), &deploy_files(&input).unwrap()) {
            // The same node on other networks is often the same text.
            if checked.insert(std::fs::read(&path).unwrap()) {
                run_tool(&validate, [&path]).success();
            }
        }
    }
    assert!(checked.len() > 20, "only {} different files", checked.len());
}

#[test]
fn the_schema_check_can_fail() {
    let validate = require_tool("virt-xml-validate", "libvirt-clients");
    let directory = tempfile::tempdir().unwrap();
    let input = input(Accelerator::Kvm, ManagementMode::Nat, ClusterMode::Isolated, None);
    for path in write(directory.path(), &deploy_files(&input).unwrap()) {
        let text = std::fs::read_to_string(&path).unwrap().replacen("<uuid>", "<uuid>not ", 1);
        std::fs::write(&path, text).unwrap();
        run_tool(&validate, [&path]).failure();
    }
}

/// libvirt's test driver parses in full, which finds more than the schema: it holds the whole state in memory.
#[test]
fn libvirt_itself_takes_each_network() {
    let virsh = require_tool("virsh", "libvirt-clients");
    for input in all_inputs() {
        let directory = tempfile::tempdir().unwrap();
        let files = write(directory.path(), &deploy_files(&input).unwrap());
        for path in files.iter().filter(|path| path.parent().unwrap().ends_with("hv1")) {
            let define = format!("net-define '{}'", path.display());
            let output = run_tool(&virsh, ["-c", "test:///default", &define]).success();
            assert!(output.contains("defined from"), "{output}");
        }
    }
}

/// Where `make test` has built it: this package's own tests go after those of the other.
fn kubi_deploy() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_BIN_EXE_kubi")).with_file_name("kubi-deploy");
    let own = package_directory().join("deploy/target/debug/kubi-deploy");
    [beside, own].into_iter().find(|path| path.is_file())
}

#[test]
fn kubi_deploy_reads_what_was_just_written() {
    let Some(program) = kubi_deploy() else {
        eprintln!("kubi-deploy is not built: nothing is tried with it. Run `make test`");
        return;
    };
    for mut input in all_inputs() {
        input.hypervisors[0].uri = "qemu+unix:///system?socket=/nowhere/libvirt-sock".into();
        let out = tempfile::tempdir().unwrap();
        let mut digests = serde_json::Map::new();
        for file in deploy_files(&input).unwrap() {
            let path = out.path().join("dev/deploy").join(&file.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.contents).unwrap();
            digests.insert(format!("deploy/{}", file.path), Digest::of(&file.contents).to_string().into());
        }
        let record = serde_json::json!({"number": 1, "files": digests}).to_string();
        std::fs::write(out.path().join("dev/build.json"), record).unwrap();
        let plan =
            Command::new(&program).arg("--out").arg(out.path()).args(["plan", "--output", "json"]).output().unwrap();
        let text = String::from_utf8_lossy(&plan.stdout).into_owned();
        let plan: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(plan["problems"][0]["kind"], "unreachable", "{text}");
    }
}
