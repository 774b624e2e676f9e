//! The libvirt files of a small cluster, looked at as values. tests/libvirt_xml.rs checks them with libvirt's tools.

use super::*;
use crate::spec::model::{Accelerator, Addresses, Architecture, ClusterMode, Hypervisor, ManagementMode, Role};
use crate::tree::Digest;

fn image(file: &str, format: DiskFormat) -> ImageFile {
    ImageFile { file: file.into(), digest: Digest::of(file.as_bytes()), size: 4096, format }
}

fn node(name: &str, number: u8, roles: &[Role]) -> NodeInput {
    NodeInput {
        name: name.into(),
        roles: roles.to_vec(),
        hypervisor: "hv1".into(),
        architecture: Architecture::Amd64,
        cpus: 2,
        memory: 4 << 30,
        addresses: Addresses { cluster: [192, 168, 24, number].into(), management: [192, 168, 122, number].into() },
        bundle: Digest::of(name.as_bytes()),
        taints: Some(vec!["gpu=yes:NoSchedule".into()]),
        base: image("base.qcow2", DiskFormat::Qcow2).into(),
        overlay: image(&format!("{name}.qcow2"), DiskFormat::Qcow2),
        artifacts: Some(image("artifacts.squashfs", DiskFormat::Raw).into()),
        data_disk: Some(20 << 30),
        boot: BootInput::Firmware.into(),
    }
}

fn input() -> Input {
    Input {
        cluster: "dev".into(),
        identity: "sha256:ab".into(),
        pod_network: Some("cni/bridge".into()),
        kubernetes_version: "1.36.4".into(),
        api_host: "192.168.24.11".into(),
        api_port: 6443,
        operator_kubeconfig: Some("../operator/admin.kubeconfig".into()),
        operator_etcd: Some(ClientCertificate {
            authority: "../operator/etcd-ca.crt".into(),
            certificate: "../operator/etcd.crt".into(),
            key: "../operator/etcd.key".into(),
        }),
        management: ManagementLink {
            cidr: "192.168.122.0/24".parse().unwrap(),
            gateway: [192, 168, 122, 1].into(),
            mode: ManagementMode::Nat,
            bridge: None,
        },
        cluster_network: ClusterLink {
            cidr: "192.168.24.0/24".parse().unwrap(),
            mode: ClusterMode::Isolated,
            bridge: None,
            mtu: None,
        },
        hypervisors: vec![Hypervisor {
            name: "hv1".into(),
            uri: "qemu:///system".into(),
            accelerator: Accelerator::Kvm,
            pool: "default".into(),
        }],
        nodes: vec![
            node("worker-1", 21, &[Role::Worker]),
            node("controller-1", 11, &[Role::Controller]),
            node("etcd-1", 31, &[Role::Etcd]),
        ],
    }
}

fn deployment(input: &Input) -> Deployment {
    serde_json::from_slice(&deploy_json(input, &Kept::default()).unwrap()).unwrap()
}

fn text(file: &DeployFile) -> String {
    String::from_utf8(file.contents.clone()).unwrap()
}

#[test]
fn every_node_and_network_has_a_file_and_deploy_json_names_it() {
    let files = deploy_files(&input()).unwrap();
    let paths: Vec<_> = files.iter().map(|f| f.path.as_str()).collect();
    let expected = [
        "deploy.json",
        "domains/controller-1.xml",
        "domains/etcd-1.xml",
        "domains/worker-1.xml",
        "networks/hv1/cluster.xml",
        "networks/hv1/management.xml",
    ];
    assert_eq!(paths, expected);
    let json = text(&files[0]);
    for path in &expected[1..] {
        assert!(json.contains(*path), "{path} is not in deploy.json");
    }
}

#[test]
fn lines_of_unchanged_nodes_are_taken_over() {
    let first = String::from_utf8(deploy_json(&input(), &Kept::default()).unwrap()).unwrap();
    assert_eq!(deploy_json(&input(), &Kept::new(&first, [])).unwrap(), first.as_bytes());
    let mut changed = input();
    changed.nodes[0].bundle = Digest::of(b"other");
    changed.nodes[0].overlay = image("worker-1-other.qcow2", DiskFormat::Qcow2);
    changed.nodes.push(node("worker-2", 22, &[Role::Worker]));
    let anew = deploy_json(&changed, &Kept::default()).unwrap();
    assert_eq!(deploy_json(&changed, &Kept::new(&first, ["worker-1"])).unwrap(), anew);
    let marked = first.replace("{\"name\":\"worker-1\"", "{\"name\":\"worker-1\",\"taken\":1");
    let marked = marked.replace("{\"file\":\"worker-1.qcow2\"", "{\"file\":\"worker-1.qcow2\",\"taken\":2");
    assert_eq!(
        deploy_json(&input(), &Kept::new(&marked, [])).unwrap(),
        marked.as_bytes(),
        "lines are used as they are"
    );
    assert_eq!(deploy_json(&input(), &Kept::new(&marked, ["worker-1"])).unwrap(), first.as_bytes());
    for text in ["", "{}", &marked[..marked.len() - 1]] {
        assert_eq!(deploy_json(&input(), &Kept::new(text, [])).unwrap(), first.as_bytes(), "nothing is taken over");
    }
}

