//! Words that all formats for people share.

use super::model::{
    Change, ChangeKind, Diff, Effect, FieldChange, Hunk, Line, LineKind, NodeDiff, NodeValues, Risk, State,
};
use super::names::ranges;
use std::collections::{BTreeMap, BTreeSet};

/// `lab: build 3 → cluster.yaml`.
pub fn headline(diff: &Diff) -> String {
    let cluster = if diff.cluster.is_empty() { String::new() } else { format!("{}: ", diff.cluster) };
    format!("{cluster}{} → {}", diff.before.label, diff.after.label)
}

/// `2 nodes changed, 1 added, 48 unchanged`.
pub fn node_counts(diff: &Diff) -> String {
    let summary = &diff.summary;
    let parts = [
        (summary.nodes_changed, "changed"),
        (summary.nodes_added, "added"),
        (summary.nodes_removed, "removed"),
        (summary.nodes_same, "unchanged"),
    ];
    let shown: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    format!("nodes: {}", shown.join(", "))
}

/// `risks: 1 high, 2 low`; nothing where there are none.
pub fn risk_counts(diff: &Diff) -> Option<String> {
    let summary = &diff.summary;
    let parts = [(summary.risks_high, "high"), (summary.risks_medium, "medium"), (summary.risks_low, "low")];
    let shown: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    (!shown.is_empty()).then(|| format!("risks: {}", shown.join(", ")))
}

pub const fn sign(state: State) -> char {
    match state {
        State::Added => '+',
        State::Removed => '-',
        State::Changed => '~',
        State::Renamed => '>',
    }
}

pub const fn field_sign(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::Added => '+',
        ChangeKind::Removed => '-',
        ChangeKind::Changed | ChangeKind::Derived => '~',
        ChangeKind::Reordered => '%',
        ChangeKind::Rotated => '!',
    }
}

/// What of a field is shown after its name.
pub fn field_value(field: &FieldChange) -> String {
    let (before, after) = (field.before.as_deref(), field.after.as_deref());
    let pair = match (before, after) {
        (Some(before), Some(after)) => format!("{} → {}", quoted(before), quoted(after)),
        (Some(one), None) | (None, Some(one)) => quoted(one),
        (None, None) => String::new(),
    };
    match field.kind {
        ChangeKind::Rotated if pair.is_empty() => "rotated".to_owned(),
        ChangeKind::Rotated if before == after => "rotated".to_owned(),
        ChangeKind::Rotated => format!("rotated, {pair}"),
        ChangeKind::Reordered => format!("order, {pair}"),
        ChangeKind::Derived if pair.is_empty() => "follows from the rest".to_owned(),
        ChangeKind::Derived => format!("follows, {pair}"),
        _ => pair,
    }
}

/// An empty value would not be seen.
fn quoted(value: &str) -> String {
    if value.is_empty() || value.trim() != value { format!("{value:?}") } else { value.to_owned() }
}

/// The fields to show: what only follows from others is left out, unless there is nothing else.
pub fn telling(change: &Change) -> Vec<&FieldChange> {
    let telling: Vec<&FieldChange> = change.fields.iter().filter(|field| field.kind != ChangeKind::Derived).collect();
    if telling.is_empty() { change.fields.iter().collect() } else { telling }
}

/// Whether lines are needed to understand a change: where no field says it, or the whole file is new or gone.
pub fn needs_lines(change: &Change) -> bool {
    change.fields.is_empty() || matches!(change.state, State::Added | State::Removed)
}

/// The hunks to show: all where they are needed or asked for, else those with lines that no field tells of.
pub fn shown_hunks(change: &Change, all: bool) -> Vec<&Hunk> {
    let all = all || needs_lines(change);
    let hunks = change.hunks.iter().enumerate().filter(|(at, _)| all || change.untold.contains(at));
    hunks.map(|(_, hunk)| hunk).collect()
}

/// Each node's own values, where the pattern does not tell what became of them.
pub fn per_node(change: &Change) -> Vec<(&str, String)> {
    if !loses_values(change) {
        return Vec::new();
    }
    let of_node = |values: &NodeValues| -> String {
        let fields = values.fields.iter().map(|field| match field.kind {
            ChangeKind::Added | ChangeKind::Removed => {
                format!("{} {}: {}", field_sign(field.kind), field.path, field_value(field))
            }
            _ => format!("{}: {}", field.path, field_value(field)),
        });
        let lines = values.lines.iter().map(|line| match line.kind {
            LineKind::Removed => format!("- {}", line.text),
            _ => format!("+ {}", line.text),
        });
        fields.chain(lines).collect::<Vec<_>>().join("; ")
    };
    change.per_node.iter().map(|values| (values.node.as_str(), of_node(values))).collect()
}

