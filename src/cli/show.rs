//! `kubi show NODE [PATH]`: what is in a node's bundle.

use super::out::{BuiltNode, OutArgs};
use super::{Exit, Failure, Outcome, Ui};
use crate::bundle::{ConfigEntry, EntryType, read_config};
use crate::tree::{Kind, NodePath};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  kubi show kubi-worker-0001                 every file with mode, owner, size and digest
  kubi show kubi-worker-0001 /etc/systemd    what is below a directory
  kubi show kubi-worker-0001 /etc/hosts      a file's contents; secrets are stubs

Everything shown was read from the bundle in the store and checked against its digest.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// A node's name
    pub node: String,
    /// A file or directory on that node
    pub path: Option<String>,
    #[command(flatten)]
    pub out: OutArgs,
}

#[derive(Serialize)]
struct Listing<'a> {
    cluster: &'a str,
    node: &'a str,
    bundle: &'a str,
    entries: Vec<&'a ConfigEntry<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    cluster: &'a str,
    node: &'a str,
    bundle: &'a str,
    entry: &'a ConfigEntry<'a>,
    /// With replacements where the bytes are no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

pub fn run(args: &ShowArgs, ui: &Ui) -> Outcome {
    let output = args.out.open()?;
    let built = args.out.node(&output, &args.node)?;
    let config = output.config(&built.record.bundle)?;
    let (_, entries) = read_config(&config).map_err(Failure::wrong)?;
    let Some(path) = &args.path else {
        return list(&built, entries.iter().collect(), ui);
    };
    let path = NodePath::new(path.trim_end_matches('/')).map_err(Failure::wrong)?;
    match entries.iter().find(|entry| entry.path == path.as_str()) {
        Some(entry) if entry.kind != EntryType::Directory => {
            let tree = output.tree(&built.record.bundle)?;
            let contents = tree.get(&path).and_then(|entry| match &entry.kind {
                Kind::File(contents) => Some(contents.bytes()),
                _ => None,
            });
            show_entry(&built, entry, contents, ui)
        }
        _ => {
            let prefix = format!("{path}/");
            let below = |entry: &&ConfigEntry<'_>| entry.path == path.as_str() || entry.path.starts_with(&prefix);
            let below: Vec<_> = entries.iter().filter(below).collect();
            if below.is_empty() {
                return Err(missing(&built.node, &path));
            }
            list(&built, below, ui)
        }
    }
}

/// What to say about a path that the tree does not have.
pub fn missing(node: &str, path: &NodePath) -> Failure {
    let failure =
        Failure::wrong(format!("{node} has no {path} of kubi's: if the node has it, it is from the base image"));
    failure.help(format!("`kubi show {node}` lists all that kubi writes"))
}

fn list(built: &BuiltNode, entries: Vec<&ConfigEntry<'_>>, ui: &Ui) -> Outcome {
    if ui.is_json() {
        let (cluster, node, bundle) = (&built.cluster, &built.node, built.record.bundle.as_str());
        ui.json(&Listing { cluster, node, bundle, entries })?;
        return Ok(Exit::Done);
    }
    let owner = |entry: &ConfigEntry<'_>| format!("{}:{}", entry.uid, entry.gid);
    let owners = entries.iter().map(|entry| owner(entry).len()).max().unwrap_or(0);
    let mut text = String::new();
    for entry in entries {
        let what = match (&entry.digest, entry.secrets.as_slice()) {
            (_, [_, ..]) => "secret".to_owned(),
            (Some(digest), _) => digest.hex()[..12].to_owned(),
            (None, _) => "-".to_owned(),
        };
        let size = entry.size.map_or("-".to_owned(), |size| size.to_string());
        let path = match &entry.target {
            Some(target) => format!("{} -> {target}", entry.path),
            None => entry.path.to_string(),
        };
        text += &format!("{} {:owners$} {size:>8} {what:12} {path}\n", mode(entry), owner(entry));
    }
    ui.print(text);
    Ok(Exit::Done)
}

fn show_entry(built: &BuiltNode, entry: &ConfigEntry<'_>, contents: Option<&[u8]>, ui: &Ui) -> Outcome {
    if ui.is_json() {
        let text = contents.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let (cluster, node, bundle) = (&built.cluster, &built.node, built.record.bundle.as_str());
        ui.json(&File { cluster, node, bundle, entry, text })?;
    } else if let Some(bytes) = contents {
        ui.print(bytes);
    } else if let Some(target) = &entry.target {
        ui.line(format!("{} -> {target}", entry.path));
    }
    Ok(Exit::Done)
}

/// As `ls -l` shows it: `-rw-r--r--`.
fn mode(entry: &ConfigEntry<'_>) -> String {
    let bits = entry.mode.bits();
    let kind = match entry.kind {
        EntryType::Directory => 'd',
        EntryType::File => '-',
        EntryType::Symlink => 'l',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let three = bits >> shift & 7;
        text.push(if three & 4 != 0 { 'r' } else { '-' });
        text.push(if three & 2 != 0 { 'w' } else { '-' });
        text.push(match (three & 1 != 0, bits & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}
