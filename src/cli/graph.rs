//! `kubi graph`: the cluster's topology as a picture.

use super::{Exit, Failure, Outcome, Ui};
use crate::build::{BuildError, Prepared};
use crate::edge::inputs::Inputs;
use crate::plan::Pins;
use crate::report::{Topology, dot, mermaid, svg, topology};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kubi graph > topology.svg             hypervisors, nodes, networks and the API's address
  kubi graph --format mermaid           for Markdown: put it between ```mermaid and ```
  kubi graph --format dot | dot -Tpdf   Graphviz
  kubi graph --output json              the same as data

Only the spec is read; nothing needs to be built. More than twelve nodes of the same roles on one hypervisor are one card.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GraphArgs {
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    #[arg(long, value_enum, default_value = "svg")]
    pub format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GraphFormat {
    /// For browsers; light or dark as the reader's system is
    Svg,
    /// Graphviz
    Dot,
    /// For Markdown
    Mermaid,
}

pub fn run(args: &GraphArgs, ui: &Ui) -> Outcome {
    let inputs = Inputs::read(&args.file).map_err(|error| super::build::failure(ui, &args.file, "", error.into()))?;
    let topology = read(&inputs, ui)?;
    if ui.is_json() {
        ui.json(&topology)?;
        return Ok(Exit::Done);
    }
    ui.print(match args.format {
        GraphFormat::Svg => svg(&topology),
        GraphFormat::Dot => dot(&topology),
        GraphFormat::Mermaid => mermaid(&topology),
    });
    Ok(Exit::Done)
}

/// The topology that a spec describes; the lock need not be complete.
pub(super) fn read(inputs: &Inputs, ui: &Ui) -> Result<Topology, Failure> {
    topology_of(inputs).map_err(|error| super::build::failure(ui, &inputs.file, &inputs.text, error))
}

pub(super) fn topology_of(inputs: &Inputs) -> Result<Topology, BuildError> {
    let prepared = Prepared::new(inputs)?;
    let plan = prepared.plan(Pins::Open)?;
    Ok(topology(&plan))
}
