//! Changed lines that fields do not tell of: what is the same for a parser, but not for a reader. Quotes, blanks at the end of
//! a line, the order of lines where each is a setting of its own, text around certificates.

use super::super::model::{Hunk, Line, LineKind};
use super::{Format, comments};
use std::collections::BTreeMap;

/// The hunks with such lines, by index.
pub fn hunks(format: Format, hunks: &[Hunk]) -> Vec<usize> {
    let changed = |kind: LineKind| hunks.iter().flat_map(|hunk| &hunk.lines).filter(move |line| line.kind == kind);
    let (gone, came) = (texts(format, changed(LineKind::Removed)), texts(format, changed(LineKind::Added)));
    // Of such a pair, the added line shows both.
    let is_untold = |line: &Line| {
        let (key, text) = key(format, &line.text);
        let others = match line.kind {
            LineKind::Same => return false,
            LineKind::Removed => &came,
            LineKind::Added => &gone,
        };
        let moved = matches!(format, Format::Hosts | Format::Sysctl);
        !key.is_empty() && others.get(&key).is_some_and(|others| others.iter().any(|other| moved || *other != text))
    };
    let has = |hunk: &Hunk| hunk.lines.iter().any(is_untold);
    hunks.iter().enumerate().filter(|(_, hunk)| has(hunk)).map(|(at, _)| at).collect()
}

fn texts<'a>(format: Format, lines: impl Iterator<Item = &'a Line>) -> BTreeMap<String, Vec<&'a str>> {
    let mut found: BTreeMap<String, Vec<&'a str>> = BTreeMap::new();
    for line in lines {
        let (key, text) = key(format, &line.text);
        found.entry(key).or_default().push(text);
    }
    // The same line many times is once enough.
    found.values_mut().for_each(|texts| {
        texts.sort_unstable();
        texts.dedup();
    });
    found
}

/// What a parser may take from a line, and the line without what is told elsewhere or says nothing: comments, which are
/// fields, how deep it stands, and the comma that another item of a list needs.
fn key(format: Format, line: &str) -> (String, &str) {
    let content = comments::without(format, line).trim_start();
    let content = content.trim_end_matches('\r');
    let content = content.strip_suffix(',').unwrap_or(content);
    let ignored = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    (content.chars().filter(|c| !ignored(*c)).collect(), content)
}

/// The hunks with changed lines outside of PEM blocks.
pub fn around_pem(hunks: Vec<Hunk>) -> Vec<Hunk> {
    let body = |text: &str| {
        let text = text.trim_end_matches(" (without a line end)").trim_end();
        text.starts_with("-----") || text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    let outside = |line: &Line| line.kind != LineKind::Same && !body(&line.text);
    hunks.into_iter().filter(|hunk| hunk.lines.iter().any(outside)).collect()
}