/// Whether the pattern of a change reads the same on both sides, or has digests in it.
fn loses_values(change: &Change) -> bool {
    let masked = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains("<digest>"));
    let fields = telling(change);
    let items: BTreeSet<(&str, &str)> =
        fields.iter().filter_map(|field| Some((field.path.as_str(), field.before.as_deref()?))).collect();
    let field = |field: &&FieldChange| {
        let same = field.after.as_deref().is_some_and(|after| items.contains(&(field.path.as_str(), after)));
        same || masked(&field.before) || masked(&field.after)
    };
    let lines = || shown_hunks(change, false).into_iter().flat_map(|hunk| &hunk.lines);
    let removed = lines().filter(|line| line.kind == LineKind::Removed);
    let gone: BTreeSet<&str> = removed.map(|line| line.text.as_str()).collect();
    let line = |line: &Line| match line.kind {
        LineKind::Same => false,
        LineKind::Removed => line.text.contains("<digest>"),
        LineKind::Added => line.text.contains("<digest>") || gone.contains(line.text.as_str()),
    };
    change.pattern && (fields.iter().any(field) || lines().any(line))
}

/// What is special about a change, behind its path.
pub fn remark(change: &Change) -> Option<String> {
    let mut remarks = Vec::new();
    if let Some(from) = &change.renamed_from {
        remarks.push(format!("was {from}"));
    }
    let fielded = !matches!(change.format.as_str(), "text" | "" | "binary" | "x509");
    if change.state == State::Changed && change.fields.is_empty() && fielded {
        remarks.push("same values: only order or layout differs".to_owned());
    }
    if change.pattern {
        remarks.push("<...> differs per node".to_owned());
    }
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// Why a change is there: the inputs that moved, and where the file comes from.
pub struct Reason<'a> {
    pub moved: Vec<&'a str>,
    /// `control-plane/systemd: files/etc/...`.
    pub source: Option<String>,
}

pub fn reason(change: &Change) -> Reason<'_> {
    let origin = &change.origin;
    let mut moved: Vec<&str> = change.why.spec.iter().chain(&change.why.inputs).map(String::as_str).collect();
    moved.dedup();
    let source = (!origin.recipe.is_empty()).then(|| format!("{}: {}", origin.recipe, origin.source));
    Reason { moved, source }
}

/// `spec.kubernetes.version (control-plane/systemd: files/etc/...)`.
pub fn why(change: &Change) -> Option<String> {
    let Reason { moved, source } = reason(change);
    match (moved.is_empty(), source) {
        (true, source) => source,
        (false, None) => Some(moved.join(", ")),
        (false, Some(source)) => Some(format!("{} ({source})", moved.join(", "))),
    }
}

/// The files that a risk shows in.
pub fn place(risk: &Risk) -> String {
    let path = risk.path.clone().unwrap_or_default();
    match risk.more_paths.len() {
        0 => path,
        more => format!("{path} and {more} more"),
    }
}

/// Nodes that follow each other in the order of replacement and go through the same.
pub struct Step {
    pub first: usize,
    pub last: usize,
    pub nodes: String,
    pub what: String,
}

/// What a deployment does; steps with one node each that are alike are one row.
pub fn steps(diff: &Diff) -> Vec<Step> {
    let by_name: BTreeMap<&str, &NodeDiff> = diff.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let mut rows: Vec<(Step, Vec<String>, bool)> = Vec::new();
    for (at, step) in diff.deployment.iter().enumerate() {
        let single = step.nodes.len() == 1;
        for name in &step.nodes {
            let mut what = by_name.get(name.as_str()).map_or_else(String::new, |node| effects(node));
            what += if single { "" } else { ", at the same time" };
            match rows.last_mut() {
                Some((row, names, alone)) if row.what == what && *alone == single => {
                    row.last = at + 1;
                    names.push(name.clone());
                }
                _ => {
                    let row = Step { first: at + 1, last: at + 1, nodes: String::new(), what };
                    rows.push((row, vec![name.clone()], single));
                }
            }
        }
    }
    rows.into_iter().map(|(row, names, _)| Step { nodes: ranges(&names), ..row }).collect()
}

/// `etcd, controller: new overlay, new artifact disk`.
pub fn effects(node: &NodeDiff) -> String {
    let effect = |effect: &Effect| match effect {
        Effect::Create => "new node".to_owned(),
        Effect::Remove => "removed".to_owned(),
        Effect::NewOverlay => "new overlay".to_owned(),
        Effect::NewArtifactDisk => "new artifact disk".to_owned(),
        Effect::NewMachine => "new machine definition".to_owned(),
        Effect::DataAtRisk { reason } => format!("data at risk: {reason}"),
    };
    let roles: Vec<&str> = node.roles.iter().map(|role| role.name()).collect();
    let effects = node.effects.iter().map(effect).collect::<Vec<_>>().join(", ");
    if roles.is_empty() { effects } else { format!("{}: {effects}", roles.join(", ")) }
}

/// Text without characters that a terminal or a page would act on, or that nobody sees: control characters, marks that turn
/// the direction of writing (Unicode's bidirectional algorithm, UAX 9), and characters without width.
pub fn plain(text: &str) -> String {
    if !text.contains(is_acted_on) {
        return text.to_owned();
    }
    let shown = |c: char| match c {
        '\t' => "    ".to_owned(),
        c if is_acted_on(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

fn is_acted_on(c: char) -> bool {
    let marks = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    let others = matches!(c, '\u{ad}' | '\u{180e}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || marks || others
}

/// For text and attributes of HTML and XML; characters that nobody would see are written out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
