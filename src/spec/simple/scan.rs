//! Simple YAML text to values. Every doubt is a `None`.

use super::super::limits;
use super::Value;
use std::collections::BTreeSet;

/// A document that is a block mapping.
pub fn document(text: &str) -> Option<Value<'_>> {
    let strange = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}'..='\u{ffff}')
    };
    let plain = text.bytes().all(|b| b == b'\n' || (b' '..0x7f).contains(&b));
    if text.len() > limits::TEXT || (!plain && text.contains(strange)) {
        return None;
    }
    let mut scanner = Scanner { rest: text, line: "", indent: 0, depth: 0 };
    scanner.next_line()?;
    let value = scanner.block()?;
    scanner.line.is_empty().then_some(value)
}

/// Stands at a line that is neither empty nor a comment; at the end its text is empty.
struct Scanner<'t> {
    rest: &'t str,
    /// The line's text after its indentation.
    line: &'t str,
    indent: usize,
    depth: usize,
}

impl<'t> Scanner<'t> {
    fn next_line(&mut self) -> Option<()> {
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            let text = line.trim_start_matches(' ');
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            self.indent = line.len() - text.len();
            // Document markers and directives.
            let marker = text.starts_with("---") || text.starts_with("...") || text.starts_with('%');
            self.line = text;
            return (!marker || self.indent > 0).then_some(());
        }
        (self.line, self.indent) = ("", 0);
        Some(())
    }

    /// The mapping or sequence that starts at this line.
    fn block(&mut self) -> Option<Value<'t>> {
        self.depth += 1;
        let sequence = self.line.starts_with("- ");
        // Half of the bound: the full parser counts the same levels, perhaps a little differently.
        let value = match (self.depth < limits::DEPTH / 2, sequence) {
            (true, true) => self.sequence(),
            (true, false) => self.mapping(),
            (false, _) => None,
        };
        self.depth -= 1;
        value
    }

    fn sequence(&mut self) -> Option<Value<'t>> {
        let indent = self.indent;
        let mut items = vec![];
        while !self.line.is_empty() && self.indent == indent && self.line.starts_with("- ") {
            let text = self.line[1..].trim_start_matches(' ');
            let inner = indent + self.line.len() - text.len();
            if key(text).is_some() {
                (self.line, self.indent) = (text, inner);
                items.push(self.block()?);
            } else {
                items.push(self.inline(text)?);
                self.next_line()?;
            }
        }
        // A deeper line would go on with the last item, in a way that is not simple.
        (self.line.is_empty() || self.indent <= indent).then_some(Value::Sequence(items))
    }

    fn mapping(&mut self) -> Option<Value<'t>> {
        let indent = self.indent;
        let mut entries = vec![];
        while !self.line.is_empty() && self.indent == indent {
            let (name, text) = key(self.line)?;
            let text = text.trim_start_matches(' ');
            let value = if text.is_empty() || text.starts_with('#') {
                self.next_line()?;
                // A sequence may stand as far left as its key.
                let nested = self.indent > indent || (self.indent == indent && self.line.starts_with("- "));
                if self.line.is_empty() || !nested {
                    return None;
                }
                self.block()?
            } else {
                let value = self.inline(text)?;
                self.next_line()?;
                value
            };
            entries.push((name, value));
        }
        let ends = self.line.is_empty() || self.indent < indent;
        (ends && unique(&entries)).then_some(Value::Mapping(entries))
    }

    /// A value that ends on its line.
    fn inline(&self, text: &'t str) -> Option<Value<'t>> {
        let (value, rest) = match text.as_bytes().first()? {
            b'"' | b'\'' => quoted(text)?,
            b'{' | b'[' => flow(text, self.depth)?,
            _ => return plain(comment_cut(text)).map(Value::Plain),
        };
        let after = rest.trim_start_matches(' ');
        let comment = after.starts_with('#') && after.len() < rest.len();
        (after.is_empty() || comment).then_some(value)
    }
}

fn comment_cut(text: &str) -> &str {
    text.split_once(" #").map_or(text, |(before, _)| before).trim_end_matches(' ')
}

