//! Comments: they change nothing on the node, but a reviewer wants to know that they changed.

use super::super::model::FieldChange;
use super::{Format, list};

/// Comments that came or went, on lines of their own or behind a value.
pub fn compare(format: Format, before: &str, after: &str) -> Vec<FieldChange> {
    let comments = match format {
        Format::Xml => xml_comments,
        _ if format.comment_marks().is_empty() => return Vec::new(),
        _ => |format: Format, text: &str| text.lines().filter_map(|line| comment(format, line)).collect(),
    };
    list::compare("comment", &comments(format, before), &comments(format, after))
}

/// The comment of a line, without its mark.
fn comment(format: Format, line: &str) -> Option<String> {
    let (_, comment) = split(format, line)?;
    let text = comment.trim_start_matches(format.comment_marks()).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The line without its comment.
pub fn without(format: Format, line: &str) -> &str {
    split(format, line).map_or(line, |(content, _)| content)
}

/// A line in two where a comment begins: at its start, or in most formats behind a blank and outside of quotes.
fn split(format: Format, line: &str) -> Option<(&str, &str)> {
    let marks = format.comment_marks();
    let start = line.len() - line.trim_start().len();
    if line[start..].starts_with(marks) {
        return Some(line.split_at(start));
    }
    let behind = matches!(
        format,
        Format::Yaml | Format::Manifest | Format::Kubeconfig | Format::CloudInit | Format::Toml | Format::Hosts
    );
    let mut quote = None;
    let mut last = ' ';
    for (at, c) in line.char_indices().filter(|_| behind) {
        match quote {
            Some(open) if c == open => quote = None,
            None if (c == '"' || c == '\'') && !last.is_alphanumeric() => quote = Some(c),
            None if c == '#' && last.is_whitespace() => {
                return Some((line[..at].trim_end(), &line[at..]));
            }
            _ => {}
        }
        last = c;
    }
    None
}

fn xml_comments(_: Format, text: &str) -> Vec<String> {
    let inside = text.split("<!--").skip(1).map(|rest| rest.split_once("-->").map_or(rest, |(inside, _)| inside));
    inside.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
