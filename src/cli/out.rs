//! What commands that look into an output folder have in common: its place, and finding a node in it.

use super::{Exit, Failure};
use crate::edge::output::{Output, OutputError};
use crate::store::{BuildRecord, NodeRecord};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct OutArgs {
    /// The folder that `kubi build` writes to
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
    /// The cluster, where several have nodes of one name
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
}

/// `out` beside the spec, which may be named by its directory.
pub fn beside(file: &Path) -> PathBuf {
    let folder = if file.is_dir() { Some(file) } else { file.parent() };
    folder.unwrap_or(Path::new("")).join("out")
}

/// A node of a cluster's newest build.
#[derive(Debug)]
pub struct BuiltNode {
    pub cluster: String,
    pub node: String,
    pub record: NodeRecord,
}

impl OutArgs {
    pub fn open(&self) -> Result<Output, Failure> {
        Ok(Output::open(&self.out)?)
    }

    /// The clusters that a command is about: the one that was asked for, else all.
    pub fn clusters(&self, output: &Output) -> Result<Vec<(String, BuildRecord)>, Failure> {
        let names: Vec<String> = match &self.cluster {
            Some(name) => vec![name.clone()],
            None => output.clusters()?.into_iter().collect(),
        };
        names.into_iter().map(|name| Ok((name.clone(), output.built(&name)?))).collect()
    }

    /// Finds a node by name in all clusters, or in the one that was asked for.
    pub fn node(&self, output: &Output, node: &str) -> Result<BuiltNode, Failure> {
        let clusters = self.clusters(output)?;
        let found: Vec<_> = clusters.iter().filter_map(|(name, build)| Some((name, build.nodes.get(node)?))).collect();
        match found.as_slice() {
            [(cluster, record)] => {
                Ok(BuiltNode { cluster: (*cluster).clone(), node: node.to_owned(), record: (*record).clone() })
            }
            [] => {
                let failure = Failure::wrong(format!("no node {node:?} has been built in {}", self.out.display()));
                Err(failure.help(known(&clusters)))
            }
            several => {
                let names: Vec<_> = several.iter().map(|(cluster, _)| cluster.as_str()).collect();
                let failure = Failure::wrong(format!("several clusters have a node {node:?}: {}", names.join(", ")));
                Err(failure.help("choose one with --cluster NAME"))
            }
        }
    }
}

fn known(clusters: &[(String, BuildRecord)]) -> String {
    let names: Vec<_> = clusters.iter().flat_map(|(_, build)| build.nodes.keys().map(String::as_str)).collect();
    match names.len() {
        0 => "run `kubi build` first, or name its folder with --out DIR".to_owned(),
        1..=12 => format!("there is {}", names.join(", ")),
        more => format!("there are {more} nodes: {}, ...", names[..12].join(", ")),
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        let (exit, help) = match &error {
            OutputError::File(_) | OutputError::Unfinished(_) => (Exit::Machine, None),
            OutputError::OtherFileSystem { .. } => {
                (Exit::Machine, Some("choose another folder with --out DIR, or put all of it on one file system"))
            }
            OutputError::NoCluster { .. } => (Exit::Wrong, Some("run `kubi build` first")),
            OutputError::Name(_) => (Exit::Wrong, None),
            OutputError::Record { .. } | OutputError::Json { .. } | OutputError::Bundle { .. } => (
                Exit::Wrong,
                Some("`kubi verify` lists all damage; remove the damaged files and run `kubi build` to mend it"),
            ),
        };
        let failure = Failure::new(exit, &error);
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}
