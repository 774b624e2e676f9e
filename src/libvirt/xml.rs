//! A small XML tree and its text form. All values are escaped here, so no other file writes markup.

use super::LibvirtError;

/// An element with attributes in the order given, and either text or child elements.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Empty,
    Text(String),
    Children(Vec<Element>),
}

/// Starts an element without attributes or content.
pub fn element(name: &'static str) -> Element {
    Element { name, attributes: Vec::new(), content: Content::Empty }
}

impl Element {
    /// Adds an attribute.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// Sets the text; the element then has no children.
    pub fn text(mut self, text: impl ToString) -> Self {
        self.content = Content::Text(text.to_string());
        self
    }

    /// Adds a child element after those already there.
    pub fn child(mut self, child: Element) -> Self {
        match &mut self.content {
            Content::Children(children) => children.push(child),
            _ => self.content = Content::Children(vec![child]),
        }
        self
    }

    /// Adds several child elements.
    pub fn children(self, children: impl IntoIterator<Item = Element>) -> Self {
        children.into_iter().fold(self, Element::child)
    }

    /// The element as indented text with a final newline.
    pub fn render(&self) -> Result<String, LibvirtError> {
        let mut out = String::new();
        self.write(&mut out, 0)?;
        Ok(out)
    }

    fn write(&self, out: &mut String, depth: usize) -> Result<(), LibvirtError> {
        let indent = "  ".repeat(depth);
        out.push_str(&indent);
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("='");
            escape(out, value)?;
            out.push('\'');
        }
        match &self.content {
            Content::Empty => {
                out.push_str("/>\n");
                return Ok(());
            }
            Content::Text(text) => {
                out.push('>');
                escape(out, text)?;
            }
            Content::Children(children) => {
                out.push_str(">\n");
                for child in children {
                    child.write(out, depth + 1)?;
                }
                out.push_str(&indent);
            }
        }
        out.push_str("</");
        out.push_str(self.name);
        out.push_str(">\n");
        Ok(())
    }
}

/// Escapes for both text and attribute values. Tabs and line breaks become references, because attribute values are
/// normalised to spaces otherwise. XML 1.0 (section 2.2) has no way to write other control characters.
fn escape(out: &mut String, value: &str) -> Result<(), LibvirtError> {
    for c in value.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", c as u32)),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                return Err(LibvirtError::Unwritable { value: value.to_owned() });
            }
            _ => out.push(c),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_values_stays_text() {
        let xml = element("a").with("b", "'/><c d=\"&\"").child(element("e").text("</e>\n]]>")).render().unwrap();
        assert_eq!(xml, "<a b='&apos;/&gt;&lt;c d=&quot;&amp;&quot;'>\n  <e>&lt;/e&gt;&#10;]]&gt;</e>\n</a>\n");
    }

    #[test]
    fn characters_that_xml_cannot_hold_are_errors() {
        for bad in ["\0", "a\u{1b}[0m", "\u{ffff}"] {
            assert!(element("a").text(bad).render().is_err(), "{bad:?}");
        }
    }
}
