//! Rebuilds kubi when a built-in recipe or the catalog changes: they are embedded in the binary.

fn main() {
    println!("cargo:rerun-if-changed=recipes");
    println!("cargo:rerun-if-changed=vendor/catalog.yaml");
}
