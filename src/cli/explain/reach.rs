//! `kubi explain --spec KEY`: which files of which nodes read a spec key.

use super::ExplainArgs;
use crate::cli::{Exit, Failure, Outcome, Ui};
use crate::diff::{plain, ranges, reads};
use crate::edge::files;
use crate::edge::output::Output;
use crate::spec::nearest;
use crate::store::{BuildRecord, ReviewManifest};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize)]
struct Reach {
    key: String,
    files: Vec<Reached>,
}

/// A file that reads the key, on all the nodes that have it for that reason.
#[derive(Serialize)]
struct Reached {
    path: String,
    recipe: String,
    source: String,
    nodes: Vec<String>,
}

/// The key as origins have it, and whose node it is.
struct Asked {
    key: String,
    node: Option<String>,
}

type Found = BTreeMap<(String, String, String), BTreeSet<String>>;

pub fn run(args: &ExplainArgs, key: &str, ui: &Ui) -> Outcome {
    let out = args.out();
    let output = out.open()?;
    let asked = Asked::parse(key);
    let (mut found, mut known) = (Found::new(), BTreeSet::new());
    for (cluster, record) in out.clusters(&output)? {
        for (entries, keys) in manifests(&output, &cluster, &record, &asked)? {
            entries.into_iter().for_each(|(place, nodes)| found.entry(place).or_default().extend(nodes));
            known.extend(keys);
        }
    }
    let meant =
        nearest(&asked.key, known.iter().map(String::as_str)).filter(|_| !known.iter().any(|key| asked.is(key)));
    if found.is_empty() || meant.is_some() {
        let failure = Failure::wrong(format!("no file that was built reads {key}"));
        let help = "it may be read by libvirt's files alone (machine, hypervisors), or not be a key: `kubi schema` has them all";
        return Err(failure.help(meant.map_or(help.to_owned(), |meant| format!("did you mean {meant}?"))));
    }
    let reached = |((path, recipe, source), nodes): ((String, String, String), BTreeSet<String>)| Reached {
        path,
        recipe,
        source,
        nodes: nodes.into_iter().collect(),
    };
    let reach = Reach { key: key.to_owned(), files: found.into_iter().map(reached).collect() };
    if ui.is_json() {
        ui.json(&reach)?;
    } else {
        ui.print(text(&reach));
    }
    Ok(Exit::Done)
}

impl Asked {
    /// `networks.dns` means `spec.networks.dns`, `spec.nodes[w-1].labels` the labels of w-1, `spec.roles.worker.params` params.
    fn parse(key: &str) -> Self {
        let key =
            if key.starts_with("spec") || key.starts_with("metadata") { key.to_owned() } else { format!("spec.{key}") };
        match key.strip_prefix("spec.nodes[").and_then(|rest| rest.split_once(']')) {
            Some((node, rest)) if !node.is_empty() => {
                Self { key: format!("spec.nodes[]{rest}"), node: Some(node.to_owned()) }
            }
            _ => Self { key, node: None },
        }
    }

    /// Whether an origin's key is about the same part of the spec; the whole spec is about everything.
    fn is(&self, key: &str) -> bool {
        key != "spec" && reads(key, &self.key, true)
    }

    fn reaches(&self, node: &str, keys: &[String]) -> bool {
        let own = self.node.as_deref().is_none_or(|asked| asked == node);
        keys.iter().any(|key| reads(key, &self.key, own))
    }
}

/// What each node's entries read, on all processors.
fn manifests(
    output: &Output,
    cluster: &str,
    record: &BuildRecord,
    asked: &Asked,
) -> Result<Vec<(Found, BTreeSet<String>)>, Failure> {
    let names: Vec<&String> = record.nodes.keys().collect();
    let read = |node: &&String| -> Result<(Found, BTreeSet<String>), Failure> {
        let file = output.node_path(cluster, node).join("manifest.json");
        let bytes = files::read(&file).map_err(Failure::machine)?;
        let damaged =
            |error| Failure::wrong(format!("{}: {error}", file.display())).help("`kubi build` writes it again");
        let manifest = ReviewManifest::parse(&bytes).map_err(damaged)?;
        let (mut found, mut known) = (Found::new(), BTreeSet::new());
        for entry in &manifest.entries {
            known.extend(entry.origin.spec.iter().cloned());
            if asked.reaches(node, &entry.origin.spec) {
                let place = (entry.path.to_string(), entry.origin.recipe.clone(), entry.origin.source.clone());
                found.entry(place).or_default().insert((*node).clone());
            }
        }
        Ok((found, known))
    };
    names.par_iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn text(reach: &Reach) -> String {
    let mut by_nodes: BTreeMap<&[String], Vec<&Reached>> = BTreeMap::new();
    for file in &reach.files {
        by_nodes.entry(&file.nodes).or_default().push(file);
    }
    let mut out = plain(&reach.key) + "\n";
    for (nodes, files) in by_nodes {
        let count = if nodes.len() == 1 { String::new() } else { format!(" ({} nodes)", nodes.len()) };
        out += &format!("\n{}{count}\n", ranges(nodes));
        let width = files.iter().map(|file| file.path.len()).max().unwrap_or(0);
        for file in files {
            let row = format!("  {:width$}  {}: {}", file.path, file.recipe, file.source);
            out += &(plain(&row) + "\n");
        }
    }
    out
}
