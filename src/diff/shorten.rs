//! Long texts in little room. Comes in: one text, or the two versions of one; goes out: what fits into so many columns. Two
//! versions are cut around the first place where they differ: a cut never makes them look alike. Nothing is said about
//! colours or markup, and control characters must have been replaced before (`phrases::plain`).

use unicode_width::UnicodeWidthChar;

/// Shorter room would show nothing at all.
const LEAST: usize = 20;

/// Columns of a terminal that a text takes: wide characters take two, combining ones none.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The beginning of a text, in at most `width` columns.
pub fn start(text: &str, width: usize) -> String {
    around(text, 0, width)
}

/// Two versions of a text, each in at most `width` columns, cut at the same place so that they can be compared.
pub fn pair(before: &str, after: &str, width: usize) -> (String, String) {
    let at = first_difference(before, after);
    (around(before, at, width), around(after, at, width))
}

/// A text in at most `width` columns, with what is at the byte `at`, if there is something.
pub fn around(text: &str, at: usize, width: usize) -> String {
    let width = width.max(LEAST);
    if columns(text) <= width {
        return text.to_owned();
    }
    let from = window_start(text, at, width);
    let mut out = String::from(if from > 0 { "…" } else { "" });
    // Room for a mark on either side.
    let room = width - 1 - usize::from(from > 0);
    let mut used = 0;
    for (place, c) in text[from..].char_indices() {
        used += columns_of(c);
        if used > room && (used > room + 1 || from + place + c.len_utf8() < text.len()) {
            out.push('…');
            return out;
        }
        out.push(c);
    }
    out
}

/// Where to begin so that a third of the room shows what leads to the byte `at`; 0 where all of that fits anyway.
fn window_start(text: &str, at: usize, width: usize) -> usize {
    let before = &text[..at.min(text.len())];
    if columns(before) < width * 2 / 3 {
        return 0;
    }
    let mut room = width / 3;
    let lead = before.char_indices().rev().take_while(|(_, c)| {
        let fits = room >= columns_of(*c);
        room = room.saturating_sub(columns_of(*c));
        fits
    });
    lead.last().map_or(before.len(), |(place, _)| place)
}

/// The first byte at which two texts differ, at the start of a character of both.
pub fn first_difference(before: &str, after: &str) -> usize {
    let same = before.chars().zip(after.chars()).take_while(|(old, new)| old == new);
    same.map(|(c, _)| c.len_utf8()).sum()
}

/// The whole text in rows of at most `width` columns, broken anywhere.
pub fn rows(text: &str, width: usize) -> Vec<String> {
    let width = width.max(LEAST);
    let mut rows = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        if used + columns_of(c) > width {
            rows.push(String::new());
            used = 0;
        }
        used += columns_of(c);
        if let Some(row) = rows.last_mut() {
            row.push(c);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_versions_never_look_alike() {
        let long = "x".repeat(600);
        for at in [0, 1, 59, 60, 61, 300, 598, 599] {
            let mut other = long.clone();
            other.replace_range(at..=at, "y");
            let (old, new) = pair(&long, &other, 60);
            assert_ne!(old, new, "{at}");
            assert!(columns(&old) <= 60 && columns(&new) <= 60, "{at}: {old} {new}");
            assert!(new.contains('y') && !old.contains('y'), "{at}: {new}");
        }
        let (old, new) = pair(&long, &format!("{long}x"), 60);
        assert_ne!(old, new, "one character more");
        let (old, new) = pair("ab", "ac", 60);
        assert_eq!((old.as_str(), new.as_str()), ("ab", "ac"));
    }

    #[test]
    fn columns_are_counted_not_characters() {
        assert_eq!((columns("日本"), columns("e\u{301}"), columns("ab")), (4, 1, 2));
        assert_eq!(start(&"日".repeat(30), 21), format!("{}…", "日".repeat(10)));
        assert_eq!(rows(&"日".repeat(12), 20), ["日".repeat(10), "日".repeat(2)]);
        assert_eq!(first_difference("日x", "日y"), 3);
    }
}
