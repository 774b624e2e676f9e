//! A diff for a pull request: the summary and the risks first, details folded, no longer than a comment may be.

use super::model::{Change, Diff, FieldChange, Group, Hunk, LineKind, Risk};
use super::phrases::{
    field_sign, field_value, headline, needs_lines, node_counts, place, plain, remark, removed, risk_counts, sign,
    steps, telling, why,
};

/// GitHub and Gitea take comments of 65,536 characters.
pub const COMMENT_LIMIT: usize = 65_000;
/// Lines shown of one file.
const MAX_LINES: usize = 120;
/// Longer values are cut.
const MAX_VALUE: usize = 400;

/// The whole text, at most `limit` bytes long.
pub fn text(diff: &Diff, limit: usize) -> String {
    let mut out = head(diff);
    if diff.is_empty() {
        out += "\nNo differences.\n";
    }
    let mut blocks: Vec<String> = Vec::new();
    blocks.extend(diff.risks.iter().map(risk));
    blocks.extend(table("Spec", &diff.spec));
    blocks.extend(table("Other inputs", &diff.inputs));
    blocks.extend(diff.groups.iter().map(|one| group("", one)));
    blocks.extend(diff.libvirt.iter().map(|one| group("libvirt ", one)));
    blocks.push(order(diff));
    let mut left = 0;
    for block in blocks.iter().filter(|block| !block.is_empty()) {
        // What comes later may be shorter, but an order with holes would mislead.
        if left > 0 || out.len() + block.len() + TRUNCATED.len() + 20 > limit {
            left += 1;
        } else {
            out += block;
        }
    }
    if left > 0 {
        out += &TRUNCATED.replace("{}", &left.to_string());
    }
    out
}

const TRUNCATED: &str = "\n**{} more parts do not fit into a comment**; `kubi diff` shows all of them.\n";

fn head(diff: &Diff) -> String {
    let mut out = format!("### kubi diff: {}\n\n{}\n", escaped(&headline(diff)), node_counts(diff));
    if let Some(risks) = risk_counts(diff) {
        out += &format!("\n**{risks}**\n");
    }
    for note in &diff.notes {
        out += &format!("\n> {}\n", escaped(note));
    }
    out
}

fn risk(risk: &Risk) -> String {
    let path = place(risk);
    let place: Vec<String> = [risk.nodes.text.as_str(), &path]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| code(&cut(text)))
        .collect();
    let severity = risk.severity.name().to_uppercase();
    let place = if place.is_empty() { String::new() } else { format!(" on {}", place.join(" ")) };
    format!(
        "\n- **{severity}** `{}`{place}: {}\n  <br>{}. _{}._\n",
        risk.id,
        escaped(&risk.finding),
        escaped(&risk.reason),
        escaped(&risk.action)
    )
}

fn table(title: &str, fields: &[FieldChange]) -> Option<String> {
    if fields.is_empty() {
        return None;
    }
    let rows: String = fields.iter().map(|field| format!("- {}\n", row(field))).collect();
    Some(folded(&format!("{title}: {} moved", fields.len()), &rows, fields.len() <= 8))
}

fn row(field: &FieldChange) -> String {
    let value = field_value(field);
    let value = if value.is_empty() { String::new() } else { format!(": {}", code(&cut(&value))) };
    format!("{} {}{value}", code(&field_sign(field.kind).to_string()), code(&cut(&field.path)))
}

fn group(what: &str, group: &Group) -> String {
    let count = group.nodes.names.len();
    let nodes = if count > 1 { format!(" ({count} nodes)") } else { String::new() };
    let (names, changes) = (html(&cut(&group.nodes.text)), group.changes.len());
    let plural = if changes == 1 { "" } else { "s" };
    let title = format!("{what}<b>{names}</b>{nodes}: {changes} change{plural}");
    let body: String = group.changes.iter().map(change).collect();
    folded(&title, &body, false)
}

fn change(change: &Change) -> String {
    let mut out = format!("\n{} {}", code(&sign(change.state).to_string()), code(&change.path));
    if let Some(remark) = remark(change) {
        out += &format!(" _{}_", escaped(&remark));
    }
    out += "\n";
    for field in telling(change) {
        out += &format!("- {}\n", row(field));
    }
    if needs_lines(change) && !change.hunks.is_empty() {
        out += &lines(&change.hunks);
    }
    if let Some(why) = why(change) {
        out += &format!("\n<sub>why: {}</sub>\n", html(&plain(&why)));
    }
    out
}

fn lines(hunks: &[Hunk]) -> String {
    let mut rows: Vec<String> = Vec::new();
    for hunk in hunks {
        rows.push(format!("@@ -{} +{} @@", hunk.before_line, hunk.after_line));
        rows.extend(hunk.lines.iter().map(|line| {
            let mark = match line.kind {
                LineKind::Same => ' ',
                LineKind::Removed => '-',
                LineKind::Added => '+',
            };
            format!("{mark}{}", cut(&plain(&line.text)))
        }));
    }
    let more = rows.len().saturating_sub(MAX_LINES);
    rows.truncate(MAX_LINES);
    if more > 0 {
        rows.push(format!("... {more} more lines"));
    }
    // A fence that no line of the text can close.
    let longest = rows.iter().map(|row| run_of_backticks(row)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("\n{fence}diff\n{}\n{fence}\n", rows.join("\n"))
}

fn order(diff: &Diff) -> String {
    let mut body = String::new();
    for step in steps(diff) {
        let number =
            if step.first == step.last { step.first.to_string() } else { format!("{}-{}", step.first, step.last) };
        body += &format!("- {number}: {} {}\n", code(&cut(&step.nodes)), escaped(&step.what));
    }
    for name in removed(diff) {
        body += &format!("- removed: {}\n", code(&name));
    }
    if body.is_empty() { body } else { folded("What a deployment does, in this order", &body, true) }
}

fn folded(title: &str, body: &str, open: bool) -> String {
    format!("\n<details{}><summary>{title}</summary>\n\n{body}\n</details>\n", if open { " open" } else { "" })
}

fn run_of_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A code span that holds the text whatever is in it.
fn code(text: &str) -> String {
    let text = plain(text);
    let fence = "`".repeat(run_of_backticks(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Text in which nothing is markup, a link or somebody's name.
fn escaped(text: &str) -> String {
    let text = html(&plain(text));
    let special = |c: char| matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '@');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_VALUE {
        return text.to_owned();
    }
    text.chars().take(MAX_VALUE - 1).chain(['…']).collect()
}