#[test]
fn etcd_starts_before_controllers_and_they_before_workers() {
    let deployment = deployment(&input());
    let order: Vec<_> = deployment.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(order, ["etcd-1", "controller-1", "worker-1"]);
    assert_eq!(deployment.nodes[0].etcd.as_ref().unwrap().peer_url, "https://192.168.24.31:2380");
    assert!(deployment.nodes[1].etcd.is_none());
    let label = Wait::Node { name: "worker-1".into(), label: Digest::of(b"worker-1").hex()[..63].into() };
    assert_eq!(deployment.nodes[2].wait_for, [label]);
}

#[test]
fn shared_images_are_listed_once_and_before_what_is_based_on_them() {
    let mut input = input();
    let mut other = input.hypervisors[0].clone();
    other.name = "hv0".into();
    input.hypervisors.push(other);
    input.nodes[0].hypervisor = "hv0".into();
    let images = deployment(&input).images;
    let files: Vec<_> = images.iter().map(|i| i.file.as_str()).collect();
    let expected = ["base.qcow2", "artifacts.squashfs", "controller-1.qcow2", "etcd-1.qcow2", "worker-1.qcow2"];
    assert_eq!(files, expected);
    assert_eq!(images[0].hypervisors, ["hv0", "hv1"]);
    assert_eq!(images[4].hypervisors, ["hv0"]);
    assert_eq!(images[4].backing.as_deref(), Some("base.qcow2"));
}

#[test]
fn deploy_json_is_what_its_schema_says_and_reads_back() {
    let mut input = input();
    let (kernel, initrd) = (image("vmlinuz", DiskFormat::Raw), image("initrd", DiskFormat::Raw));
    input.nodes[0].boot = BootInput::Kernel { kernel, initrd, command_line: "root=LABEL=root".into() }.into();
    let files = deploy_files(&input).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&files[0].contents).unwrap();
    let schema = deployment_schema().to_value();
    jsonschema::validate(&schema, &value).unwrap();
    let read: Deployment = serde_json::from_slice(&files[0].contents).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), value);
    let mut wrong = value;
    wrong["nodes"][0]["bundle"] = "sha256:XYZ".into();
    assert!(jsonschema::validate(&schema, &wrong).is_err());
}

#[test]
fn hostile_values_do_not_become_markup() {
    let mut input = input();
    let hostile = "</name><x a='\"&]]>\n";
    input.cluster = hostile.into();
    input.hypervisors[0].pool = hostile.into();
    for file in deploy_files(&input).unwrap().iter().filter(|f| f.path.ends_with(".xml")) {
        let text = text(file);
        assert!(!text.contains("<x") && !text.contains("]]>"), "{text}");
        assert!(text.contains("&lt;/name&gt;&lt;x a=&apos;&quot;&amp;]]&gt;&#10;"), "{text}");
    }
    input.hypervisors[0].pool = "a\0b".into();
    assert!(matches!(deploy_files(&input), Err(LibvirtError::Unwritable { .. })));
}

#[test]
fn what_cannot_be_deployed_is_an_error_that_names_it() {
    let check = |change: &dyn Fn(&mut Input), expect: &str| {
        let mut input = input();
        change(&mut input);
        let error = deploy_files(&input).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(&|i| i.nodes[0].hypervisor = "hv9".into(), "worker-1 is to run on hypervisor hv9");
    check(&|i| i.management.mode = ManagementMode::Bridge, "management network has mode bridge");
    check(&|i| i.cluster_network.mode = ClusterMode::Bridge, "cluster network has mode bridge");
    check(&|i| i.nodes[1].name = "worker-1".into(), "same MAC address");
    check(&|i| i.nodes[1].name = "../escape".into(), "cannot be a file name");
    check(&|i| i.nodes[1].overlay.file = "a/b".into(), "cannot be a file name");
}

/// Field by field documentation is only that while it knows every field.
#[test]
fn the_documentation_names_every_field() {
    fn fields(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                    found.extend(properties.keys().cloned());
                }
                map.values().for_each(|v| fields(v, found));
            }
            serde_json::Value::Array(list) => list.iter().for_each(|v| fields(v, found)),
            _ => {}
        }
    }
    let documentation = include_str!("../../docs/deploy-json.md");
    let mut found = Vec::new();
    fields(&deployment_schema().to_value(), &mut found);
    assert!(found.len() > 40);
    for field in found {
        assert!(documentation.contains(&format!("`{field}`")), "docs/deploy-json.md does not explain `{field}`");
    }
}
