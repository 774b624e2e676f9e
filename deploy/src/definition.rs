//! From the domain XML that kubi built to the one that a hypervisor gets: with the mark, disks as files of the pool's own
//! directory, and emulation where it was asked for.
//!
//! Disks become files because AppArmor's virt-aa-helper lets a domain open only files that its XML names: it cannot look into
//! pools (<https://gitlab.com/libvirt/libvirt/-/issues/546>). The whole chain is named, so nobody has to follow the images'
//! own, relative, backing names.
//!
//! Out: XML text. Nothing else of the reviewed text is changed.

use crate::mark::{Mark, escape, is_mark};
use roxmltree::{Document, Node};
use std::collections::BTreeMap;
use std::ops::Range;

/// The directory that the built XML assumes for files that libvirt takes by path.
pub const DEFAULT_POOL_DIRECTORY: &str = "/var/lib/libvirt/images";

/// What differs from hypervisor to hypervisor.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    pub pool: &'a str,
    /// Networks that are called otherwise there, by the name that was built.
    pub networks: &'a BTreeMap<String, String>,
    /// Directory of the storage pool.
    pub pool_directory: &'a str,
    /// Emulate where the built XML says KVM.
    pub emulate: bool,
    /// The member of etcd joins a cluster that runs: its members, as `--initial-cluster` wants them.
    pub join_etcd: Option<&'a str>,
}

/// Why a domain's XML cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("the domain's XML cannot be read: {0}; run `kubi verify`")]
    Xml(#[from] roxmltree::Error),
    #[error("the domain's XML holds no element of the namespace urn:kubi:node:v1; run `kubi verify`")]
    NoMark,
}

/// The XML to define.
pub fn definition(built: &str, mark: &Mark, placement: &Placement<'_>) -> Result<String, DefinitionError> {
    let document = Document::parse(built)?;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let element = document.descendants().find(|node| is_mark(*node)).ok_or(DefinitionError::NoMark)?;
    edits.push((element.range(), mark.namespaced()));
    document.descendants().for_each(|node| edit(built, node, placement, &mut edits));
    Ok(apply(built, edits))
}

fn edit(built: &str, node: Node<'_, '_>, placement: &Placement<'_>, edits: &mut Vec<(Range<usize>, String)>) {
    let path = |range: Range<usize>| (range.clone(), moved(&built[range], placement.pool_directory));
    match node.tag_name().name() {
        "kernel" | "initrd" => {
            let text = node.first_child().filter(|child| child.is_text());
            edits.extend(text.map(|text| path(text.range())));
        }
        "log" => edits.extend(node.attribute_node("file").map(|file| path(file.range_value()))),
        "disk" | "backingStore" => edits.extend(as_file(node, placement).into_iter().flatten()),
        "source" => {
            let network = node.attribute_node("network");
            let there = network.and_then(|name| Some((name.range_value(), placement.networks.get(name.value())?)));
            edits.extend(there.map(|(range, name)| (range, escape(name))));
        }
        "domain" if placement.emulate => {
            edits.extend(node.attribute_node("type").map(|kind| (kind.range_value(), "qemu".to_owned())));
        }
        "cpu" if placement.emulate => {
            edits.extend(node.attribute_node("mode").map(|mode| (mode.range_value(), "maximum".to_owned())));
        }
        "oemStrings" => {
            let end = node.children().rfind(Node::is_element).map(|last| last.range().end);
            edits.extend(end.zip(placement.join_etcd).map(|(end, members)| (end..end, joining(members))));
        }
        _ => {}
    }
}

/// A volume of the pool becomes the file that it is.
fn as_file(disk: Node<'_, '_>, placement: &Placement<'_>) -> Option<[(Range<usize>, String); 2]> {
    let kind = disk.attribute_node("type").filter(|kind| kind.value() == "volume")?;
    let source = disk.children().find(|child| child.has_tag_name("source"))?;
    let volume = source.attribute("volume").filter(|_| source.attribute("pool") == Some(placement.pool))?;
    let path = escape(&format!("{}/{volume}", placement.pool_directory.trim_end_matches('/')));
    Some([(kind.range_value(), "file".to_owned()), (source.range(), format!("<source file='{path}'/>"))])
}

/// What the guest's firmware tells it. The list of members is etcd's own at that moment: no build can know it.
fn joining(members: &str) -> String {
    let members = escape(members);
    format!("<entry>kubi.etcd=existing</entry><entry>kubi.etcd.initial-cluster={members}</entry>")
}

fn moved(path: &str, directory: &str) -> String {
    match path.strip_prefix(DEFAULT_POOL_DIRECTORY).filter(|rest| rest.starts_with('/')) {
        Some(rest) => format!("{}{rest}", escape(directory.trim_end_matches('/'))),
        None => path.to_owned(),
    }
}

