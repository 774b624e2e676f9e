//! `kubi explain NODE:PATH`: where a file on a node comes from.

use super::out::OutArgs;
use super::{Exit, Failure, Outcome, Ui};
use crate::edge::files;
use crate::store::{ReviewEntry, ReviewManifest};
use crate::tree::{Digest, NodePath};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  kubi explain kubi-worker-0001:/etc/hosts
  kubi explain kubi-controller-01:/etc/etcd          all that is below, and which recipes made it
  kubi explain kubi-worker-0001:/etc/hosts --output json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// A node's name, a colon, and a path on it
    #[arg(value_name = "NODE:PATH")]
    pub place: String,
    #[command(flatten)]
    pub out: OutArgs,
}

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
}

pub fn run(args: &ExplainArgs, ui: &Ui) -> Outcome {
    let usage = "write NODE:PATH, such as kubi-worker-0001:/etc/hosts";
    let Some((node, path)) = args.place.split_once(':') else {
        return Err(Failure::wrong(format!("{:?} has no colon", args.place)).help(usage));
    };
    let path = NodePath::new(path.trim_end_matches('/')).map_err(|error| Failure::wrong(error).help(usage))?;
    let output = args.out.open()?;
    let built = args.out.node(&output, node)?;
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
        return Err(super::show::missing(node, &path));
    }
    let explanation = Explanation {
        cluster: &built.cluster,
        node: &built.node,
        bundle: &built.record.bundle,
        path: path.as_str(),
        entry,
        below: below.len(),
        recipes: below.iter().map(|entry| entry.origin.recipe.as_str()).collect(),
        review: entry.map(|_| review_path(&folder, &path)),
    };
    if ui.is_json() {
        ui.json(&explanation)?;
    } else {
        ui.print(text(&explanation));
    }
    Ok(Exit::Done)
}

fn review_path(folder: &Path, path: &NodePath) -> String {
    folder.join("tree").join(path.relative()).display().to_string()
}

fn text(explanation: &Explanation<'_>) -> String {
    let mut rows = vec![("node", format!("{} in cluster {}", explanation.node, explanation.cluster))];
    if let Some(entry) = explanation.entry {
        rows.extend(entry_rows(entry));
    }
    if explanation.below > 0 {
        let recipes: Vec<_> = explanation.recipes.iter().copied().collect();
        rows.push(("below", format!("{} entries of {}", explanation.below, recipes.join(", "))));
    }
    if explanation.entry.is_none() {
        rows.push(("type", "directory, made for what is below it unless the base image has it".to_owned()));
    }
    rows.extend(explanation.review.clone().map(|path| ("review", path)));
    let mut out = format!("{}\n", explanation.path);
    let mut last = "";
    for (key, value) in rows {
        out += &format!("  {:8} {value}\n", if key == last { "" } else { key });
        last = key;
    }
    out
}

fn entry_rows(entry: &ReviewEntry<'_>) -> Vec<(&'static str, String)> {
    let mut rows = vec![("recipe", entry.origin.recipe.clone()), ("source", entry.origin.source.clone())];
    rows.extend(entry.origin.spec.iter().map(|key| ("spec", key.clone())));
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
