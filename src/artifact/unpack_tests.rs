//! Tests of `unpack.rs`: archives are made here, honest and hostile ones.

use super::*;
use crate::artifact::Catalog;
use std::io::Write as _;

/// Remembers what it was given, as one line an entry.
#[derive(Default)]
struct Memory(Vec<String>);

impl Sink for Memory {
    fn file(&mut self, path: &DiskPath, mode: Mode, contents: &mut dyn Read) -> io::Result<()> {
        let mut text = String::new();
        contents.read_to_string(&mut text)?;
        text.truncate(100);
        self.0.push(format!("{path} {mode} {text}"));
        Ok(())
    }
    fn same_file(&mut self, path: &DiskPath, earlier: &DiskPath) -> io::Result<()> {
        self.0.push(format!("{path} = {earlier}"));
        Ok(())
    }
    fn symlink(&mut self, path: &DiskPath, target: &str) -> io::Result<()> {
        self.0.push(format!("{path} -> {target}"));
        Ok(())
    }
}

fn artifact(format: &str, install: &str) -> Artifact {
    let digest = crate::tree::Digest::of(b"");
    let text = format!(
        "apiVersion: kubi/v1alpha1\nkind: Catalog\nartifacts:\n  a:\n    summary: s\n    source: http://h/a-{{arch}}\n    format: {format}\n    install: {install}\n    releases: {{\"1\": {{amd64: \"{digest}\"}}}}\n"
    );
    Catalog::parse("test", &text).unwrap().get("a").unwrap().clone()
}

/// A member: name, kind (`f`ile, e`x`ecutable, `d`irectory, symbolic `l`ink, `h`ard link, `c`haracter device) and text.
type Line<'a> = (&'a str, char, &'a str);

