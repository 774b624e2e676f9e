//! What AppArmor lets a domain open, as libvirt's own helper says: no kernel with AppArmor is needed to ask it.

mod common;

use kubi_deploy::build::Build;
use kubi_deploy::definition::{Placement, definition};
use kubi_deploy::deployment::Node;
use kubi_deploy::edge::Folder;
use kubi_deploy::mark::Mark;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Debian's and Ubuntu's place for it.
const HELPER: &str = "/usr/lib/libvirt/virt-aa-helper";

fn built() -> Build {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    Folder::find(&data, Some("quorum")).unwrap().build().unwrap()
}

/// The files in a domain's profile, with what may be done to them.
fn profile(uuid: &str, xml: &str) -> String {
    let mut child = Command::new(HELPER)
        .args(["--dryrun", "-r", "-u", &format!("libvirt-{uuid}")])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(xml.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

/// The helper refuses to name what is not there.
fn make_files(pool: &Path, build: &Build, node: &Node) -> BTreeSet<String> {
    let disks = &node.disks;
    let base = build.deployment.image(&disks.root.backing).unwrap().backing.clone().unwrap();
    let data = disks.data.as_ref().map(|data| data.volume.clone());
    let names = [disks.root.volume.clone(), disks.root.backing.clone(), base].into_iter().chain(data);
    let paths = names.map(|name| pool.join(name).to_str().unwrap().to_owned());
    paths.inspect(|path| std::fs::write(path, "x").unwrap()).collect()
}

#[test]
fn every_file_of_every_disk_may_be_opened() {
    if !Path::new(HELPER).exists() {
        eprintln!("{HELPER} is not here: nothing is tried with AppArmor's helper");
        return;
    }
    let (build, pool) = (built(), tempfile::tempdir().unwrap());
    let node = &build.deployment.nodes[0];
    let files = make_files(pool.path(), &build, node);
    let document = roxmltree::Document::parse(build.domain_xml(node)).unwrap();
    let mark = Mark::find(&document).unwrap();
    let placement = Placement {
        pool: "default",
        networks: &BTreeMap::new(),
        pool_directory: pool.path().to_str().unwrap(),
        emulate: false,
        join_etcd: None,
    };
    let defined = profile(&node.domain.uuid, &definition(build.domain_xml(node), &mark, &placement).unwrap());
    let may = |path: &str, what: &str| defined.contains(&format!("\"{path}\" {what},"));
    let writable = |path: &&String| may(path, "rwk") || may(path, "rw");
    assert!(files.iter().all(|path| writable(&path) || may(path, "rk") || may(path, "r")), "{defined}");
    assert_eq!(files.iter().filter(writable).count(), 2, "the layer and the data disk: {defined}");
    // As it was built, the helper finds nothing: this is why the definition differs.
    let volumes = profile(&node.domain.uuid, build.domain_xml(node));
    assert!(!volumes.contains(".qcow2"), "this libvirt's helper can look into pools: {volumes}");
}
