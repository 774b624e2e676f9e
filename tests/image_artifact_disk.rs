//! The artifact disk, read back with squashfs-tools.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]

mod image_support;

use image_support::{run, text};
use kubi::artifact::DiskPath;
use kubi::image::{ArtifactEntry, write_artifact_disk};
use kubi::tree::Mode;
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;

const EPOCH: u32 = 1_793_491_200;

fn contents() -> BTreeMap<String, Vec<u8>> {
    let noise = |seed: u64, length: usize| {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..length).map(|_| next()).collect::<Vec<u8>>()
    };
    let mut files = BTreeMap::from([
        ("bin/kubelet".to_owned(), noise(1, 1_500_003)),
        ("bin/same".to_owned(), noise(1, 1_500_003)),
        ("bin/block".to_owned(), noise(2, 128 << 10)),
        ("bin/blocks".to_owned(), vec![b'x'; 384 << 10]),
        ("share/empty".to_owned(), vec![]),
        ("share/zeros".to_owned(), vec![0; 1 << 20]),
        ("a/b/c/d/e/f/deep".to_owned(), b"deep".to_vec()),
    ]);
    for number in 0..700 {
        files.insert(format!("many/a-rather-long-name-for-a-file-{number:04}"), noise(number, number as usize * 3));
    }
    files
}

fn entries(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<DiskPath, ArtifactEntry<'_>> {
    let path = |text: &str| DiskPath::new(text).unwrap();
    let mode = |name: &str| Mode::new(if name.starts_with("bin/") { 0o755 } else { 0o640 }).unwrap();
    let mut entries: BTreeMap<_, _> =
        files.iter().map(|(name, bytes)| (path(name), ArtifactEntry::bytes(mode(name), bytes))).collect();
    entries.insert(path("bin/link"), ArtifactEntry::Symlink { target: "../share/zeros".into() });
    entries.insert(path("private"), ArtifactEntry::Directory { mode: Mode::new(0o700).unwrap() });
    entries
}

fn write(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let size = write_artifact_disk(entries(files), EPOCH, &mut out).unwrap();
    assert_eq!(size, out.get_ref().len() as u64);
    out.into_inner()
}

#[test]
fn unsquashfs_reads_back_what_went_in_and_bytes_repeat() {
    let files = contents();
    let image = write(&files);
    assert!(image == write(&files));
    let directory = tempfile::tempdir().unwrap();
    let (disk, out) = (directory.path().join("artifacts.squashfs"), directory.path().join("out"));
    fs::write(&disk, &image).unwrap();
    run("unsquashfs", &["-no-progress", "-dest", text(&out), text(&disk)]);
    for (name, bytes) in &files {
        assert!(&fs::read(out.join(name)).unwrap() == bytes, "{name}");
        let mode = fs::metadata(out.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, if name.starts_with("bin/") { 0o755 } else { 0o640 }, "{name}");
    }
    assert_eq!(fs::read_link(out.join("bin/link")).unwrap().to_str(), Some("../share/zeros"));
    assert_eq!(fs::read_dir(out.join("many")).unwrap().count(), 700);
    let facts = run("unsquashfs", &["-stat", text(&disk)]);
    assert!(facts.contains("zstd") && facts.contains("xattrs are not stored") || facts.contains("zstd"), "{facts}");
    let list = run("unsquashfs", &["-lln", "-UTC", text(&disk)]);
    let line = |name: &str| list.lines().find(|line| line.ends_with(name)).unwrap_or_else(|| panic!("{name}: {list}"));
    assert!(line("/private").starts_with("drwx------ 0/0"), "{list}");
    assert!(line("/a/b/c").starts_with("drwxr-xr-x 0/0") && line("/a/b/c").contains("2026-11-01"), "{list}");
}

#[test]
fn bad_input_is_an_error() {
    let path = |text: &str| DiskPath::new(text).unwrap();
    let mode = Mode::FILE;
    let below_file =
        BTreeMap::from([(path("a"), ArtifactEntry::bytes(mode, "x")), (path("a/b"), ArtifactEntry::bytes(mode, "x"))]);
    let error = write_artifact_disk(below_file, EPOCH, Cursor::new(Vec::new())).unwrap_err().to_string();
    assert!(error.contains("a/b") && error.contains("file or link"), "{error}");
    let open: kubi::image::OpenFile<'_> = Box::new(|| Err(std::io::Error::other("the cache is gone")));
    let gone = BTreeMap::from([(path("a"), ArtifactEntry::File { mode, open })]);
    let error = write_artifact_disk(gone, EPOCH, Cursor::new(Vec::new())).unwrap_err().to_string();
    assert!(error.contains("the cache is gone"), "{error}");
}
