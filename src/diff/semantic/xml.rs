//! XML, as libvirt has it: elements by path, matched by name where they have one; attributes and text.

use super::super::model::FieldChange;
use super::document;
use roxmltree::{Document, Node};
use serde_json::{Map, Value};

pub fn compare(before: &str, after: &str) -> Option<Vec<FieldChange>> {
    let parse = |text: &str| -> Option<Value> {
        let document = Document::parse(text).ok()?;
        let root = document.root_element();
        let mut whole = Map::new();
        whole.insert(root.tag_name().name().to_owned(), element(root));
        Some(Value::Object(whole))
    };
    Some(document::compare(&parse(before)?, &parse(after)?))
}

/// An element as a value: attributes as `@name`, text as `#text`, children by tag, lists of them where there are several.
fn element(node: Node<'_, '_>) -> Value {
    let mut object = Map::new();
    for attribute in node.attributes() {
        object.insert(format!("@{}", attribute.name()), Value::String(attribute.value().to_owned()));
    }
    let mut children: Vec<(String, Vec<Value>)> = Vec::new();
    for child in node.children().filter(Node::is_element) {
        let tag = child.tag_name().name().to_owned();
        match children.iter_mut().find(|(other, _)| *other == tag) {
            Some((_, list)) => list.push(element(child)),
            None => children.push((tag, vec![element(child)])),
        }
    }
    for (tag, mut list) in children {
        let value = if list.len() == 1 { list.remove(0) } else { Value::Array(list) };
        object.insert(tag, value);
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
