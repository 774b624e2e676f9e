//! XML, as libvirt has it: elements by path, matched by name where they have one; attributes and text.

use super::super::model::FieldChange;
use super::document;
use roxmltree::{Document, Node};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Deeper documents are compared as text: the parser would go as deep itself.
const MAX_DEPTH: usize = 200;

pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let parse = |text| if is_deep(text) { None } else { Document::parse(text).ok() };
    let (before, after) = (parse(before)?, parse(after)?);
    let mut lists = BTreeSet::new();
    [&before, &after].iter().for_each(|document| find_lists("", document.root_element(), &mut lists));
    let whole = |document: &Document<'_>| -> Value {
        let root = document.root_element();
        let name = root.tag_name().name();
        Value::Object([(name.to_owned(), element(&format!("/{name}"), root, &lists))].into_iter().collect())
    };
    Some(document::compare(&whole(&before), &whole(&after)))
}

/// Whether elements nest deeper than [`MAX_DEPTH`], told without recursion. Wrong XML is told by the parser.
fn is_deep(text: &str) -> bool {
    let (mut depth, mut rest) = (0usize, text);
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")];
        let end = match skipped.iter().find(|(open, _)| rest.starts_with(open)) {
            Some((open, close)) => rest[open.len()..].find(close).map(|end| open.len() + end + close.len()),
            None => end_of_tag(rest),
        };
        let Some(end) = end else { return false };
        let tag = &rest[..end];
        match (tag.starts_with("</"), tag.ends_with("/>")) {
            _ if tag.starts_with("<!") || tag.starts_with("<?") => {}
            (true, _) => depth = depth.saturating_sub(1),
            (false, true) => {}
            (false, false) => depth += 1,
        }
        if depth > MAX_DEPTH {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

/// The place after a tag's `>`, which may also stand in its attributes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '>' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The elements, by path, of which some parent has several: with one of them they are a list, too.
fn find_lists(path: &str, node: Node<'_, '_>, lists: &mut BTreeSet<String>) {
    let path = format!("{path}/{}", node.tag_name().name());
    let mut seen = BTreeSet::new();
    for child in node.children().filter(Node::is_element) {
        if !seen.insert(child.tag_name().name()) {
            lists.insert(format!("{path}/{}", child.tag_name().name()));
        }
        find_lists(&path, child, lists);
    }
}

/// An element as a value: attributes as `@name`, text as `#text`, children by tag, lists of them where there are several.
fn element(path: &str, node: Node<'_, '_>, lists: &BTreeSet<String>) -> Value {
    let mut object = Map::new();
    for attribute in node.attributes() {
        object.insert(format!("@{}", attribute.name()), Value::String(attribute.value().to_owned()));
    }
    for child in node.children().filter(Node::is_element) {
        let tag = child.tag_name().name();
        let below = format!("{path}/{tag}");
        let value = element(&below, child, lists);
        match object.get_mut(tag) {
            Some(Value::Array(items)) => items.push(value),
            _ if lists.contains(&below) => drop(object.insert(tag.to_owned(), Value::Array(vec![value]))),
            _ => drop(object.insert(tag.to_owned(), value)),
        }
    }
    let text = node
        .children()
        .filter(Node::is_text)
        .filter_map(|child| child.text())
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("");
    match (object.is_empty(), text.is_empty()) {
        (true, _) => Value::String(text),
        (false, true) => Value::Object(object),
        (false, false) => {
            object.insert("#text".to_owned(), Value::String(text));
            Value::Object(object)
        }
    }
}
