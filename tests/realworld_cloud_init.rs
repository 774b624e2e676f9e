//! The rendered NoCloud seed, checked by cloud-init.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reaches the machine"
)]

mod common;

use common::cluster;
use common::{require_tool, run_tool};

const SEED: &str = "/var/lib/cloud/seed/nocloud";

#[test]
fn cloud_init_accepts_the_seed_of_every_node() {
    let cloud_init = require_tool("cloud-init", "cloud-init");
    let mut checked = std::collections::BTreeSet::new();
    for example in cluster::example_names() {
        let rendered = cluster::render(&cluster::example(&example));
        let mut instances = std::collections::BTreeSet::new();
        for node in rendered.trees.keys() {
            let user_data = rendered.file(node, &format!("{SEED}/user-data"));
            // Nodes have the same text: cloud-init takes its time for each.
            if checked.insert(std::fs::read(&user_data).unwrap()) {
                let said = run_tool(&cloud_init, ["schema".as_ref(), "--config-file".as_ref(), user_data.as_os_str()]);
                assert!(said.success().contains("Valid"), "{example} {node}");
            }
            let meta_data = rendered.text(node, &format!("{SEED}/meta-data"));
            let instance = meta_data.lines().find_map(|line| line.strip_prefix("instance-id: ")).unwrap();
            assert!(instances.insert(instance.to_owned()), "{example}: {instance} is used twice");
        }
    }
}

#[test]
fn the_check_can_fail() {
    let cloud_init = require_tool("cloud-init", "cloud-init");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("user-data");
    std::fs::write(&file, "#cloud-config\npackages: 5\n").unwrap();
    run_tool(&cloud_init, ["schema".as_ref(), "--config-file".as_ref(), file.as_os_str()]).failure();
}
