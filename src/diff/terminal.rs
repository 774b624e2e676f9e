//! A diff for a terminal: risks first, then what moved, then each group of nodes with its changes.

mod fields;
mod lines;
mod whole;

use super::model::{Change, Diff, FieldChange, Group, Risk, Severity, State};
use super::phrases::{
    headline, node_counts, per_node, place, plain, remark, risk_counts, shown_hunks, sign, steps, telling, why,
};
use super::shorten::{self, columns};

/// How to show it.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// SGR colours.
    pub colour: bool,
    /// Columns.
    pub width: usize,
    /// What becomes of longer values and lines; sentences are wrapped in any case.
    pub long: Long,
    /// Shows lines for files whose fields say all already.
    pub lines: bool,
}

/// What becomes of texts that are longer than a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Long {
    /// Around the first difference.
    Cut,
    Wrap,
    /// As they are: what is written to a file is read by programs.
    Whole,
}

/// Values of so many nodes are shown beside a pattern.
const MAX_NODES: usize = 3;

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
    out.moved("Spec", &diff.spec);
    out.moved("Other inputs", &diff.inputs);
    out.section("", &diff.groups, Out::group);
    out.section("libvirt", &diff.libvirt, Out::group);
    out.section("New nodes", &diff.added, Out::whole_nodes);
    out.section("Nodes that go away", &diff.removed, Out::whole_nodes);
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

    /// One line, or as many as it needs where nothing is cut.
    fn line(&mut self, indent: usize, sgr: &str, text: &str) {
        let rows = self.fit(&plain(text), 0, self.style.width.saturating_sub(indent));
        self.rows(indent, sgr, &rows);
    }

    /// A line that is wrapped rather than cut.
    fn whole(&mut self, indent: usize, sgr: &str, text: &str) {
        let rows = match self.style.long {
            Long::Whole => vec![text.to_owned()],
            Long::Cut | Long::Wrap => shorten::rows(text, self.style.width.saturating_sub(indent)),
        };
        self.rows(indent, sgr, &rows);
    }

    fn rows(&mut self, indent: usize, sgr: &str, rows: &[String]) {
        for row in rows {
            let painted = self.paint(row, sgr);
            self.text += &format!("{:indent$}{painted}\n", "");
        }
    }

    /// A plain text in so many columns; where it is cut, what is at the byte `at` is seen.
    fn fit(&self, text: &str, at: usize, room: usize) -> Vec<String> {
        match self.style.long {
            Long::Cut => vec![shorten::around(text, at, room)],
            Long::Wrap => shorten::rows(text, room),
            Long::Whole => vec![text.to_owned()],
        }
    }

    /// Words over several lines, those after the first one indented alike.
    fn wrapped(&mut self, indent: usize, label: &str, sgr: &str, text: &str) {
        let inner = indent + columns(label);
        let width = self.style.width.saturating_sub(inner).max(20);
        for (number, row) in wrap(&plain(text), width).iter().enumerate() {
            let label = if number == 0 { label.to_owned() } else { " ".repeat(columns(label)) };
            let painted = self.paint(row, sgr);
            self.text += &format!("{:indent$}{label}{painted}\n", "");
        }
    }

    fn section<T>(&mut self, title: &str, items: &[T], show: impl Fn(&mut Self, &T)) {
        if !items.is_empty() {
            self.title(title);
            items.iter().for_each(|item| show(self, item));
        }
    }

    fn moved(&mut self, title: &str, fields: &[FieldChange]) {
        if !fields.is_empty() {
            self.title(title);
            self.fields(2, &fields.iter().collect::<Vec<_>>());
        }
    }

    fn title(&mut self, title: &str) {
        if !title.is_empty() {
            self.text.push('\n');
            self.line(0, BOLD, title);
        }
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
        let place = shorten::start(&plain(&place), self.style.width.saturating_sub(12 + risk.id.len()));
        let gap = if place.is_empty() { "" } else { "  " };
        self.text += &format!("  {severity}  {}{gap}{place}\n", self.paint(&risk.id, BOLD));
        self.wrapped(10, "", "", &risk.finding);
        self.wrapped(10, "", DIM, &format!("{}. {}.", capital(&risk.reason), capital(&risk.action)));
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
        self.path(change);
        self.fields(6, &telling(change));
        self.per_node(change);
        self.hunks(&shown_hunks(change, self.style.lines));
        if let Some(why) = why(change) {
            self.wrapped(6, "why: ", DIM, &why);
        }
    }

    /// What happened to which file.
    fn path(&mut self, change: &Change) {
        let sgr = match change.state {
            State::Added => GREEN,
            State::Removed => RED,
            State::Changed | State::Renamed => YELLOW,
        };
        let head = format!("{} {}", sign(change.state), plain(&change.path));
        let about = [Some(change.format.clone()), remark(change)].into_iter().flatten().filter(|text| !text.is_empty());
        let about: String = about.map(|text| format!("  {}", plain(&text))).collect();
        if columns(&head) + columns(&about) + 2 <= self.style.width {
            self.text += &format!("  {}{}\n", self.paint(&head, sgr), self.paint(&about, DIM));
        } else {
            self.whole(2, sgr, &head);
            self.line(6, DIM, about.trim());
        }
    }

    /// What the pattern stands for, where it does not say it: of few nodes, unless all is asked for.
    fn per_node(&mut self, change: &Change) {
        let values = per_node(change);
        let shown = if self.style.lines { values.len() } else { values.len().min(MAX_NODES) };
        values[..shown].iter().for_each(|(node, text)| self.line(8, DIM, &format!("{node}: {text}")));
        if values.len() > shown {
            self.line(8, DIM, &format!("... {} more: --lines shows all", values.len() - shown));
        }
    }

    fn order(&mut self, diff: &Diff) {
        let steps = steps(diff);
        if steps.is_empty() {
            return;
        }
        self.text.push('\n');
        self.line(0, BOLD, "What a deployment does, in this order");
        for step in steps {
            let number =
                if step.first == step.last { step.first.to_string() } else { format!("{}-{}", step.first, step.last) };
            self.line(2, "", &format!("{number:>9}  {}  {}", step.nodes, step.what));
        }
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let row = rows.last().map_or(0, |row| columns(row));
        if row > 0 && row + 1 + columns(word) > width {
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
