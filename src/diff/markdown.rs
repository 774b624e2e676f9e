//! A diff for a pull request: the summary and the risks first, details folded, the order of deployment last, no longer than
//! a comment may be.

mod budget;
mod markup;
mod whole;

use super::model::{Change, Diff, FieldChange, Group, Hunk, Line, LineKind, Risk};
use super::phrases::{
    Reason, escape, field_sign, field_value, headline, node_counts, per_node, place, plain, reason, remark,
    risk_counts, shown_hunks, sign, steps, telling,
};
use super::{partners, shorten};
use budget::{Budget, Part, Section};
use markup::{code, fenced, folded, prose};

/// GitHub and Gitea take comments of 65,536 characters.
pub const COMMENT_LIMIT: usize = 65_000;
/// Longer values are cut around what differs.
const MAX_VALUE: usize = 400;
/// Inputs named as the cause of one change.
const MAX_KEYS: usize = 8;
/// In shorter lines, words that differ are found at once.
const SHORT: usize = 30;
/// Steps of a deployment that are listed.
const MAX_STEPS: usize = 60;

/// How much of a change is shown, from all to its path alone; the first that fits is taken.
const DETAILS: [Detail; 4] = [
    Detail { fields: usize::MAX, lines: 120, nodes: 50 },
    Detail { fields: 40, lines: 40, nodes: 5 },
    Detail { fields: 8, lines: 0, nodes: 0 },
    Detail { fields: 0, lines: 0, nodes: 0 },
];

#[derive(Clone, Copy, Debug)]
struct Detail {
    fields: usize,
    lines: usize,
    nodes: usize,
}

/// The whole text, at most `limit` bytes long; the head alone where not even that fits.
pub fn text(diff: &Diff, limit: usize) -> String {
    let head = head(diff) + if diff.is_empty() { "\nNo differences.\n" } else { "" };
    let mut sections = vec![risks(diff)];
    sections.extend(moved("Spec", &diff.spec));
    sections.extend(moved("Other inputs", &diff.inputs));
    sections.extend(diff.groups.iter().map(|one| group("", one)));
    sections.extend(diff.libvirt.iter().map(|one| group("libvirt ", one)));
    sections.extend(diff.added.iter().map(|one| whole::section("new: ", one)));
    sections.extend(diff.removed.iter().map(|one| whole::section("goes away: ", one)));
    Budget::new(head, order(diff), limit).fill(&sections)
}

fn head(diff: &Diff) -> String {
    let mut out = format!("### kubi diff: {}\n\n{}\n", prose(&headline(diff)), node_counts(diff));
    if let Some(risks) = risk_counts(diff) {
        out += &format!("\n**{risks}**\n");
    }
    for note in &diff.notes {
        out += &format!("\n> {}\n", prose(note));
    }
    out
}

fn risks(diff: &Diff) -> Section<'_> {
    let parts = diff.risks.iter().map(|one| Part::whole(risk(one))).collect();
    Section { open: String::new(), parts, close: "", what: "risk" }
}

fn risk(risk: &Risk) -> String {
    let path = place(risk);
    let places = [risk.nodes.text.as_str(), &path].into_iter().filter(|text| !text.is_empty());
    let place: Vec<String> = places.map(|text| code(&start(text))).collect();
    let severity = risk.severity.name().to_uppercase();
    let place = if place.is_empty() { String::new() } else { format!(" on {}", place.join(" ")) };
    format!(
        "\n- **{severity}** `{}`{place}: {}\n  <br>{}. _{}._\n",
        risk.id,
        prose(&risk.finding),
        prose(&risk.reason),
        prose(&risk.action)
    )
}

fn moved(title: &str, fields: &[FieldChange]) -> Option<Section<'static>> {
    if fields.is_empty() {
        return None;
    }
    let all: Vec<&FieldChange> = fields.iter().collect();
    let parts = rows(&all).into_iter().map(Part::whole).collect();
    let (open, close) = folded(&format!("{title}: {} moved", fields.len()), fields.len() <= 8);
    Some(Section { open, parts, close, what: "key" })
}

/// One item of a list for each field.
fn rows(fields: &[&FieldChange]) -> Vec<String> {
    let partners = partners::of_fields(fields);
    let row = |(field, partner): (&&FieldChange, Option<&str>)| {
        let value = field_value(&cut(field, partner));
        let value = if value.is_empty() { String::new() } else { format!(": {}", code(&value)) };
        format!("- {} {}{value}\n", code(&field_sign(field.kind).to_string()), code(&start(&field.path)))
    };
    fields.iter().zip(partners).map(row).collect()
}

/// The field with values that are cut where they differ.
fn cut(field: &FieldChange, partner: Option<&str>) -> FieldChange {
    let [before, after] = [&field.before, &field.after].map(|value| value.as_deref().map(plain));
    let (before, after) = match (before, after, partner.map(plain)) {
        (Some(old), Some(new), _) => {
            let (old, new) = shorten::pair(&old, &new, MAX_VALUE);
            (Some(old), Some(new))
        }
        (Some(one), None, Some(other)) => (Some(shorten::pair(&one, &other, MAX_VALUE).0), None),
        (None, Some(one), Some(other)) => (None, Some(shorten::pair(&one, &other, MAX_VALUE).0)),
        (before, after, None) => (before.map(|text| start(&text)), after.map(|text| start(&text))),
        (None, None, _) => (None, None),
    };
    FieldChange { before, after, ..field.clone() }
}

