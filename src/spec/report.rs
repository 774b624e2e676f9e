//! Problems as text for people (file, line, column, the line itself, what to write instead) and as JSON for programs.
//!
//! The JSON form is stable, see docs/check-json.md. Pure: whether colours are wanted is decided by the command line.

use super::locate::Locator;
use super::problem::{Problem, Severity};
use serde::Serialize;
use std::fmt::Write;
use std::ops::Range;

/// Problems that the text form shows; it counts the others. The JSON form has all.
const SHOWN: usize = 100;
/// Characters of a line that the text form shows.
const WIDTH: usize = 120;

/// The problems of one file, sorted by their position in it.
#[derive(Debug)]
pub struct Report<'a> {
    file: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
    problems: Vec<(Range<usize>, Problem)>,
}

#[derive(Serialize)]
struct JsonReport<'a> {
    errors: usize,
    warnings: usize,
    problems: Vec<JsonProblem<'a>>,
}

#[derive(Serialize)]
struct JsonProblem<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    severity: &'static str,
    code: &'a str,
    path: String,
    message: &'a str,
    help: Option<&'a str>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a str, text: &'a str, problems: Vec<Problem>) -> Self {
        let mut located: Vec<(Range<usize>, Problem)> = vec![];
        if !problems.is_empty() {
            let mut locator = Locator::new(text);
            located = problems.into_iter().map(|problem| (locator.problem(&problem), problem)).collect();
            located.sort_by(|(left_span, left), (right_span, right)| {
                let key = |span: &Range<usize>| (span.start, span.end);
                (key(left_span), left.severity, left.code, &left.message).cmp(&(
                    key(right_span),
                    right.severity,
                    right.code,
                    &right.message,
                ))
            });
        }
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, line_starts, problems: located }
    }

    /// Errors, then warnings.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.problems.iter().filter(|(_, problem)| problem.is_error()).count();
        (errors, self.problems.len() - errors)
    }

    /// JSON with a final newline.
    pub fn json(&self) -> String {
        let (errors, warnings) = self.counts();
        let problems = self.problems.iter().map(|(span, problem)| self.json_problem(span, problem)).collect();
        // A structure of texts and numbers always serialises.
        serde_json::to_string_pretty(&JsonReport { errors, warnings, problems }).unwrap_or_default() + "\n"
    }

    fn json_problem<'b>(&'b self, span: &Range<usize>, problem: &'b Problem) -> JsonProblem<'b> {
        let (line, column) = self.position(span.start);
        JsonProblem {
            file: self.file,
            line,
            column,
            severity: problem.severity.as_str(),
            code: problem.code,
            path: problem.path.to_string(),
            message: &problem.message,
            help: problem.help.as_deref(),
        }
    }

    /// Text with a final newline; empty when there is no problem.
    pub fn text(&self, colour: bool) -> String {
        let mut out = String::new();
        for (span, problem) in self.problems.iter().take(SHOWN) {
            self.text_problem(&mut out, span, problem, Paint(colour));
        }
        let (errors, warnings) = self.counts();
        if !self.problems.is_empty() {
            let count = |number: usize, noun: &str| match number {
                0 => None,
                1 => Some(format!("1 {noun}")),
                _ => Some(format!("{number} {noun}s")),
            };
            let counts: Vec<String> =
                [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
            let hidden = self.problems.len().saturating_sub(SHOWN);
            let rest =
                if hidden > 0 { format!(" ({hidden} not shown; `--output json` has all)") } else { String::new() };
            out += &format!("{}: {}{rest}\n", self.file, counts.join(" and "));
        }
        out
    }

    /// Line and column, both from 1; the column counts characters.
    fn position(&self, byte: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= byte);
        let before = self.text.get(self.line_starts[line - 1]..byte).unwrap_or_default();
        (line, before.trim_start_matches('\u{feff}').chars().count() + 1)
    }

    fn text_problem(&self, out: &mut String, span: &Range<usize>, problem: &Problem, paint: Paint) {
        let (line, column) = self.position(span.start);
        let colour = if problem.severity == Severity::Error { Paint::RED } else { Paint::YELLOW };
        let gutter = " ".repeat(line.to_string().len());
        let bar = paint.with(Paint::BLUE, "|");
        let head = paint.with(colour, &format!("{}[{}]", problem.severity.as_str(), problem.code));
        let place = format!("{}:{line}:{column}", self.file);
        // Writing to a String does not fail.
        let _ = writeln!(out, "{head}: {}", paint.with(Paint::BOLD, &printable(&problem.message)));
        let _ = writeln!(out, "{gutter}{} {place}", paint.with(Paint::BLUE, "-->"));
        let start = self.line_starts[line - 1];
        let source = self.text[start..].lines().next().unwrap_or_default().trim_start_matches('\u{feff}');
        if !source.trim().is_empty() {
            let length = self.text.get(span.clone()).map_or(1, |text| text.chars().count()).max(1);
            let (source, column, length) = crop(source, column - 1, length);
            let number = paint.with(Paint::BLUE, &line.to_string());
            let carets = paint.with(colour, &"^".repeat(length));
            let _ =
                writeln!(out, "{gutter} {bar}\n{number} {bar} {source}\n{gutter} {bar} {}{carets}", " ".repeat(column));
        }
        if let Some(help) = &problem.help {
            let _ = writeln!(out, "{gutter} {} help: {}", paint.with(Paint::BLUE, "="), printable(help));
        }
        out.push('\n');
    }
}

