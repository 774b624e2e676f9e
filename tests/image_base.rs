//! Base images of every kind, and those that must be refused.
#![allow(clippy::disallowed_methods, reason = "tests reach the machine")]

mod image_support;

use image_support::*;
use kubi::image::{Base, ImageFormat, installed_packages, kernel_and_initrd, read_file};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn noisy_host() -> Host {
    let host = Host::new();
    let noise: String =
        (0..40_000u32).map(|i| char::from(b'!' + (i.wrapping_mul(2_654_435_761) >> 25) as u8 % 90)).collect();
    host.file("usr/share/noise", &noise);
    host.file("usr/share/text", &"compressible ".repeat(20_000));
    host
}

fn refusal(path: &Path, format: ImageFormat) -> String {
    let opened = Base::open(Box::new(fs::File::open(path).unwrap()), format);
    opened.err().unwrap_or_else(|| panic!("{path:?} was accepted")).to_string()
}

#[test]
fn qcow2_of_every_kind_reads_as_the_raw_disk() {
    let image = Image::new(&noisy_host(), 16, &["-b", "1024"]);
    let raw = fs::read(&image.path).unwrap();
    let variants: [&[&str]; 6] = [
        &["-O", "qcow2"],
        &["-O", "qcow2", "-c"],
        &["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
        &["-O", "qcow2", "-c", "-o", "compat=0.10"],
        &["-O", "qcow2", "-c", "-o", "cluster_size=512"],
        &["-O", "qcow2", "-c", "-o", "cluster_size=2M,compression_type=zstd"],
    ];
    let tree = tree([("/etc/hostname", file("kubi\n"), 0o600, (1, 2)), ("/new/a", file("x"), 0o644, (0, 0))]);
    for options in variants {
        let base = open(&image.convert("base.qcow2", options), ImageFormat::Qcow2);
        let mut read = vec![0; raw.len()];
        base.disk().read_at(0, &mut read).unwrap();
        assert!(read == raw, "{options:?}");
        let root = check(image.directory.path(), &overlay(&base, &tree), image.root_bytes);
        compare(&root, &tree);
    }
}

#[test]
fn qcow2_that_cannot_be_read_is_refused_by_name() {
    let image = Image::new(&noisy_host(), 16, &[]);
    let refuse = |name: &str, options: &[&str], expected: &str| {
        let error = refusal(&image.convert(name, options), ImageFormat::Qcow2);
        assert!(error.contains(expected), "{name}: {error}");
    };
    let secret = ["--object", "secret,id=s,data=abc", "-O", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=s"];
    refuse("encrypted.qcow2", &secret, "encrypted");
    let data = format!("data_file={}", text(&image.directory.path().join("data.raw")));
    refuse("external.qcow2", &["-O", "qcow2", "-o", &data], "external data file");
    refuse("extended.qcow2", &["-O", "qcow2", "-o", "extended_l2=on"], "extended L2");
    let backed = image.directory.path().join("backed.qcow2");
    run("qemu-img", &["create", "-q", "-f", "qcow2", "-b", text(&image.path), "-F", "raw", text(&backed)]);
    assert!(refusal(&backed, ImageFormat::Qcow2).contains("backing file"));

    let plain = fs::read(image.convert("plain.qcow2", &["-O", "qcow2"])).unwrap();
    let patched = |at: usize, bytes: &[u8]| {
        let mut copy = plain.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        Base::open(Box::new(copy), ImageFormat::Qcow2).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert!(patched(0, b"QFIx").contains("no qcow2"));
    assert!(patched(7, &[9]).contains("version 9"));
    assert!(patched(23, &[40]).contains("cluster_bits"));
    assert!(patched(79, &[2]).contains("corrupt"));
    assert!(patched(78, &[1]).contains("unknown incompatible"));
    assert!(patched(36, &[0, 0, 0, 0]).contains("L1 table"));
    assert!(patched(24, &[0x7f; 8]).contains("L1 table"));
    assert!(patched(40, &[0x7f; 8]).contains("cut off"));
    let cut = plain[..plain.len() / 2].to_vec();
    let error = Base::open(Box::new(cut), ImageFormat::Qcow2).err().map(|e| e.to_string());
    assert!(error.is_none_or(|e| e.contains("cut off")), "half of it may hold all of the metadata");
    assert!(Base::open(Box::new(plain[..70_000].to_vec()), ImageFormat::Qcow2).is_err());
}

#[test]
fn file_systems_that_cannot_be_written_are_refused_by_name() {
    let host = Host::new();
    let variants: [(&[&str], &str); 8] = [
        (&["-O", "bigalloc"], "bigalloc"),
        (&["-O", "inline_data"], "inline_data"),
        (&["-O", "quota"], "quota"),
        (&["-O", "casefold"], "casefold"),
        (&["-O", "ea_inode,encrypt"], "ea_inode, encrypt"),
        (&["-O", "^extents,^64bit"], "ext3"),
        (&["-O", "^extents,^64bit,^has_journal"], "ext2"),
        (&["-O", "^resize_inode,meta_bg"], "meta_bg"),
    ];
    for (options, expected) in variants {
        let image = Image::new(&host, 16, options);
        let error = refusal(&image.path, ImageFormat::Raw);
        assert!(error.contains(expected), "{options:?}: {error}");
    }
    let image = Image::new(&host, 16, &[]);
    image.change("feature needs_recovery\n");
    assert!(refusal(&image.path, ImageFormat::Raw).contains("journal must be replayed"));
    image.change("feature -needs_recovery\nssv state 2\n");
    assert!(refusal(&image.path, ImageFormat::Raw).contains("not unmounted or has errors"));
}

#[test]
fn other_roots_name_the_way_through_cidata() {
    let image = Image::new(&Host::new(), 16, &[]);
    let good = fs::read(&image.path).unwrap();
    let patched = |patches: &[(u64, &[u8])]| {
        let mut copy = good.clone();
        for (at, bytes) in patches {
            copy[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
        }
        Base::open(Box::new(copy), ImageFormat::Raw).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let no_ext4 = (ROOT_START + 1024, [0u8; 1024].as_slice());
    let xfs = patched(&[no_ext4, (ROOT_START, b"XFSB")]);
    assert!(xfs.contains("XFS") && xfs.contains("CIDATA"), "{xfs}");
    let btrfs = patched(&[no_ext4, (ROOT_START + 0x10040, b"_BHRfS_M")]);
    assert!(btrfs.contains("btrfs") && btrfs.contains("CIDATA"), "{btrfs}");
    assert!(patched(&[no_ext4]).contains("no partition of type Linux root"));
    assert!(patched(&[(512, b"NO GPT")]).contains("neither a GPT"));
    assert!(patched(&[(512 + 24, &[9])]).contains("GPT header"));
    assert!(patched(&[(1024 + 40, &[9])]).contains("GPT partition entries"));
    assert!(patched(&[(ROOT_START + 1024 + 0x70, &[1, 2, 3])]).contains("checksum of the ext4 superblock"));
    assert!(patched(&[(ROOT_START + 4096 + 3, &[1, 2, 3])]).contains("block group 0"));
    let cut = good[..ROOT_START as usize + (4 << 20)].to_vec();
    assert!(Base::open(Box::new(cut), ImageFormat::Raw).err().unwrap().to_string().contains("cut off"));
    assert!(Base::open(Box::new(vec![0; 600]), ImageFormat::Raw).is_err());
    assert!(Base::open(Box::new(Vec::new()), ImageFormat::Raw).is_err());
}

#[test]
fn the_root_is_found_by_the_table_or_on_the_whole_disk() {
    let host = Host::new();
    let image = Image::new(&host, 16, &["-U", "d1d2d3d4-0000-4000-8000-000000000001"]);
    let base = image.base();
    let partition = base.root_partition();
    assert_eq!((partition.number, partition.offset), (Some(1), ROOT_START));
    assert_eq!(partition.part_uuid.as_deref(), Some(ROOT_GUID));
    assert_eq!(base.root_uuid(), "d1d2d3d4-0000-4000-8000-000000000001");
    assert_eq!(base.root_label(), "root");
    let whole = image.directory.path().join("whole.ext4");
    cut(&image.path, &whole, image.root_bytes);
    let base = open(&whole, ImageFormat::Raw);
    assert_eq!((base.root_partition().number, base.root_partition().offset), (None, 0));
    assert_eq!(read_file(&base, "/bin/true").unwrap().as_deref(), Some(b"#!/bin/sh\n".as_slice()));
}

#[test]
fn packages_kernel_and_files_are_read() {
    let host = noisy_host();
    host.file("boot/vmlinuz-6.9.1-amd64", "old kernel");
    host.file("boot/vmlinuz-6.12.48+deb13-amd64", &"new kernel".repeat(2000));
    host.file("boot/initrd.img-6.12.48+deb13-amd64", "new initrd");
    let image = Image::new(&host, 16, &[]);
    let base = image.base();
    let kernel = kernel_and_initrd(&base).unwrap().unwrap();
    assert_eq!(kernel.release, "6.12.48+deb13-amd64");
    assert_eq!((kernel.kernel.len(), kernel.initrd.as_deref()), (20_000, Some(b"new initrd".as_slice())));
    assert_eq!(installed_packages(&base).unwrap()["runc"], "1.1.15+ds1-2");
    assert_eq!(read_file(&base, "/no/such/file").unwrap(), None);
    assert!(read_file(&base, "/etc").is_err());
    host.link("vmlinuz", "boot/vmlinuz-6.9.1-amd64");
    let linked = Image::new(&host, 16, &["-b", "1024"]);
    let kernel = kernel_and_initrd(&linked.base()).unwrap().unwrap();
    assert_eq!((kernel.release.as_str(), kernel.initrd), ("6.9.1-amd64", None));
    assert_eq!(kernel_and_initrd(&Image::new(&Host::new(), 16, &[]).base()).unwrap(), None);
}

/// Opens a damaged image and does everything with it; only panics and endless loops are failures.
fn survive(bytes: Vec<u8>, format: ImageFormat) {
    let Ok(base) = Base::open(Box::new(bytes), format) else { return };
    let _ = installed_packages(&base);
    let _ = kernel_and_initrd(&base);
    let _ = read_file(&base, "/usr/share/text");
    let tree = tree([
        ("/etc/hostname", file("kubi\n"), 0o600, (1, 2)),
        ("/etc/beta", link("x"), 0o777, (0, 0)),
        ("/new/a/b", file(vec![1; 100_000]), 0o644, (0, 0)),
    ]);
    let _ = kubi::image::write_overlay(&base, &options(&base), &tree, &Secrets);
}

/// Damage as (place among the bytes that hold something, new value).
fn damage(image: &[u8], places: &[usize], hits: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut copy = image.to_vec();
    for (index, value) in hits {
        copy[places[index.index(places.len())]] = *value;
    }
    copy
}

#[test]
fn damaged_images_give_errors_and_never_panics() {
    // Without checksums damage reaches the code behind them.
    let image = Image::new(&noisy_host(), 8, &["-b", "1024", "-O", "^metadata_csum,^uninit_bg,^has_journal"]);
    let raw = fs::read(&image.path).unwrap();
    let qcow2 = fs::read(image.convert("c.qcow2", &["-O", "qcow2", "-c"])).unwrap();
    let used =
        |bytes: &[u8], range: std::ops::Range<usize>| -> Vec<usize> { range.filter(|at| bytes[*at] != 0).collect() };
    let root = ROOT_START as usize;
    let metadata = used(&raw, root + 1024..root + (1 << 20));
    let format = used(&qcow2, 0..qcow2.len());
    let hits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&(hits.clone(), hits), |(ext4, outer)| {
            survive(damage(&raw, &metadata, &ext4), ImageFormat::Raw);
            survive(damage(&qcow2, &format, &outer), ImageFormat::Qcow2);
            Ok(())
        })
        .unwrap();
}
