//! A diff for a terminal: risks first, then what moved, then each group of nodes with its changes.

use super::model::{Change, ChangeKind, Diff, FieldChange, Group, Hunk, Line, LineKind, Risk, Severity, State};
use super::phrases::{
    effects, field_sign, field_value, headline, needs_lines, node_counts, place, plain, remark, removed, risk_counts,
    sign, steps, telling, why,
};

/// How to show it.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// SGR colours.
    pub colour: bool,
    /// Columns; longer lines are cut or wrapped.
    pub width: usize,
    /// Shows lines for files whose fields say all already.
    pub lines: bool,
}

/// Lines shown of one file at most, unless all are asked for.
const MAX_LINES: usize = 60;

/// The whole text.
pub fn text(diff: &Diff, style: Style) -> String {
    let mut out = Out { text: String::new(), style };
    out.head(diff);
    if diff.is_empty() {
        out.line(0, "", "no differences");
    }
    // Certificates expire also where nothing changes.
    out.section("Risks", &diff.risks, Out::risk);
    if diff.is_empty() {
        return out.text;
    }
    out.section("Spec", &diff.spec, |out, field| out.field(2, field));
    out.section("Other inputs", &diff.inputs, |out, field| out.field(2, field));
    out.section("", &diff.groups, Out::group);
    out.section("libvirt", &diff.libvirt, Out::group);
    out.order(diff);
    out.text
}