fn tar_of(lines: &[Line<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(vec![]);
    for (name, kind, text) in lines {
        let mut header = tar::Header::new_ustar();
        let link = matches!(kind, 'l' | 'h');
        header.set_entry_type(match kind {
            'd' => EntryType::Directory,
            'l' => EntryType::Symlink,
            'h' => EntryType::Link,
            'c' => EntryType::Char,
            _ => EntryType::Regular,
        });
        header.set_mode(if *kind == 'x' { 0o4755 } else { 0o640 });
        header.set_size(if link { 0 } else { text.len() as u64 });
        // Written directly: the crate's own setters refuse what hostile archives have.
        let raw = header.as_old_mut();
        raw.name[..name.len()].copy_from_slice(name.as_bytes());
        if link {
            raw.linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, if link { &b""[..] } else { text.as_bytes() }).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn run(artifact: &Artifact, input: &[u8], limits: Limits) -> Result<Vec<String>, String> {
    let mut memory = Memory::default();
    let result = unpack(artifact, "1", Architecture::Amd64, input, limits, &mut memory);
    result.map(|()| memory.0).map_err(|error| error.to_string())
}

fn unpack_tar(install: &str, lines: &[Line<'_>]) -> Result<Vec<String>, String> {
    run(&artifact("tar.gz", install), &gz(&tar_of(lines)), Limits::default())
}

#[test]
fn takes_only_what_install_names() {
    let lines = [
        ("./LICENSE", 'f', "law"),
        ("t-amd64/", 'd', ""),
        ("t-amd64/tool", 'x', "run"),
        ("t-amd64/more/a", 'f', "text"),
        ("t-amd64/more/deep/b", 'l', "../a"),
        ("t-amd64/more/c", 'h', "t-amd64/more/a"),
        ("t-amd64/more/deep/d", 'l', "/t-amd64/more/a"),
    ];
    let install = r#"{"t-{arch}/tool": bin/tool, "t-{arch}/more/**": share}"#;
    let expected =
        ["bin/tool 0755 run", "share/a 0644 text", "share/deep/b -> ../a", "share/c = share/a", "share/deep/d -> ../a"];
    assert_eq!(unpack_tar(install, &lines).unwrap(), expected);
}

#[test]
fn reads_every_format() {
    let tar = tar_of(&[("tool", 'f', "run")]);
    let mut xz = xz2::write::XzEncoder::new(vec![], 1);
    xz.write_all(&tar).unwrap();
    for (format, bytes) in
        [("tar.gz", gz(&tar)), ("tar.zst", zstd::encode_all(&tar[..], 1).unwrap()), ("tar.xz", xz.finish().unwrap())]
    {
        let artifact = artifact(format, r#"{tool: {path: bin/tool, mode: "0750"}}"#);
        assert_eq!(run(&artifact, &bytes, Limits::default()).unwrap(), ["bin/tool 0750 run"], "{format}");
        let cut = run(&artifact, &bytes[..bytes.len() - 4], Limits::default());
        assert!(cut.is_err(), "{format}: a truncated archive was taken");
        let error = run(&artifact, b"no archive at all", Limits::default()).unwrap_err();
        assert!(error.contains("cannot be read"), "{format}: {error}");
    }
    let binary = artifact("binary", r#"{"a-{arch}": bin/a}"#);
    assert_eq!(run(&binary, b"elf", Limits::default()).unwrap(), ["bin/a 0755 elf"]);
}

#[test]
fn hostile_members_are_refused() {
    let install = r#"{"d/**": share, tool: bin/tool}"#;
    let good = [("d/a", 'f', "x"), ("tool", 'x', "x")];
    assert!(unpack_tar(install, &good).is_ok());
    for (hostile, expected) in [
        (("../evil", 'f', "x"), "could leave"),
        (("d/../../evil", 'f', "x"), "could leave"),
        (("/etc/passwd", 'f', "x"), "could leave"),
        (("./../evil", 'f', "x"), "could leave"),
        (("d/n\name", 'f', "x"), "could leave"),
        (("d//x", 'f', "x"), "below /opt/kubi"),
        (("d/l", 'l', "/etc/passwd"), "outside"),
        (("d/l", 'l', "../tool"), "outside"),
        (("d/l", 'l', "../../../../etc"), "outside"),
        (("d/l", 'l', ".."), "outside"),
        (("d/h", 'h', "/etc/passwd"), "could leave"),
        (("d/h", 'h', "elsewhere"), "not installed before it"),
        (("d/c", 'c', ""), "neither file"),
        (("not/wanted", 'c', ""), "neither file"),
        (("d/a", 'f', "again"), "comes from two members"),
        (("tool", 'f', "again"), "comes from two members"),
    ] {
        let error = unpack_tar(install, &[good[0], good[1], hostile]).unwrap_err();
        assert!(error.contains(expected), "{hostile:?}: {error}");
    }
    let error = unpack_tar(r#"{tool: bin/tool}"#, &[("tool", 'l', "x")]).unwrap_err();
    assert!(error.contains("outside"), "{error}");
    let error = unpack_tar(install, &good[..1]).unwrap_err();
    assert!(error.contains("has no \"tool\""), "{error}");
}

#[test]
fn absurd_sizes_are_refused() {
    let tool = artifact("tar.gz", "{tool: bin/tool}");
    let zeros = "\0".repeat(40 << 20);
    let bomb = gz(&tar_of(&[("tool", 'f', &zeros)]));
    let error = run(&tool, &bomb, Limits::default()).unwrap_err();
    assert!(error.contains("more than 200 times its size"), "{error}");
    let small = Limits { unpacked: 1 << 20, ..Limits::default() };
    let many = Limits { members: 2, ..Limits::default() };
    let error = run(&tool, &gz(&tar_of(&[("tool", 'f', &"x".repeat(2 << 20))])), small).unwrap_err();
    assert!(error.contains("has a member of 2097152 bytes"), "{error}");
    let lines: Vec<String> = (0..4).map(|n| format!("m{n}")).collect();
    let lines: Vec<Line<'_>> = lines.iter().map(|name| (name.as_str(), 'f', "x")).collect();
    let error = run(&tool, &gz(&tar_of(&lines)), many).unwrap_err();
    assert!(error.contains("more than 2 members"), "{error}");
}

/// A header of kind `kind` whose body is `body`, in front of a member `tool`.
fn extended(kind: u8, body: &[u8], size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::new(kind));
    header.set_size(size);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend(tar_of(&[("tool", 'f', "x")]));
    bytes
}

#[test]
fn long_names_are_read_with_bounded_memory() {
    let tool = artifact("tar.gz", r#"{"d/**": share}"#);
    let long = format!("d/{}", "n".repeat(200));
    let pax = format!("{} path={long}\n", long.len() + 10);
    for (kind, body) in [(b'L', format!("{long}\0")), (b'x', pax)] {
        let bytes = gz(&extended(kind, body.as_bytes(), body.len() as u64));
        let found = run(&tool, &bytes, Limits::default()).unwrap();
        assert_eq!(found, [format!("share/{} 0644 x", "n".repeat(200))], "{}", kind as char);
        let absurd = gz(&extended(kind, &vec![b'n'; 1 << 20], 1 << 20));
        let error = run(&tool, &absurd, Limits::default()).unwrap_err();
        assert!(error.contains("absurd size"), "{error}");
    }
    for (body, expected) in [("12 size=999\n", "does not fit"), ("7 a=b\nxx", "damaged"), ("99 a=b\n", "damaged")] {
        let error =
            run(&tool, &gz(&extended(b'x', body.as_bytes(), body.len() as u64)), Limits::default()).unwrap_err();
        assert!(error.contains(expected), "{body}: {error}");
    }
}
