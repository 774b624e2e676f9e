//! Lines that differ, with some unchanged ones around them, and the words that differ within them.

use super::super::model::{Hunk, Line, LineKind};
use similar::{Algorithm, ChangeTag, TextDiff};

/// Unchanged lines shown before and after a change.
const CONTEXT: usize = 3;
/// Words are compared in lines up to this length.
const MAX_LINE: usize = 1000;

/// The hunks of a unified diff; none where the texts are equal.
pub fn hunks(before: &str, after: &str) -> Vec<Hunk> {
    if before == after {
        return Vec::new();
    }
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_lines(before, after);
    diff.grouped_ops(CONTEXT).iter().map(|ops| hunk(&diff, ops)).collect()
}

fn hunk(diff: &TextDiff<'_, '_, str>, ops: &[similar::DiffOp]) -> Hunk {
    let mut lines = Vec::new();
    let (mut first_before, mut first_after) = (None, None);
    for change in ops.iter().flat_map(|op| diff.iter_changes(op)) {
        first_before = first_before.or(change.old_index());
        first_after = first_after.or(change.new_index());
        let kind = match change.tag() {
            ChangeTag::Equal => LineKind::Same,
            ChangeTag::Delete => LineKind::Removed,
            ChangeTag::Insert => LineKind::Added,
        };
        let text = change.value().trim_end_matches('\n').to_owned();
        let mut line = Line { kind, text, emphasis: Vec::new() };
        if change.missing_newline() {
            line.text.push_str(" (without a line end)");
        }
        lines.push(line);
    }
    emphasise(&mut lines);
    let number = |index: Option<usize>| index.map_or(0, |index| index + 1);
    Hunk { before_line: number(first_before), after_line: number(first_after), lines }
}

/// Marks words in blocks where as many lines were added as removed: these were most likely edited.
fn emphasise(lines: &mut [Line]) {
    let mut at = 0;
    while at < lines.len() {
        let run = |from: usize, kind: LineKind| lines[from..].iter().take_while(|line| line.kind == kind).count();
        let removed = run(at, LineKind::Removed);
        let added = run(at + removed, LineKind::Added);
        if removed == added {
            for pair in 0..removed {
                let (old, new) = (at + pair, at + removed + pair);
                let (old_words, new_words) = words(&lines[old].text, &lines[new].text);
                lines[old].emphasis = old_words;
                lines[new].emphasis = new_words;
            }
        }
        at += (removed + added).max(1);
    }
}

type Ranges = Vec<(usize, usize)>;

/// Byte ranges that only the one and only the other line has; none where the lines have little in common.
fn words(before: &str, after: &str) -> (Ranges, Ranges) {
    if before.len().max(after.len()) > MAX_LINE {
        return (Vec::new(), Vec::new());
    }
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).diff_words(before, after);
    if diff.ratio() < 0.4 {
        return (Vec::new(), Vec::new());
    }
    let (mut old, mut new) = (Ranges::new(), Ranges::new());
    let (mut old_at, mut new_at) = (0, 0);
    for change in diff.iter_all_changes() {
        let length = change.value().len();
        match change.tag() {
            ChangeTag::Equal => (old_at, new_at) = (old_at + length, new_at + length),
            ChangeTag::Delete => {
                extend(&mut old, old_at, length);
                old_at += length;
            }
            ChangeTag::Insert => {
                extend(&mut new, new_at, length);
                new_at += length;
            }
        }
    }
    (old, new)
}

/// Neighbouring words become one range.
fn extend(ranges: &mut Ranges, start: usize, length: usize) {
    match ranges.last_mut() {
        Some((_, end)) if *end == start => *end += length,
        _ => ranges.push((start, start + length)),
    }
}
