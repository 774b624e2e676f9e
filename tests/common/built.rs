//! An example built by the `kubi` program, as a user does it: init, lock, base image, build. Nothing of the user's own
//! is read: HOME, identity and cache are the test's.

use super::{Finished, package_directory, run};
use kubi::artifact::Lock;
use kubi::plan::{Pins, plan};
use kubi::recipe::{Files, built_in, load};
use kubi::spec::{Facts, read};
use kubi::template::Templates;
use kubi::tree::Digest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A cluster's folder after `kubi build`, with `out/` in it.
pub struct Built {
    directory: TempDir,
    name: String,
}

impl Built {
    fn folder(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    /// `out/CLUSTER`.
    pub fn output(&self) -> PathBuf {
        self.folder().join("out").join(&self.name)
    }

    pub fn deploy_directory(&self) -> PathBuf {
        self.output().join("deploy")
    }

    /// Every path that a node's reviewed tree holds.
    pub fn paths(&self, node: &str) -> BTreeSet<String> {
        fn walk(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                let path = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), &path, found);
                }
                found.insert(path);
            }
        }
        let mut found = BTreeSet::new();
        walk(&self.output().join("nodes").join(node).join("tree"), "", &mut found);
        found
    }

    /// The version of a package in the base image.
    pub fn package_version(&self, name: &str) -> String {
        let lock = std::fs::read_to_string(self.folder().join("kubi.lock")).unwrap();
        let base = Lock::parse(&lock).unwrap().base.expect("the base image is pinned");
        base.packages.get(name).cloned().unwrap_or_else(|| panic!("the base image has no {name}"))
    }

    /// Runs `kubi` in the cluster's folder.
    #[track_caller]
    pub fn kubi(&self, arguments: &[&str]) -> Finished {
        kubi(self.directory.path(), &self.folder(), arguments)
    }
}

/// Builds an example in a new folder, with a base image that is made once for all tests.
pub fn example(name: &str) -> Built {
    let directory = tempfile::tempdir().unwrap();
    let spec = package_directory().join("examples").join(name).join("cluster.yaml");
    let text = std::fs::read_to_string(spec).unwrap();
    kubi(directory.path(), directory.path(), &["init", name]).success();
    let built = Built { directory, name: name.to_owned() };
    std::fs::write(built.folder().join("cluster.yaml"), &text).unwrap();
    built.kubi(&["lock"]).success();
    pin_base(&built, &text);
    built.kubi(&["build"]).success();
    built
}

/// `KUBI_TEST_BASE` names an image to use; else one is built with the packages that the spec needs, and kept.
fn pin_base(built: &Built, text: &str) {
    if let Some(image) = std::env::var_os("KUBI_TEST_BASE") {
        built.kubi(&["base", "add", image.to_str().unwrap()]).success();
        return;
    }
    let packages = packages(text);
    let digest = Digest::of(packages.into_iter().collect::<Vec<_>>().join(" ").as_bytes());
    let kept = shared().join(format!("base-{}", digest.hex()));
    let image =
        || std::fs::read_dir(&kept).ok()?.map(|e| e.unwrap().path()).find(|p| p.extension() == Some("qcow2".as_ref()));
    match image() {
        Some(image) => drop(built.kubi(&["base", "add", image.to_str().unwrap()]).success()),
        None => drop(built.kubi(&["base", "build", "--output-directory", kept.to_str().unwrap()]).success()),
    }
}

/// The Debian packages that a spec needs.
fn packages(text: &str) -> BTreeSet<String> {
    let (cluster, _) = read(text, &Facts::default()).expect("the spec is good");
    let recipes = load(built_in(), Files::new()).expect("the recipes load");
    let templates = Templates::compile(&recipes).expect("the templates compile");
    let lock = Lock::default();
    plan(&cluster, &recipes, &templates, &lock, Pins::Open).expect("the plan is good").packages()
}

/// What outlives one test run: `target/tmp`.
fn shared() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

#[track_caller]
fn kubi(home: &Path, directory: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubi"));
    command.args(arguments).current_dir(directory);
    command.env_remove("KUBI_IDENTITY").env_remove("XDG_CONFIG_HOME").env("HOME", home);
    command.env("KUBI_CACHE", shared().join("kubi-cache"));
    // Debian packages come over the network.
    run(&mut command, Duration::from_secs(20 * 60))
}
