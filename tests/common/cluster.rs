//! Clusters rendered in this process, with real secrets in their places: what overlays hold, as files to try things on.

use super::{package_directory, require_tool, run_tool};
use kubi::artifact::{ImageFormat, Lock, LockedBase};
use kubi::pki::Keys;
use kubi::plan::{Pins, plan};
use kubi::recipe::{Files, built_in, load};
use kubi::render::Renderer;
use kubi::secret::RootSecret;
use kubi::spec::{Architecture, Cluster, Facts, Problem, read};
use kubi::template::Templates;
use kubi::tree::{Contents, Digest, Kind, Mode, Tree};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A rendered cluster below a temporary directory: `nodes/NODE/` and `operator/`.
pub struct Rendered {
    pub directory: TempDir,
    pub cluster: Cluster,
    pub trees: BTreeMap<String, Tree>,
}

impl Rendered {
    /// A node's root directory.
    pub fn root(&self, node: &str) -> PathBuf {
        self.directory.path().join("nodes").join(node)
    }

    /// A file on a node by its absolute path there.
    pub fn file(&self, node: &str, path: &str) -> PathBuf {
        self.root(node).join(path.trim_start_matches('/'))
    }

    pub fn text(&self, node: &str, path: &str) -> String {
        std::fs::read_to_string(self.file(node, path)).unwrap_or_else(|e| panic!("{node}:{path}: {e}"))
    }

    /// One of the operator's files.
    pub fn operator(&self, name: &str) -> PathBuf {
        self.directory.path().join("operator").join(name)
    }

