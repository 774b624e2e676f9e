//! `rollback`: an earlier build, through the same plan and the same gates.

use super::apply::{Run, WorkArgs};
use super::plan::ChoiceArgs;
use super::{Cli, Exit, Failure, Outcome, Ui};
use crate::deployment::Deployment;
use crate::edge::{Folder, Lock, Session};
use crate::observed::Observed;

#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// The build to go back to; the one deployed before what runs now when not given
    #[arg(value_name = "BUILD")]
    pub number: Option<u64>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub work: WorkArgs,
}

pub fn run(cli: &Cli, args: &RollbackArgs, ui: &Ui) -> Outcome {
    let folder = cli.folder()?;
    let _lock = Lock::acquire(&folder.deployed_folder().join(".lock"))?;
    let number = match args.number {
        Some(number) => number,
        None => before(&folder)?,
    };
    let build = folder.deployed(number)?;
    ui.note(format!("going back to build {number}"));
    let session = Session::open_without(folder, build, &args.choice.lost())?;
    Run { session: &session, choice: &args.choice, work: &args.work, ui, remember: false }.carry_out()
}

/// The newest build that was deployed before the one that runs.
fn before(folder: &Folder) -> Result<u64, Failure> {
    let session = Session::open(folder.clone(), folder.build()?)?;
    let running = running_build(&session.observe(), &session.build.deployment);
    let running = running.ok_or_else(|| {
        Failure::new(Exit::Blocked, "none of the cluster's nodes can be seen: name the build to go back to")
    })?;
    let earlier = folder.deployed_numbers().into_iter().rev().find(|number| *number < running);
    earlier.ok_or_else(|| {
        Failure::new(Exit::Blocked, format!("no build before {running}, which runs, was deployed from here"))
    })
}

/// The newest build that any node has.
fn running_build(observed: &Observed, deployment: &Deployment) -> Option<u64> {
    let domains = observed.hypervisors.values().flatten().flat_map(|state| &state.domains);
    let marks = domains.filter(|domain| domain.belongs_to(deployment)).filter_map(|domain| domain.mark.as_ref());
    marks.map(|mark| mark.build).max()
}
