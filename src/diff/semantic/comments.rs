//! Comment lines: they change nothing on the node, but a reviewer wants to know that they changed.

use super::super::model::FieldChange;
use super::{Format, list};

/// Whole-line comments that came or went.
pub fn compare(format: Format, before: &str, after: &str) -> Vec<FieldChange> {
    let marks = format.comment_marks();
    if marks.is_empty() {
        return Vec::new();
    }
    list::compare("comment", &comments(marks, before), &comments(marks, after))
}

fn comments(marks: &[char], text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with(marks));
    lines.map(|line| line.trim_start_matches(marks).trim().to_owned()).filter(|line| !line.is_empty()).collect()
}
