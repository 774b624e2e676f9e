//! Tests of `stage.rs`: from files in a cache to a squashfs.

use super::*;
use crate::spec::model::Architecture;

struct World {
    directory: tempfile::TempDir,
    cache: Cache,
    catalog: Catalog,
}

fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::find(Some(&directory.path().join("cache"))).unwrap();
    let digest = Digest::of(b"unused");
    let entry = |name: &str, format: &str, install: &str| {
        format!(
            "  {name}:\n    summary: s\n    source: http://h/{name}\n    format: {format}\n    install: {install}\n    releases: {{\"0\": {{amd64: \"{digest}\"}}}}\n"
        )
    };
    let text = format!(
        "apiVersion: kubi/v1alpha1\nkind: Catalog\nartifacts:\n{}{}    links: {{bin/again: ../d/a}}\n{}",
        entry("one", "binary", "{one: bin/one}"),
        entry("pack", "tar.gz", "{\"d/**\": d}"),
        entry("other", "binary", "{other: bin/one}")
    );
    World { directory, cache, catalog: Catalog::parse("test", &text).unwrap() }
}

impl World {
    fn add(&self, name: &str, bytes: &[u8]) -> LockedArtifact {
        let file = self.directory.path().join("file");
        fs::write(&file, bytes).unwrap();
        let digest = self.cache.add(&file).unwrap();
        let (version, source) = ("1".to_owned(), format!("http://h/{name}"));
        LockedArtifact { name: name.to_owned(), version, platform: Architecture::Amd64, digest, source }
    }
}

fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(vec![], flate2::Compression::fast()));
    let mut header = tar::Header::new_ustar();
    header.set_size(2);
    header.set_mode(0o755);
    builder.append_data(&mut header, "d/a", &b"aa"[..]).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn artifacts_become_a_disk() {
    let world = world();
    let artifacts = [world.add("one", b"first"), world.add("pack", &archive())];
    let staged = stage(&artifacts, &world.catalog, &world.cache).unwrap();
    let again = stage(&artifacts, &world.catalog, &world.cache).unwrap();
    let disk = |staged: &Staged| {
        let mut out = io::Cursor::new(vec![]);
        crate::image::write_artifact_disk(staged.disk_entries(), 0, &mut out).unwrap();
        out.into_inner()
    };
    let bytes = disk(&staged);
    assert_eq!(bytes, disk(&again));
    let squashfs = backhand::FilesystemReader::from_reader(io::Cursor::new(bytes)).unwrap();
    let found: Vec<String> = squashfs.files().map(|node| node.fullpath.display().to_string()).collect();
    assert_eq!(found, ["/", "/bin", "/bin/again", "/bin/one", "/d", "/d/a"]);
}

#[test]
fn what_is_wrong_is_named() {
    let world = world();
    let one = world.add("one", b"first");
    let gone = LockedArtifact { digest: Digest::of(b"gone"), ..one.clone() };
    let message =
        |artifacts: &[LockedArtifact]| stage(artifacts, &world.catalog, &world.cache).unwrap_err().to_string();
    assert_eq!(message(&[gone.clone(), gone]), "not in the cache: one 1 for amd64, one 1 for amd64");
    let other = world.add("other", b"second");
    assert!(message(&[one.clone(), other]).contains("both install bin/one"));
    assert!(message(&[world.add("nobody", b"x")]).contains("not in the catalog"));
    let error = message(&[world.add("pack", b"not packed")]);
    assert!(error.starts_with("pack 1 for amd64: it cannot be read"), "{error}");
    fs::write(world.cache.path(&one.digest), b"tampered").unwrap();
    assert!(message(std::slice::from_ref(&one)).contains("was damaged in the cache"));
    assert!(message(&[one]).contains("not in the cache"), "the damaged file is still there");
}
