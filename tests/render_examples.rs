//! Every recipe's example and every example cluster can be planned and rendered, for each supported Kubernetes minor.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::cluster::{base_of, debian_13};
use kubi::artifact::Lock;
use kubi::pki::Keys;
use kubi::plan::{Pins, plan};
use kubi::recipe::{Files, built_in, load};
use kubi::render::Renderer;
use kubi::secret::RootSecret;
use kubi::spec::{Facts, read};
use kubi::template::Templates;
use kubi::tree::Tree;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn example_specs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = |dir: PathBuf| -> Vec<PathBuf> {
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect()
    };
    // examples/ci holds scripts for a cluster's repository, not a cluster.
    let clusters = folders(root.join("examples")).into_iter().filter(|dir| !dir.ends_with("ci"));
    let clusters = clusters.map(|dir| dir.join("cluster.yaml"));
    let recipes = folders(root.join("recipes")).into_iter().flat_map(folders).map(|dir| dir.join("example.yaml"));
    let mut specs: Vec<PathBuf> = clusters.chain(recipes).collect();
    specs.sort();
    specs
}

fn render(text: &str) -> Result<BTreeMap<String, Tree>, String> {
    let problems = |list: Vec<kubi::spec::Problem>| list.iter().map(|p| format!("{p:?}\n")).collect::<String>();
    let (cluster, _) = read(text, &Facts::default()).map_err(problems)?;
    let recipes = load(built_in(), Files::new()).map_err(|e| e.to_string())?;
    let templates = Templates::compile(&recipes).map_err(|e| e.to_string())?;
    let plan = plan(
        &cluster,
        &recipes,
        &templates,
        &Lock { base: Some(base_of(&debian_13())), artifacts: vec![] },
        Pins::Open,
    )
    .map_err(problems)?;
    let keys = Keys::new(RootSecret::from_bytes(&[7; 32]).unwrap(), &cluster.metadata.name, &cluster.spec.pki);
    let renderer = Renderer::new(&plan, &keys).map_err(|e| e.to_string())?;
    let trees = plan.nodes.iter().map(|node| Ok((node.name.clone(), renderer.node(node).map_err(|e| e.to_string())?)));
    renderer.operator().map_err(|e| e.to_string())?;
    trees.collect()
}

#[test]
fn every_example_renders_for_every_supported_kubernetes() {
    let specs = example_specs();
    assert!(specs.len() > 10, "examples went missing: {specs:?}");
    let mut failures = String::new();
    for path in specs {
        let text = std::fs::read_to_string(&path).unwrap();
        for version in ["1.34.11", "1.35.8", "1.36.4"] {
            let text = replace_version(&text, version);
            match render(&text) {
                Ok(trees) => assert!(trees.values().all(|tree| tree.len() > 10), "{} is nearly empty", path.display()),
                Err(error) => failures += &format!("== {} with {version}\n{error}\n", path.display()),
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// The spec with another Kubernetes version.
fn replace_version(text: &str, version: &str) -> String {
    let (before, after) = text.split_once("version: ").expect("every example names its Kubernetes version");
    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
    format!("{before}version: {version}{}", &after[end..])
}
