//! From the domain XML that kubi built to the one that a hypervisor gets: with the mark, the pool's own directory, and
//! emulation where it was asked for.
//!
//! Out: XML text. Nothing else of the reviewed text is changed.

use crate::mark::{Mark, is_mark};
use roxmltree::Document;
use std::ops::Range;

/// The directory that the built XML assumes for files that libvirt takes by path.
pub const DEFAULT_POOL_DIRECTORY: &str = "/var/lib/libvirt/images";

/// What differs from hypervisor to hypervisor.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    /// Directory of the storage pool.
    pub pool_directory: &'a str,
    /// Emulate where the built XML says KVM.
    pub emulate: bool,
    /// The member of etcd joins a cluster that has forgotten it.
    pub join_etcd: bool,
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
    for node in document.descendants() {
        match node.tag_name().name() {
            "kernel" | "initrd" => {
                edits.extend(
                    node.first_child()
                        .filter(|child| child.is_text())
                        .map(|text| (text.range(), moved(&built[text.range()], placement.pool_directory))),
                );
            }
            "log" => edits.extend(
                node.attribute_node("file")
                    .map(|file| (file.range_value(), moved(&built[file.range_value()], placement.pool_directory))),
            ),
            "domain" if placement.emulate => {
                edits.extend(node.attribute_node("type").map(|kind| (kind.range_value(), "qemu".to_owned())));
            }
            "cpu" if placement.emulate => {
                edits.extend(node.attribute_node("mode").map(|mode| (mode.range_value(), "maximum".to_owned())));
            }
            "oemStrings" if placement.join_etcd => {
                let end = node.range().end - "</oemStrings>".len();
                edits.push((end..end, "<entry>kubi.etcd=existing</entry>".to_owned()));
            }
            _ => {}
        }
    }
    Ok(apply(built, edits))
}

fn moved(path: &str, directory: &str) -> String {
    match path.strip_prefix(DEFAULT_POOL_DIRECTORY).filter(|rest| rest.starts_with('/')) {
        Some(rest) => format!("{}{rest}", crate::mark::escape(directory.trim_end_matches('/'))),
        None => path.to_owned(),
    }
}

/// Replaces ranges that do not overlap.
fn apply(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len() + 256);
    let mut position = 0;
    for (range, replacement) in edits {
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
            node: "c".into(),
            bundle: "sha256:aa".into(),
            build: 3,
            definition: "sha256:dd".into(),
            healthy: false,
            etcd: None,
        }
    }

    fn define(directory: &str, emulate: bool, join_etcd: bool) -> String {
        definition(BUILT, &mark(), &Placement { pool_directory: directory, emulate, join_etcd }).unwrap()
    }

    #[test]
    fn in_the_default_pool_only_the_mark_is_new() {
        let xml = define(DEFAULT_POOL_DIRECTORY, false, false);
        let old = "<kubi:node xmlns:kubi='urn:kubi:node:v1' cluster='dev' node='c' bundle='sha256:aa'/>";
        assert_eq!(xml, BUILT.replace(old, &mark().namespaced()));
        assert_eq!(Mark::find(&Document::parse(&xml).unwrap()), Some(mark()));
    }

    #[test]
    fn paths_follow_the_pool_and_nothing_else_does() {
        let xml = define("/srv/a&b/", false, false);
        assert!(xml.contains("<kernel>/srv/a&amp;b/kernel-1</kernel>"), "{xml}");
        assert!(xml.contains("file='/srv/a&amp;b/dev-c-console.log'"), "{xml}");
        assert!(xml.contains("<cmdline>root=/var/lib/libvirt/images</cmdline>"), "{xml}");
    }

    #[test]
    fn emulation_changes_type_and_processor() {
        let xml = define(DEFAULT_POOL_DIRECTORY, true, false);
        assert!(xml.starts_with("<domain type='qemu'>") && xml.contains("<cpu mode='maximum'/>"), "{xml}");
    }

    #[test]
    fn a_member_without_data_is_told_to_join() {
        assert!(!define("/p", false, false).contains("kubi.etcd"));
        let joining = "<entry>kubi.node=c</entry><entry>kubi.etcd=existing</entry></oemStrings>";
        assert!(define("/p", false, true).contains(joining));
    }

    #[test]
    fn xml_without_a_mark_is_refused() {
        let placement = Placement { pool_directory: "/p", emulate: false, join_etcd: false };
        assert!(matches!(definition("<domain/>", &mark(), &placement), Err(DefinitionError::NoMark)));
        assert!(matches!(definition("<domain>", &mark(), &placement), Err(DefinitionError::Xml(_))));
    }
}