fn unique(entries: &[(&str, Value<'_>)]) -> bool {
    match entries {
        [] => false,
        few if few.len() <= 16 => (1..few.len()).all(|i| few[..i].iter().all(|(name, _)| *name != few[i].0)),
        many => many.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() == many.len(),
    }
}

/// A key of letters, digits and `_ . / -`, or a quoted one, and the text after its colon.
fn key(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = match text.as_bytes().first()? {
        b'"' | b'\'' => match quoted(text)? {
            (Value::Quoted(name), rest) if !matches!(name, "" | "<<") => (name, rest),
            _ => return None,
        },
        _ => {
            let end = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b"_./-".contains(&b)))?;
            let (name, rest) = text.split_at(end);
            let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && !reserved(name);
            (word.then_some(name)?, rest)
        }
    };
    let rest = rest.strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with(' ')).then_some((name, rest))
}

/// Words that YAML, or a float parser, takes for something else than text.
pub fn reserved(word: &str) -> bool {
    (3..=8).contains(&word.len())
        && ["true", "false", "null", "inf", "infinity", "nan"].iter().any(|other| word.eq_ignore_ascii_case(other))
}

/// A plain scalar of one line without anything that YAML might give a meaning to. Most indicators are that at the start only.
fn plain(text: &str) -> Option<&str> {
    let first = text.bytes().next()?;
    let option = text.starts_with("--") && text[2..].starts_with(|c: char| c.is_ascii_alphabetic());
    let starts = first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_') || text.starts_with("../") || option;
    let meaning = text.ends_with(':') || text.contains(": ") || text.contains(" #");
    (starts && !meaning).then_some(text)
}

/// A quoted scalar without escapes, and the text after it.
fn quoted(text: &str) -> Option<(Value<'_>, &str)> {
    let quote = text.chars().next()?;
    let (inner, rest) = text[1..].split_once(quote)?;
    let escapes = inner.contains('\\') || rest.starts_with(quote);
    (!escapes).then_some((Value::Quoted(inner), rest))
}

/// A flow mapping or sequence that ends on its line, and the text after it.
fn flow(text: &str, depth: usize) -> Option<(Value<'_>, &str)> {
    if depth >= limits::DEPTH / 2 {
        return None;
    }
    let mapping = text.starts_with('{');
    let close = if mapping { '}' } else { ']' };
    let mut rest = text[1..].trim_start_matches(' ');
    let (mut items, mut entries) = (vec![], vec![]);
    if let Some(rest) = rest.strip_prefix(close) {
        let empty = if mapping { Value::Mapping(entries) } else { Value::Sequence(items) };
        return Some((empty, rest));
    }
    loop {
        if mapping {
            let (name, after) = key(rest)?;
            let (value, after) = flow_value(after.strip_prefix(' ')?.trim_start_matches(' '), depth)?;
            entries.push((name, value));
            rest = after;
        } else {
            let (value, after) = flow_value(rest, depth)?;
            items.push(value);
            rest = after;
        }
        rest = rest.trim_start_matches(' ');
        if let Some(rest) = rest.strip_prefix(close) {
            let value = if mapping { Value::Mapping(entries) } else { Value::Sequence(items) };
            let fine = !matches!(&value, Value::Mapping(entries) if !unique(entries));
            return fine.then_some((value, rest));
        }
        rest = rest.strip_prefix(',')?.trim_start_matches(' ');
    }
}

fn flow_value(text: &str, depth: usize) -> Option<(Value<'_>, &str)> {
    match text.as_bytes().first()? {
        b'"' | b'\'' => quoted(text),
        b'{' | b'[' => flow(text, depth + 1),
        _ => {
            let (word, rest) = text.split_at(text.find([',', ']', '}'])?);
            let word = word.trim_end_matches(' ');
            // A `#` would need a look at what stands before it.
            (!word.contains(['#', '{', '['])).then(|| plain(word)).flatten().map(|word| (Value::Plain(word), rest))
        }
    }
}
