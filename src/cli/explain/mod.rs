//! `kubi explain`: where a file, or one line of it, comes from; and the other way round, what a spec key reaches.

mod line;
mod place;
mod reach;
mod values;

use super::out::{OutArgs, beside};
use super::{Failure, Outcome, Ui};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kubi explain kubi-worker-0001:/etc/hosts
  kubi explain kubi-worker-0001:/etc/hosts:3         the template's line behind line 3, and the values in it
  kubi explain kubi-controller-01:/etc/etcd          all that is below, and which recipes made it
  kubi explain --spec spec.networks.dns.domain       every file that this key reaches
  kubi explain kubi-worker-0001:/etc/hosts --output json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// A node's name, a colon, and a path on it; perhaps another colon and a line
    #[arg(value_name = "NODE:PATH[:LINE]", required_unless_present = "spec")]
    pub place: Option<String>,
    /// A key of the spec, such as spec.networks.api.vip: says which files of which nodes read it
    #[arg(long, value_name = "KEY", conflicts_with = "place")]
    pub spec: Option<String>,
    /// The spec that values and templates are looked up in, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// The folder that `kubi build` wrote to; `out` beside the spec when not given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The cluster, where several have nodes of one name
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
}

impl ExplainArgs {
    fn out(&self) -> OutArgs {
        OutArgs { out: self.out.clone().unwrap_or_else(|| beside(&self.file)), cluster: self.cluster.clone() }
    }
}

pub fn run(args: &ExplainArgs, ui: &Ui) -> Outcome {
    match (&args.place, &args.spec) {
        (_, Some(key)) => reach::run(args, key, ui),
        (Some(place), None) => place::run(args, place, ui),
        (None, None) => Err(Failure::wrong("nothing is named").help(place::USAGE)),
    }
}
