//! `kubi report`: one page about a cluster's newest build.

use super::clock::today;
use super::out::OutArgs;
use super::{Exit, Failure, Outcome, Ui};
use crate::diff::risk::{Standing, judge_alone};
use crate::diff::{self, Diff, Risk, Side as _, SideInfo};
use crate::edge::files;
use crate::edge::inputs::Inputs;
use crate::edge::output::Output;
use crate::edge::sides::OutputSide;
use crate::plan::effective_roles;
use crate::report::{BuildReport, Collector, Page, Topology, html};
use crate::spec::units::Date;
use crate::spec::{Facts, Role};
use crate::store::{BuildRecord, ReviewManifest};
use crate::tree::Tree;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  kubi report                     kubi-report.html: risks, topology, nodes and files, certificates
  kubi report --to - > page.html
  kubi diff --format html         the same kind of page about a change

The page needs no network and no other file, and holds no secret. Keys: / searches, 1 to 4 choose a part, j and k the next
and the last node, t light or dark.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// Output directory of `kubi build`; `out` beside the spec when not given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The page; `-` for standard output
    #[arg(long, value_name = "FILE", default_value = "kubi-report.html")]
    pub to: PathBuf,
    /// The day by which expiry is judged; that of SOURCE_DATE_EPOCH, or today, when not given
    #[arg(long, value_name = "DATE", value_parser = super::diff::parse_date)]
    pub today: Option<Date>,
}

pub fn run(args: &ReportArgs, ui: &Ui) -> Outcome {
    let inputs = Inputs::read(&args.file).map_err(|error| super::build::failure(ui, &args.file, "", error.into()))?;
    let topology = super::graph::read(&inputs, ui)?;
    let out = args.out.clone().unwrap_or_else(|| inputs.folder.join("out"));
    let output = OutArgs { out, cluster: Some(topology.cluster.clone()) }.open()?;
    let record = output.built(&topology.cluster)?;
    let mut build = collect(&output, &topology.cluster, &record, &roles(&inputs), ui)?;
    let day = args.today.unwrap_or_else(today);
    let build_label = format!("build {}", record.number);
    let info = SideInfo { label: build_label.clone(), ..SideInfo::default() };
    let side = OutputSide::new(output, &topology.cluster, record, true, info);
    let facts = side.facts()?;
    build.risks = risks(&build, facts, day);
    let title = format!("{}, {build_label}", topology.cluster);
    // A picture of another spec than the one that was built says so.
    let moved = facts.is_some_and(|facts| has_other_nodes(&inputs, facts));
    let topology_label = if moved { inputs.file.display().to_string() } else { String::new() };
    let (topology, build) = (Some(&topology), Some(&build));
    let page = Page { title, topology, topology_label, build, build_label, ..Page::default() };
    let text = html(&page).map_err(Failure::machine)?;
    if args.to == Path::new("-") {
        ui.print(text);
        return Ok(Exit::Done);
    }
    files::write_atomically(&args.to, text.as_bytes(), 0o644).map_err(Failure::machine)?;
    ui.note(format!("wrote {} ({} KiB)", args.to.display(), text.len() / 1024));
    Ok(Exit::Done)
}

/// A page about a change, with the topology of the spec as it is now and with the last build, where they are there and are
/// of the same cluster.
pub(super) fn about_change(diff: &Diff, file: &Path, out: Option<&Path>, ui: &Ui) -> Result<String, Failure> {
    let inputs = Inputs::read(file).ok();
    let same = |topology: &Topology| topology.cluster == diff.cluster;
    let topology = inputs.as_ref().and_then(|inputs| super::graph::topology_of(inputs).ok()).filter(same);
    let folder = out.map(Path::to_owned).or_else(|| Some(inputs.as_ref()?.folder.join("out")));
    let last = folder.and_then(|out| {
        let output = Output::open(&out).ok()?;
        let record = output.record(&diff.cluster).ok()??;
        let roles = inputs.as_ref().map(roles).unwrap_or_default();
        let build = collect(&output, &diff.cluster, &record, &roles, ui).ok()?;
        Some((format!("build {}", record.number), build))
    });
    let page = Page {
        title: format!("{}: {} to {}", diff.cluster, diff.before.label, diff.after.label),
        topology: topology.as_ref(),
        topology_label: inputs.as_ref().map(|inputs| inputs.file.display().to_string()).unwrap_or_default(),
        build: last.as_ref().map(|(_, build)| build),
        build_label: last.as_ref().map(|(label, _)| label.clone()).unwrap_or_default(),
        diff: Some(diff),
    };
    html(&page).map_err(Failure::machine)
}

/// What of the build by itself should not be passed over.
fn risks(build: &BuildReport, facts: Option<&diff::Facts>, day: Date) -> Vec<Risk> {
    let (authorities, weak) = (build.authorities.as_slice(), build.weak.as_slice());
    judge_alone(&Standing { facts, now: Some(day.unix_seconds()), authorities, weak })
}

/// Whether the spec as it is now has other nodes than the one that was built.
fn has_other_nodes(inputs: &Inputs, built: &diff::Facts) -> bool {
    crate::spec::read(&inputs.text, &Facts::default())
        .is_ok_and(|(cluster, _)| !cluster.spec.nodes.iter().eq(built.nodes.iter().map(|node| &node.spec)))
}

/// Roles by node, of the spec as it is now; a node that left it has none.
fn roles(inputs: &Inputs) -> BTreeMap<String, Vec<Role>> {
    let Ok((cluster, _)) = crate::spec::read(&inputs.text, &Facts::default()) else { return BTreeMap::new() };
    cluster.spec.nodes.iter().map(|node| (node.name.clone(), effective_roles(&cluster, node))).collect()
}

/// Reads every node's bundle, several at a time, and keeps of each what the page shows.
fn collect(
    output: &Output,
    cluster: &str,
    record: &BuildRecord,
    roles: &BTreeMap<String, Vec<Role>>,
    ui: &Ui,
) -> Result<BuildReport, Failure> {
    const AT_A_TIME: usize = 64;
    let names: Vec<&String> = record.nodes.keys().collect();
    let bar = ui.progress(names.len() as u64, "nodes");
    let mut collector = Collector::default();
    for chunk in names.chunks(AT_A_TIME) {
        let read: Vec<Result<(Vec<u8>, Tree), Failure>> = chunk
            .par_iter()
            .map(|name| {
                let path = output.node_path(cluster, name).join("manifest.json");
                let manifest = files::read(&path).map_err(Failure::machine)?;
                Ok((manifest, output.tree(&record.nodes[*name].bundle)?))
            })
            .collect();
        for (name, read) in chunk.iter().zip(read) {
            let (bytes, tree) = read?;
            let manifest = ReviewManifest::parse(&bytes).map_err(|error| damaged(name, &error))?;
            collector.add(roles.get(*name).map(Vec::as_slice).unwrap_or_default(), &manifest, &tree);
        }
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(collector.finish())
}

fn damaged(node: &str, error: &serde_json::Error) -> Failure {
    Failure::wrong(format!("the review manifest of {node} is damaged: {error}"))
        .help("`kubi verify` lists all damage; remove the node's folder and run `kubi build` to mend it")
}