    /// The variables that a unit sets by `Environment=`; one a line, unquoted, as kubi's units have them.
    pub fn environment(&self, node: &str, unit: &str) -> Vec<(String, String)> {
        let text = self.text(node, &format!("/etc/systemd/system/{unit}"));
        let lines = text.lines().filter_map(|line| line.strip_prefix("Environment="));
        lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The command line of a unit's `ExecStart`, as words. No unit of ours quotes or uses specifiers there.
    pub fn exec_start(&self, node: &str, unit: &str) -> Vec<String> {
        let text = self.text(node, &format!("/etc/systemd/system/{unit}")).replace("\\\n", " ");
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("the unit has an ExecStart");
        assert!(!line.contains(['"', '\'', '%', '$']), "{unit} quotes: {line}");
        line.split_whitespace().map(str::to_owned).collect()
    }
}

/// The text of an example's spec.
pub fn example(name: &str) -> String {
    let path = package_directory().join("examples").join(name).join("cluster.yaml");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Names of all example clusters.
pub fn example_names() -> Vec<String> {
    let entries = std::fs::read_dir(package_directory().join("examples")).unwrap();
    let names = entries.map(|e| e.unwrap()).filter(|e| e.path().join("cluster.yaml").is_file());
    let mut names: Vec<String> = names.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Renders a spec as it is, for this machine's packages.
pub fn render(text: &str) -> Rendered {
    render_with(text, &installed_packages(), |_| {})
}

/// Renders a spec after `change`, which may do what a spec may not, such as using loopback addresses.
pub fn render_with(text: &str, packages: &BTreeMap<String, String>, change: impl FnOnce(&mut Cluster)) -> Rendered {
    let problems = |list: Vec<Problem>| -> String { list.iter().map(|p| format!("{p:?}\n")).collect() };
    let (mut cluster, _) = read(text, &Facts::default()).map_err(problems).expect("the spec is good");
    change(&mut cluster);
    let recipes = load(built_in(), Files::new()).expect("the recipes load");
    let templates = Templates::compile(&recipes).expect("the templates compile");
    let lock = Lock { base: Some(base_of(packages)), artifacts: vec![] };
    let directory = tempfile::tempdir().unwrap();
    let mut trees = BTreeMap::new();
    {
        let plan = plan(&cluster, &recipes, &templates, &lock, Pins::Open).map_err(problems).expect("the plan is good");
        let root = RootSecret::from_bytes(&[7; 32]).unwrap();
        let keys = Keys::new(root, &cluster.metadata.name, &cluster.spec.pki);
        let renderer = Renderer::new(&plan, &keys).expect("the authorities can be made");
        for node in &plan.nodes {
            let tree = renderer.node(node).unwrap_or_else(|e| panic!("{}: {e}", node.name));
            write_tree(&directory.path().join("nodes").join(&node.name), &tree, &keys);
            trees.insert(node.name.clone(), tree);
        }
        for file in renderer.operator().expect("the operator's files can be rendered") {
            let path = directory.path().join("operator").join(&file.name);
            write_file(&path, &file.contents, &keys, Mode::SECRET);
        }
    }
    Rendered { directory, cluster, trees }
}

/// Moves both node networks to addresses of this machine alone (127.0.0.0/8), so that certificates, flags and
/// kubeconfigs can be used unchanged. The second octet is another one each time, so that tests do not meet.
pub fn onto_loopback(cluster: &mut Cluster) {
    static CLUSTERS: AtomicU32 = AtomicU32::new(0);
    let octet = 100 + ((std::process::id() + 31 * CLUSTERS.fetch_add(1, Ordering::Relaxed)) % 100) as u8;
    let moved = |address: Ipv4Addr, network: u8| Ipv4Addr::new(127, octet, network, address.octets()[3]);
    let net = |network: u8| format!("127.{octet}.{network}.0/24").parse().unwrap();
    let networks = &mut cluster.spec.networks;
    networks.cluster.cidr = net(1);
    networks.management.cidr = net(2);
    networks.management.gateway = None;
    networks.api.vip = networks.api.vip.map(|vip| moved(vip, 1));
    for node in &mut cluster.spec.nodes {
        node.addresses.cluster = moved(node.addresses.cluster, 1);
        node.addresses.management = moved(node.addresses.management, 2);
    }
}

/// This machine's packages and their versions: what a base image of the same release would have.
pub fn installed_packages() -> BTreeMap<String, String> {
    let query = require_tool("dpkg-query", "dpkg");
    let list = run_tool(&query, ["-W", "-f", "${Package} ${Version}\n"]).success();
    list.lines().filter_map(|line| line.split_once(' ')).map(|(name, version)| (name.into(), version.into())).collect()
}

/// Debian 13's versions, as far as recipes look at them: the same on every machine.
pub fn debian_13() -> BTreeMap<String, String> {
    let versions = [
        ("containerd", "1.7.24~ds1-6"),
        ("etcd-server", "3.5.16-4"),
        ("runc", "1.1.15+ds1-2"),
        ("containernetworking-plugins", "1.1.1+ds1-3"),
        ("keepalived", "1:2.3.3-1"),
    ];
    versions.map(|(name, version)| (name.to_owned(), version.to_owned())).into()
}

/// A base image of which only the package list is real.
pub fn base_of(packages: &BTreeMap<String, String>) -> LockedBase {
    LockedBase {
        name: "this-machine".into(),
        digest: Digest::of(b"no image is read"),
        format: ImageFormat::Qcow2,
        architecture: Architecture::Amd64,
        virtual_size: 4 << 30,
        root: "LABEL=root".to_owned().try_into().unwrap(),
        kernel: None,
        initrd: None,
        packages: packages.clone(),
    }
}

fn write_tree(root: &Path, tree: &Tree, keys: &Keys) {
    std::fs::create_dir_all(root).unwrap();
    let mut directories = Vec::new();
    for (path, entry) in tree.iter() {
        let place = root.join(path.relative());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        match &entry.kind {
            Kind::Directory => {
                std::fs::create_dir_all(&place).unwrap();
                directories.push((place, entry.mode));
            }
            Kind::Symlink(target) => symlink(target, &place).unwrap(),
            Kind::File(contents) => write_file(&place, contents, keys, entry.mode),
        }
    }
    for (place, mode) in directories {
        std::fs::set_permissions(place, PermissionsExt::from_mode(mode.bits().into())).unwrap();
    }
}

fn write_file(path: &Path, contents: &Contents, keys: &Keys, mode: Mode) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, contents.fill(keys).unwrap()).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode.bits().into())).unwrap();
}