/// The part of a line around the marked characters, with their new position.
fn crop(line: &str, column: usize, length: usize) -> (String, usize, usize) {
    let characters: Vec<char> = printable(line).trim_end().chars().collect();
    let first =
        if characters.len() <= WIDTH { 0 } else { column.saturating_sub(WIDTH / 3).min(characters.len() - WIDTH) };
    let shown: String = characters.iter().skip(first).take(WIDTH).collect();
    let last = characters.len().min(first + WIDTH);
    (shown, column - first, length.min(last.saturating_sub(column)).max(1))
}

/// One character for one, so that columns stay: what a terminal would obey is shown as a mark.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    const RED: &'static str = "1;31";
    const YELLOW: &'static str = "1;33";
    const BLUE: &'static str = "1;34";
    const BOLD: &'static str = "1";

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::SpecPath;
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_what_to_write() {
        let text = "\u{feff}spec:\r\n  base: \t\u{e9}x\r\n";
        let problem = Problem::error("bad-name", SpecPath::of("spec.base"), "no\u{1b}name").help("write one");
        let report = Report::new("c.yaml", text, vec![problem]);
        let expected = "error[bad-name]: no\u{fffd}name\n --> c.yaml:2:10\n  |\n2 |   base:  \u{e9}x\n  |          ^^\n  = help: write one\n\nc.yaml: 1 error\n";
        assert_eq!(report.text(false), expected);
        assert!(report.text(true).contains("\u{1b}[1;31merror[bad-name]\u{1b}[0m"));
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let (shown, column, length) = crop(&format!("{}here{}", "a".repeat(5_000), "b".repeat(5_000)), 5_000, 4);
        assert_eq!((shown.chars().count(), length), (WIDTH, 4));
        assert!(shown[column..].starts_with("here"));
        assert_eq!(crop("short", 0, 500), ("short".to_owned(), 0, 5));
    }

    #[test]
    fn problems_are_sorted_counted_and_bounded() {
        let text = "a: 1\nb: 2\n";
        let problem = |key: &str| Problem::warning("w", SpecPath::of(key), "m");
        let report = Report::new("c.yaml", text, vec![problem("b"), problem("a")]);
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!((&json["problems"][0]["line"], &json["problems"][1]["line"]), (&1.into(), &2.into()));
        assert_eq!(json["problems"][0]["help"], serde_json::Value::Null);
        let many = Report::new("c.yaml", text, (0..150).map(|_| problem("a")).collect());
        assert!(many.text(false).ends_with("c.yaml: 150 warnings (50 not shown; `--output json` has all)\n"));
        assert_eq!(Report::new("c.yaml", text, vec![]).text(false), "");
    }
}