struct Out {
    text: String,
    style: Style,
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

impl Out {
    fn paint(&self, text: &str, sgr: &str) -> String {
        if self.style.colour && !sgr.is_empty() { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// One line, cut at the terminal's width.
    fn line(&mut self, indent: usize, sgr: &str, text: &str) {
        let text = cut(&plain(text), self.style.width.saturating_sub(indent));
        let painted = self.paint(&text, sgr);
        self.text += &format!("{:indent$}{painted}\n", "");
    }

    /// Words over several lines, those after the first one indented alike.
    fn wrapped(&mut self, indent: usize, label: &str, sgr: &str, text: &str) {
        let inner = indent + label.chars().count();
        let width = self.style.width.saturating_sub(inner).max(20);
        for (number, row) in wrap(&plain(text), width).iter().enumerate() {
            let label = if number == 0 { label.to_owned() } else { " ".repeat(label.chars().count()) };
            let painted = self.paint(row, sgr);
            self.text += &format!("{:indent$}{label}{painted}\n", "");
        }
    }

    fn section<T>(&mut self, title: &str, items: &[T], show: impl Fn(&mut Self, &T)) {
        if items.is_empty() {
            return;
        }
        if !title.is_empty() {
            self.text.push('\n');
            self.line(0, BOLD, title);
        }
        items.iter().for_each(|item| show(self, item));
    }

    fn head(&mut self, diff: &Diff) {
        self.line(0, BOLD, &headline(diff));
        let counts: Vec<String> = [Some(node_counts(diff)), risk_counts(diff)].into_iter().flatten().collect();
        self.line(0, "", &counts.join(" · "));
        diff.notes.iter().for_each(|note| self.wrapped(0, "note: ", DIM, note));
    }

    fn risk(&mut self, risk: &Risk) {
        let sgr = match risk.severity {
            Severity::High => "31;1",
            Severity::Medium => "33;1",
            Severity::Low => CYAN,
        };
        let severity = self.paint(&format!("{:6}", risk.severity.name()), sgr);
        let files = place(risk);
        let places = [risk.nodes.text.as_str(), &files].into_iter().filter(|text| !text.is_empty());
        let place = places.collect::<Vec<_>>().join(" ");
        let place = cut(&plain(&place), self.style.width.saturating_sub(12 + risk.id.len()));
        let gap = if place.is_empty() { "" } else { "  " };
        self.text += &format!("  {severity}  {}{gap}{place}\n", self.paint(&risk.id, BOLD));
        self.wrapped(10, "", "", &risk.finding);
        self.wrapped(10, "", DIM, &format!("{}. {}.", capital(&risk.reason), capital(&risk.action)));
    }

    fn field(&mut self, indent: usize, field: &FieldChange) {
        let sgr = match field.kind {
            ChangeKind::Added => GREEN,
            ChangeKind::Removed => RED,
            ChangeKind::Changed | ChangeKind::Rotated => YELLOW,
            ChangeKind::Reordered | ChangeKind::Derived => CYAN,
        };
        let name = plain(&field.path);
        let value = plain(&field_value(field));
        let head = format!("{} {name}", field_sign(field.kind));
        let room = self.style.width.saturating_sub(indent + 2);
        if head.chars().count() + 2 + value.chars().count() <= room {
            let painted = self.paint(&head, sgr);
            self.text += &format!("{:indent$}{painted}{}{value}\n", "", if value.is_empty() { "" } else { ": " });
            return;
        }
        let painted = self.paint(&cut(&head, room), sgr);
        self.text += &format!("{:indent$}{painted}:\n", "");
        let inner = indent + 4;
        match (&field.before, &field.after) {
            (Some(before), Some(after)) if field.kind != ChangeKind::Rotated => {
                self.line(inner, RED, &format!("- {before}"));
                self.line(inner, GREEN, &format!("+ {after}"));
            }
            _ => self.line(inner, "", &value),
        }
    }

    fn group(&mut self, group: &Group) {
        let count = group.nodes.names.len();
        if count == 0 {
            group.changes.iter().for_each(|change| self.change(change));
            return;
        }
        let names = if count > 1 { format!("{} ({count} nodes)", group.nodes.text) } else { group.nodes.text.clone() };
        self.text.push('\n');
        self.line(0, BOLD, &names);
        group.changes.iter().for_each(|change| self.change(change));
    }

    fn change(&mut self, change: &Change) {
        let sgr = match change.state {
            State::Added => GREEN,
            State::Removed => RED,
            State::Changed | State::Renamed => YELLOW,
        };
        let head = cut(&format!("{} {}", sign(change.state), plain(&change.path)), self.style.width.saturating_sub(2));
        let about = [Some(change.format.clone()), remark(change)].into_iter().flatten().filter(|text| !text.is_empty());
        let about: String = about.map(|text| format!("  {}", plain(&text))).collect();
        let room = self.style.width.saturating_sub(2 + head.chars().count());
        self.text += &format!("  {}", self.paint(&head, sgr));
        let fits = about.chars().count() <= room;
        self.text += &format!("{}\n", if fits { self.paint(&about, DIM) } else { String::new() });
        if !fits {
            self.line(6, DIM, about.trim());
        }
        telling(change).into_iter().for_each(|field| self.field(6, field));
        if self.style.lines || needs_lines(change) {
            self.hunks(&change.hunks);
        }
        if let Some(why) = why(change) {
            self.wrapped(6, "why: ", DIM, &why);
        }
    }

    fn hunks(&mut self, hunks: &[Hunk]) {
        let total: usize = hunks.iter().map(|hunk| hunk.lines.len()).sum();
        let mut left = if self.style.lines { usize::MAX } else { MAX_LINES };
        for hunk in hunks {
            if left == 0 {
                break;
            }
            let place = format!("@@ -{} +{} @@", hunk.before_line, hunk.after_line);
            self.line(6, CYAN, &place);
            let shown = hunk.lines.len().min(left);
            hunk.lines[..shown].iter().for_each(|line| self.hunk_line(line));
            left -= shown;
        }
        if left == 0 && total > MAX_LINES {
            self.line(6, DIM, &format!("... {} more lines: --lines shows all", total - MAX_LINES));
        }
    }

    fn hunk_line(&mut self, line: &Line) {
        let (mark, sgr) = match line.kind {
            LineKind::Same => (' ', ""),
            LineKind::Removed => ('-', RED),
            LineKind::Added => ('+', GREEN),
        };
        if !self.style.colour || line.emphasis.is_empty() || line.text.len() + 7 > self.style.width {
            self.line(6, sgr, &format!("{mark}{}", line.text));
            return;
        }
        let mut painted = self.paint(&mark.to_string(), sgr);
        let mut at = 0;
        for (start, end) in &line.emphasis {
            painted += &self.paint(&plain(line.text.get(at..*start).unwrap_or_default()), sgr);
            painted += &self.paint(&plain(line.text.get(*start..*end).unwrap_or_default()), &format!("{sgr};7"));
            at = *end;
        }
        painted += &self.paint(&plain(line.text.get(at..).unwrap_or_default()), sgr);
        self.text += &format!("      {painted}\n");
    }

    fn order(&mut self, diff: &Diff) {
        let (steps, gone) = (steps(diff), removed(diff));
        if steps.is_empty() && gone.is_empty() {
            return;
        }
        self.text.push('\n');
        self.line(0, BOLD, "What a deployment does, in this order");
        for step in steps {
            let number =
                if step.first == step.last { step.first.to_string() } else { format!("{}-{}", step.first, step.last) };
            self.line(2, "", &format!("{number:>9}  {}  {}", step.nodes, step.what));
        }
        for node in diff.nodes.iter().filter(|node| gone.contains(&node.name)) {
            self.line(2, RED, &format!("{:>9}  {}  {}", "-", node.name, effects(node)));
        }
    }
}

/// At most `width` characters.
fn cut(text: &str, width: usize) -> String {
    let width = width.max(20);
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let row = rows.last().map_or(0, |row| row.chars().count());
        if row > 0 && row + 1 + word.chars().count() > width {
            rows.push(String::new());
        }
        if let Some(row) = rows.last_mut() {
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
    }
    rows
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
