//! `kubi why-changed NODE`: the shortest answer to why a bundle's digest is another one.

use super::diff::{Selection, compare};
use super::{Exit, Outcome, Ui};
use crate::diff::{Diff, NodeDiff, Options, State, plain};
use crate::tree::Digest;
use serde::Serialize;
use std::collections::BTreeMap;

const EXAMPLES: &str = "\
Examples:
  kubi why-changed kubi-worker-0001                  what `kubi build` would change, and why
  kubi why-changed kubi-worker-0001 main..HEAD
  kubi why-changed kubi-worker-0001 build:3 build:4";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WhyChangedArgs {
    /// A node's name
    pub node: String,
    #[command(flatten)]
    pub selection: Selection,
}

#[derive(Serialize)]
struct Answer<'a> {
    node: &'a str,
    before: Option<&'a Digest>,
    after: Option<&'a Digest>,
    /// Why, and the paths that changed for that reason.
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    /// Inputs that moved; empty where no origin says why.
    because: Vec<String>,
    paths: Vec<String>,
}

pub fn run(args: &WhyChangedArgs, ui: &Ui) -> Outcome {
    let options = Options { nodes: vec![args.node.clone()], bundles: true, ..Options::default() };
    let diff = compare(&args.selection, options, ui)?;
    let node = diff.nodes.first();
    let answer = Answer {
        node: &args.node,
        before: node.and_then(|node| node.before.as_ref()),
        after: node.and_then(|node| node.after.as_ref()),
        reasons: reasons(&diff),
    };
    if ui.is_json() {
        ui.json(&answer)?;
    } else {
        ui.print(text(&diff, node, &answer));
    }
    Ok(Exit::Done)
}

fn reasons(diff: &Diff) -> Vec<Reason> {
    let value = |path: &String| {
        let moved = diff.spec.iter().chain(&diff.inputs).find(|field| field.path == *path);
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        match moved {
            Some(field) if field.before.is_some() || field.after.is_some() => {
                format!("{path}: {} → {}", text(&field.before), text(&field.after))
            }
            _ => path.clone(),
        }
    };
    let mut by_reason: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for change in diff.groups.iter().flat_map(|group| &group.changes) {
        let because: Vec<String> = change.why.spec.iter().chain(&change.why.inputs).map(value).collect();
        by_reason.entry(because).or_default().push(change.path.clone());
    }
    by_reason.into_iter().map(|(because, paths)| Reason { because, paths }).collect()
}

fn text(diff: &Diff, node: Option<&NodeDiff>, answer: &Answer<'_>) -> String {
    let name = answer.node;
    // Both sides have the node: a digest that is not there could not be computed with stand-in keys.
    let short = |digest: Option<&Digest>| {
        digest.map_or("a bundle that only the identity tells".to_owned(), |digest| digest.as_str()[..19].to_owned())
    };
    let head = match node.map(|node| node.state) {
        None => format!("{name} has not changed: {} and {} give the same", diff.before.label, diff.after.label),
        Some(State::Added) => format!("{name} is new in {}", diff.after.label),
        Some(State::Removed) => format!("{name} is not in {} any more", diff.after.label),
        Some(_) if answer.reasons.is_empty() => {
            format!("{name} has the same tree, but gets other disks or another machine: `kubi diff --node {name}`")
        }
        Some(_) => format!("{name}: {} → {}", short(answer.before), short(answer.after)),
    };
    let mut out = plain(&head) + "\n";
    for reason in &answer.reasons {
        if reason.because.is_empty() {
            out += "  nothing that its origin names has moved: kubi itself or an older build\n";
        }
        reason.because.iter().for_each(|because| out += &format!("  {}\n", plain(because)));
        reason.paths.iter().for_each(|path| out += &format!("      {}\n", plain(path)));
    }
    out
}
