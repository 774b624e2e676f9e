//! Rebuilds kubi when a built-in recipe or the catalog changes, which are embedded in the binary, and names its sources:
//! what another kubi has built is not taken for what this one would build, even under the same version.

#![allow(clippy::disallowed_methods, reason = "a build script reads what is built")]

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

fn main() {
    let mut hasher = DefaultHasher::new();
    for part in ["src", "recipes", "vendor/catalog.yaml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={part}");
        add(Path::new(part), &mut hasher);
    }
    println!("cargo:rustc-env=KUBI_SOURCES={:016x}", hasher.finish());
}

/// Names and contents, in the order of the names.
fn add(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    if let Ok(entries) = fs::read_dir(path) {
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths.iter().for_each(|path| add(path, hasher));
    } else {
        fs::read(path).unwrap_or_default().hash(hasher);
    }
}