/// Replaces ranges. One inside another that is replaced goes with it.
fn apply(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut out = String::with_capacity(text.len() + 256);
    let mut position = 0;
    for (range, replacement) in edits {
        if range.start < position {
            continue;
        }
        out.push_str(&text[position..range.start]);
        out.push_str(&replacement);
        position = range.end;
    }
    out.push_str(&text[position..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &str = "<domain type='kvm'>\n  <name>dev-c</name>\n  <metadata>\n    <kubi:node xmlns:kubi='urn:kubi:node:v1' cluster='dev' node='c' bundle='sha256:aa'/>\n  </metadata>\n  \
         <sysinfo type='smbios'><oemStrings><entry>kubi.node=c</entry></oemStrings></sysinfo>\n  \
         <os><kernel>/var/lib/libvirt/images/kernel-1</kernel><cmdline>root=/var/lib/libvirt/images</cmdline></os>\n  \
         <cpu mode='host-passthrough'/>\n  <serial type='pty'><log file='/var/lib/libvirt/images/dev-c-console.log' append='on'/></serial>\n</domain>\n";

    fn mark() -> Mark {
        Mark {
            cluster: "dev".into(),
            identity: None,
            node: "c".into(),
            bundle: "sha256:aa".into(),
            build: 3,
            kubernetes: None,
            old_boot: None,
            definition: "sha256:dd".into(),
            healthy: false,
            etcd: None,
        }
    }

    fn define(directory: &str, emulate: bool, join_etcd: Option<&str>) -> String {
        definition(
            BUILT,
            &mark(),
            &Placement { pool: "default", networks: &BTreeMap::new(), pool_directory: directory, emulate, join_etcd },
        )
        .unwrap()
    }

    #[test]
    fn in_the_default_pool_only_the_mark_is_new() {
        let xml = define(DEFAULT_POOL_DIRECTORY, false, None);
        let old = "<kubi:node xmlns:kubi='urn:kubi:node:v1' cluster='dev' node='c' bundle='sha256:aa'/>";
        assert_eq!(xml, BUILT.replace(old, &mark().namespaced()));
        assert_eq!(Mark::find(&Document::parse(&xml).unwrap()), Some(mark()));
    }

    #[test]
    fn paths_follow_the_pool_and_nothing_else_does() {
        let xml = define("/srv/a&b/", false, None);
        assert!(xml.contains("<kernel>/srv/a&amp;b/kernel-1</kernel>"), "{xml}");
        assert!(xml.contains("file='/srv/a&amp;b/dev-c-console.log'"), "{xml}");
        assert!(xml.contains("<cmdline>root=/var/lib/libvirt/images</cmdline>"), "{xml}");
    }

    #[test]
    fn disks_become_files_and_keep_their_chain() {
        let built = BUILT.replace(
            "</domain>",
            "<disk type='volume'><source pool='default' volume='r&amp;1'/><backingStore type='volume'><source pool='default' volume='o'/>\
             <backingStore/></backingStore></disk><disk type='volume'><source pool='other' volume='x'/></disk></domain>",
        );
        let placement = Placement {
            pool: "default",
            networks: &BTreeMap::new(),
            pool_directory: "/srv/p/",
            emulate: false,
            join_etcd: None,
        };
        let xml = definition(&built, &mark(), &placement).unwrap();
        assert!(
            xml.contains(
                "<disk type='file'><source file='/srv/p/r&amp;1'/><backingStore type='file'><source file='/srv/p/o'/>\
                 <backingStore/></backingStore></disk><disk type='volume'><source pool='other' volume='x'/></disk>"
            ),
            "{xml}"
        );
    }

    #[test]
    fn odd_xml_is_no_crash() {
        let mark_element = mark().namespaced();
        for odd in [
            format!("<domain>{mark_element}<oemStrings/></domain>"),
            format!("<domain>{mark_element}<oemStrings></oemStrings  ></domain>"),
            format!("<domain>{}<kernel>/x</kernel></kubi:node></domain>", mark_element.replace("/>", ">")),
            format!("<domain>{mark_element}<kernel><kernel>/x</kernel></kernel><kernel/></domain>"),
        ] {
            let placement = Placement {
                pool: "default",
                networks: &BTreeMap::new(),
                pool_directory: "/p",
                emulate: true,
                join_etcd: Some("m"),
            };
            let xml = definition(&odd, &mark(), &placement).unwrap();
            assert!(Document::parse(&xml).is_ok(), "{odd} {xml}");
        }
    }

    #[test]
    fn emulation_changes_type_and_processor() {
        let xml = define(DEFAULT_POOL_DIRECTORY, true, None);
        assert!(xml.starts_with("<domain type='qemu'>") && xml.contains("<cpu mode='maximum'/>"), "{xml}");
    }

    #[test]
    fn a_member_without_data_is_told_to_join() {
        assert!(!define("/p", false, None).contains("kubi.etcd"));
        let joining = "<entry>kubi.node=c</entry><entry>kubi.etcd=existing</entry>\
             <entry>kubi.etcd.initial-cluster=a=https://a:2380,c=https://c:2380</entry></oemStrings>";
        assert!(define("/p", false, Some("a=https://a:2380,c=https://c:2380")).contains(joining));
    }

    #[test]
    fn xml_without_a_mark_is_refused() {
        let placement = Placement {
            pool: "default",
            networks: &BTreeMap::new(),
            pool_directory: "/p",
            emulate: false,
            join_etcd: None,
        };
        assert!(matches!(definition("<domain/>", &mark(), &placement), Err(DefinitionError::NoMark)));
        assert!(matches!(definition("<domain>", &mark(), &placement), Err(DefinitionError::Xml(_))));
    }
}
