//! `kubi gc`: removes bundles and images that nothing needs any more.

use super::{Exit, Outcome, Ui};
use crate::edge::collect::{Removed, collect};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kubi gc --dry-run          what would be removed
  kubi gc --keep 1           keeps the newest build of each cluster alone

Images of builds that kubi-deploy can roll back to are kept too.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GcArgs {
    /// How many builds of each cluster to keep
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    /// Only says what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// The folder that `kubi build` writes to
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    dry_run: bool,
    #[serde(flatten)]
    removed: &'a Removed,
}

pub fn run(args: &GcArgs, ui: &Ui) -> Outcome {
    let mut waiting = || ui.note(format!("waiting for a build that writes to {}", args.out.display()));
    let removed = collect(&args.out, args.keep as usize, args.dry_run, &mut waiting)?;
    if ui.is_json() {
        ui.json(&Report { dry_run: args.dry_run, removed: &removed })?;
        return Ok(Exit::Done);
    }
    if args.dry_run {
        for path in removed.builds.iter().chain(&removed.images).chain(&removed.blobs) {
            ui.line(path);
        }
    }
    if let Some(first) = removed.unreadable.first() {
        let more = match removed.unreadable.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        ui.warning(format!("no blob is removed, because what is needed cannot be told: {first}{more}"));
        ui.note("remove the damaged file and run `kubi build`, which makes the newest build's again; `--keep 1` gives up older builds");
    }
    let (builds, images, blobs) = (removed.builds.len(), removed.images.len(), removed.blobs.len());
    let verb = if args.dry_run { "would remove" } else { "removed" };
    let mebibytes = removed.bytes.div_ceil(1 << 20);
    ui.note(format!("{verb} {builds} build records, {images} images and {blobs} blobs: {mebibytes} MiB"));
    Ok(Exit::Done)
}
