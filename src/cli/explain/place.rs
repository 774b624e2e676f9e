//! `kubi explain NODE:PATH[:LINE]`: where a file on a node, or a line of it, comes from.

use super::ExplainArgs;
use super::line::{self, Line};
use super::values::{KeyValue, Spec};
use crate::cli::{Exit, Failure, Outcome, Ui};
use crate::diff::plain;
use crate::edge::files;
use crate::store::{ReviewEntry, ReviewManifest};
use crate::tree::{Digest, NodePath};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

pub const USAGE: &str = "write NODE:PATH, such as kubi-worker-0001:/etc/hosts, or NODE:PATH:LINE";

#[derive(Serialize)]
struct Explanation<'a> {
    cluster: &'a str,
    node: &'a str,
    bundle: &'a Digest,
    path: &'a str,
    /// The entry of that very path; a directory that only exists because something is in it has none.
    entry: Option<&'a ReviewEntry<'a>>,
    /// How many entries are below it.
    below: usize,
    /// The recipes that made them.
    recipes: BTreeSet<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<Line>,
    /// Spec keys that it reads, with their values as the spec is now.
    values: Vec<KeyValue>,
}

pub fn run(args: &ExplainArgs, place: &str, ui: &Ui) -> Outcome {
    let Some((node, path)) = place.split_once(':') else {
        return Err(Failure::wrong(format!("{place:?} has no colon")).help(USAGE));
    };
    let (path, number) = with_line(path);
    let path = NodePath::new(path.trim_end_matches('/')).map_err(|error| Failure::wrong(error).help(USAGE))?;
    let out = args.out();
    let output = out.open()?;
    let built = out.node(&output, node)?;
    let folder = output.node_path(&built.cluster, &built.node);
    let file = folder.join("manifest.json");
    let bytes = files::read(&file).map_err(Failure::machine)?;
    if Digest::of(&bytes) != built.record.review {
        ui.warning(format!("{} was changed after it was built; `kubi build` writes it again", file.display()));
    }
    let manifest =
        ReviewManifest::parse(&bytes).map_err(|error| Failure::wrong(format!("{}: {error}", file.display())))?;
    let prefix = format!("{path}/");
    let entry = manifest.entries.iter().find(|entry| entry.path == path.as_str());
    let below: Vec<_> = manifest.entries.iter().filter(|entry| entry.path.starts_with(&prefix)).collect();
    if entry.is_none() && below.is_empty() {
        return Err(crate::cli::show::missing(node, &path));
    }
    let spec = Spec::open(&args.file);
    let line = match (number, entry) {
        (Some(number), Some(entry)) => Some(line_of(&folder, &path, number, entry, spec.as_ref())?),
        _ => None,
    };
    let keys = match (&line, entry) {
        (Some(line), _) => line.keys.as_slice(),
        (None, entry) => entry.map_or(&[] as &[String], |entry| entry.origin.spec.as_slice()),
    };
    let values =
        spec.as_ref().map(|spec| spec.values(node, keys)).unwrap_or_else(|| keys.iter().map(|key| bare(key)).collect());
    let explanation = Explanation {
        cluster: &built.cluster,
        node: &built.node,
        bundle: &built.record.bundle,
        path: path.as_str(),
        entry,
        below: below.len(),
        recipes: below.iter().map(|entry| entry.origin.recipe.as_str()).collect(),
        review: entry.map(|_| review_path(&folder, &path)),
        line,
        values,
    };
    if ui.is_json() {
        ui.json(&explanation)?;
    } else {
        ui.print(text(&explanation));
    }
    Ok(Exit::Done)
}

/// `/etc/hosts:3` is line 3; a name may end like that too, but none of kubi's does.
fn with_line(text: &str) -> (&str, Option<usize>) {
    match text.rsplit_once(':').map(|(path, line)| (path, line.parse())) {
        Some((path, Ok(line))) => (path, Some(line)),
        _ => (text, None),
    }
}

fn line_of(
    folder: &Path,
    path: &NodePath,
    number: usize,
    entry: &ReviewEntry<'_>,
    spec: Option<&Spec>,
) -> Result<Line, Failure> {
    if entry.kind != "file" {
        return Err(Failure::wrong(format!("{path} is a {}: it has no lines", entry.kind)));
    }
    let bytes = files::read(&folder.join("tree").join(path.relative())).map_err(Failure::machine)?;
    let text = String::from_utf8_lossy(&bytes);
    line::explain(&text, number, entry, spec).ok_or_else(|| {
        let count = text.lines().count();
        Failure::wrong(format!("{path} has no line {number}")).help(format!("it has {count} lines, counted from 1"))
    })
}

fn bare(key: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: None, from: None }
}

fn review_path(folder: &Path, path: &NodePath) -> String {
    folder.join("tree").join(path.relative()).display().to_string()
}

fn text(explanation: &Explanation<'_>) -> String {
    let mut rows = vec![("node", format!("{} in cluster {}", explanation.node, explanation.cluster))];
    if let Some(entry) = explanation.entry {
        rows.extend(entry_rows(entry, explanation));
    }
    if explanation.below > 0 {
        let recipes: Vec<_> = explanation.recipes.iter().copied().collect();
        rows.push(("below", format!("{} entries of {}", explanation.below, recipes.join(", "))));
    }
    if explanation.entry.is_none() {
        rows.push(("type", "directory, made for what is below it unless the base image has it".to_owned()));
    }
    rows.extend(explanation.review.clone().map(|path| ("review", path)));
    let mut out = format!("{}\n", plain(explanation.path));
    let mut last = "";
    for (key, value) in rows {
        out += &format!("  {:8} {}\n", if key == last { "" } else { key }, plain(&value));
        last = key;
    }
    out
}

fn entry_rows(entry: &ReviewEntry<'_>, explanation: &Explanation<'_>) -> Vec<(&'static str, String)> {
    let mut rows = vec![("recipe", entry.origin.recipe.clone()), ("source", entry.origin.source.clone())];
    if let Some(line) = &explanation.line {
        rows.push(("line", format!("{}: {}", line.number, line.text)));
        if let Some(template) = &line.template {
            rows.push(("made by", format!("{}:{}", template.file, template.line)));
            rows.extend(template.within.iter().map(|within| ("within", within.clone())));
            rows.push(("template", template.text.clone()));
        }
    }
    rows.extend(explanation.values.iter().map(|value| ("spec", value_row(value))));
    let size = entry.size.map(|size| format!(", {size} bytes")).unwrap_or_default();
    rows.push(("type", format!("{}, mode {}, owner {}{size}", entry.kind, entry.mode, entry.owner)));
    rows.extend(entry.target.iter().map(|target| ("target", target.to_string())));
    let stubs = if entry.secrets.is_empty() { "" } else { ", with stubs in place of secrets" };
    rows.extend(entry.digest.iter().map(|digest| ("digest", format!("{digest}{stubs}"))));
    for secret in &entry.secrets {
        rows.push(("secret", format!("{} generation {}, {}", secret.name, secret.generation, secret.commitment)));
    }
    rows
}

/// `spec.networks.dns.domain = cluster.local (default)`.
fn value_row(value: &KeyValue) -> String {
    let equals = value.value.as_ref().map(|text| format!(" = {text}")).unwrap_or_default();
    let from = value.from.as_ref().map(|from| format!(" ({from})")).unwrap_or_default();
    format!("{}{equals}{from}", value.key)
}