fn group<'a>(what: &str, group: &'a Group) -> Section<'a> {
    let (count, changes) = (group.nodes.names.len(), group.changes.len());
    let nodes = if count > 1 { format!(" ({count} nodes)") } else { String::new() };
    let names = if count > 0 { format!("<code>{}</code>", escape(&start(&group.nodes.text))) } else { String::new() };
    let plural = if changes == 1 { "" } else { "s" };
    let (open, close) = folded(&format!("{what}{names}{nodes}: {changes} change{plural}"), false);
    let part = |one: &'a Change| Part::of(DETAILS.map(|detail| Box::new(move || change(one, detail)) as Box<_>));
    Section { open, parts: group.changes.iter().map(part).collect(), close, what: "change" }
}

fn change(change: &Change, detail: Detail) -> String {
    let mut out = format!("\n{} {}", code(&sign(change.state).to_string()), code(&change.path));
    if let Some(remark) = remark(change) {
        out += &format!(" _{}_", prose(&remark));
    }
    out += "\n";
    let fields = rows(&telling(change));
    out.extend(fields.iter().take(detail.fields).map(String::as_str));
    if fields.len() > detail.fields {
        out += &format!("- {} more fields\n", fields.len() - detail.fields);
    }
    out += &node_values(change, detail.nodes);
    let hunks = shown_hunks(change, false);
    if !hunks.is_empty() {
        out += &lines(&hunks, detail.lines);
    }
    out + &why(change)
}

/// What the pattern stands for, folded once more.
fn node_values(change: &Change, most: usize) -> String {
    let values = per_node(change);
    if values.is_empty() || most == 0 {
        return String::new();
    }
    let row = |(node, text): &(&str, String)| format!("- {}: {}\n", code(node), code(&start(text)));
    let mut body: String = values.iter().take(most).map(row).collect();
    if values.len() > most {
        body += &format!("- {} more nodes\n", values.len() - most);
    }
    let (open, close) = folded("values by node", false);
    open + &body + close
}

fn why(change: &Change) -> String {
    let Reason { moved, source } = reason(change);
    let spans = |texts: &[&str]| {
        let more = texts.len().saturating_sub(MAX_KEYS);
        let shown = texts.iter().take(MAX_KEYS).map(|text| code(&start(text))).collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{shown} and {more} more") } else { shown }
    };
    let text = match (moved.as_slice(), source) {
        ([], None) => return String::new(),
        ([], Some(source)) => code(&source),
        (moved, None) => spans(moved),
        (moved, Some(source)) => format!("{} ({})", spans(moved), code(&source)),
    };
    format!("\n<sub>why: {text}</sub>\n")
}

fn lines(hunks: &[&Hunk], most: usize) -> String {
    let mut rows: Vec<String> = Vec::new();
    for hunk in hunks {
        rows.push(format!("@@ -{} +{} @@", hunk.before_line, hunk.after_line));
        let partners = partners::of_lines(&hunk.lines);
        for (line, partner) in hunk.lines.iter().zip(partners) {
            let mark = match line.kind {
                LineKind::Same => ' ',
                LineKind::Removed => '-',
                LineKind::Added => '+',
            };
            let text = plain(&line.text);
            let at = partner.map_or(0, |partner| shorten::first_difference(&text, &plain(partner)));
            rows.push(format!("{mark}{}", shorten::around(&text, at, MAX_VALUE)));
            rows.extend(under(line));
        }
    }
    let more = rows.len().saturating_sub(most);
    rows.truncate(most);
    match (rows.is_empty(), more) {
        (true, _) => format!("\n{more} lines\n"),
        (false, 0) => fenced(&rows),
        (false, _) => fenced(&rows) + &format!("\n{more} more lines\n"),
    }
}

/// A line that points at the words that differ in the one above: code blocks have no bold letters.
fn under(line: &Line) -> Option<String> {
    let long = shorten::columns(&line.text);
    if line.emphasis.is_empty() || !(SHORT..=MAX_VALUE).contains(&long) {
        return None;
    }
    let width = |from: usize, to: usize| shorten::columns(&plain(line.text.get(from..to).unwrap_or_default()));
    let mut out = String::from("?");
    let mut at = 0;
    for (from, to) in &line.emphasis {
        out += &" ".repeat(width(at, *from));
        out += &"^".repeat(width(*from, *to));
        at = *to;
    }
    Some(out)
}

fn order(diff: &Diff) -> String {
    let step = |step: super::phrases::Step| {
        let number =
            if step.first == step.last { step.first.to_string() } else { format!("{}-{}", step.first, step.last) };
        format!("- {number}: {} {}\n", code(&start(&step.nodes)), prose(&step.what))
    };
    let mut rows: Vec<String> = steps(diff).into_iter().map(step).collect();
    if rows.is_empty() {
        return String::new();
    }
    let more = rows.len().saturating_sub(MAX_STEPS);
    rows.truncate(MAX_STEPS);
    if more > 0 {
        rows.push(format!("- {more} more steps\n"));
    }
    let (open, close) = folded("What a deployment does, in this order", true);
    open + &rows.concat() + close
}

fn start(text: &str) -> String {
    shorten::start(&plain(text), MAX_VALUE)
}
