//! `plan`: what apply would do, and why.

use super::{Cli, Exit, Failure, Outcome, Ui};
use crate::build::Build;
use crate::edge::Session;
use crate::plan::{Options, plan};
use crate::render::plan_text;
use std::collections::BTreeSet;

#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

/// What both plan and apply are told.
#[derive(Clone, Debug, clap::Args)]
pub struct ChoiceArgs {
    /// Workers that may be down at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_unavailable: u16,
    /// Emulates, slowly, where a hypervisor has no KVM
    #[arg(long)]
    pub allow_tcg: bool,
    /// Only these nodes; nothing else of the cluster is changed or removed
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// This hypervisor is gone for good: its nodes may be made elsewhere
    #[arg(long, value_name = "HYPERVISOR", value_delimiter = ',')]
    pub lost: Vec<String>,
}

impl ChoiceArgs {
    /// Fails when a node that was asked for is not in the build.
    pub fn check(&self, build: &Build) -> Result<(), Failure> {
        let unknown = self.only.iter().find(|name| build.deployment.node(name).is_none());
        unknown.map_or(Ok(()), |name| Err(Failure::new(Exit::Blocked, format!("the build has no node {name:?}"))))
    }

    pub fn lost(&self) -> BTreeSet<String> {
        self.lost.iter().cloned().collect()
    }

    pub fn options(&self) -> Options {
        Options {
            max_unavailable: usize::from(self.max_unavailable),
            allow_tcg: self.allow_tcg,
            lost: self.lost(),
            only: (!self.only.is_empty()).then(|| self.only.iter().cloned().collect()),
        }
    }
}

pub fn run(cli: &Cli, args: &PlanArgs, ui: &Ui) -> Outcome {
    let folder = cli.folder()?;
    let build = folder.build()?;
    args.choice.check(&build)?;
    let session = Session::open_without(folder, build, &args.choice.lost())?;
    let plan = plan(&session.build, &session.observe(), &args.choice.options());
    if ui.is_json() {
        ui.json(&plan);
    } else {
        ui.print(plan_text(&plan));
    }
    Ok(match (plan.is_blocked(), plan.is_empty() && plan.problems.is_empty()) {
        (true, _) => Exit::Blocked,
        (false, true) => Exit::Done,
        (false, false) => Exit::Changes,
    })
}
