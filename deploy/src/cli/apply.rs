//! `apply`: plans, asks, and does it.

use super::plan::ChoiceArgs;
use super::tidy::tidy;
use super::{Cli, Exit, Failure, Outcome, Ui};
use crate::apply::{Limits, World, apply};
use crate::edge::{Lock, Session, SystemClock};
use crate::observed::Observed;
use crate::plan::{Plan, Risk, plan};
use crate::render::plan_text;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub work: WorkArgs,
}

/// How it is done.
#[derive(Clone, Debug, clap::Args)]
pub struct WorkArgs {
    /// Does not ask. Needed where there is no terminal
    #[arg(long, short)]
    pub yes: bool,
    /// Seconds that pods may take to leave a node
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub drain_timeout: u64,
    /// Seconds that a node may take to become healthy
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub health_timeout: u64,
    /// Seconds that a guest may take to power off by itself
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    pub shutdown_timeout: u64,
    /// Evicts pods too that nothing would make again
    #[arg(long)]
    pub force: bool,
    /// Replaces nodes without moving their pods first
    #[arg(long)]
    pub no_drain: bool,
}

impl WorkArgs {
    fn limits(&self, choice: &ChoiceArgs) -> Limits {
        Limits {
            drain: Duration::from_secs(self.drain_timeout),
            health: Duration::from_secs(self.health_timeout),
            shutdown: Duration::from_secs(self.shutdown_timeout),
            force: self.force,
            no_drain: self.no_drain,
            emulate: choice.allow_tcg,
            max_unavailable: usize::from(choice.max_unavailable),
        }
    }
}

pub fn run(cli: &Cli, args: &ApplyArgs, ui: &Ui) -> Outcome {
    let folder = cli.folder()?;
    let _lock = Lock::acquire(&folder.deployed_folder().join(".lock"))?;
    let build = folder.build()?;
    let session = Session::open_without(folder, build, &args.choice.lost())?;
    carry_out(&session, &args.choice, &args.work, ui, true)
}

/// Plans, shows, asks, and does it; then again, where only a pool that was started tells what else there is to do.
pub fn carry_out(session: &Session, choice: &ChoiceArgs, work: &WorkArgs, ui: &Ui, remember: bool) -> Outcome {
    choice.check(&session.build)?;
    let mut observed = session.observe();
    let mut plan = plan(&session.build, &observed, &choice.options());
    let mut done = do_one(session, choice, work, ui, &plan, &observed, remember)?;
    while plan.look_again {
        observed = session.observe();
        plan = crate::plan::plan(&session.build, &observed, &choice.options());
        done |= do_one(session, choice, work, ui, &plan, &observed, remember)?;
    }
    if done {
        // The nodes are as they should be; what is left over is tried again next time.
        if let Err(failure) = tidy(session, ui) {
            ui.note(format!("warning: old images were not all deleted: {}", failure.message));
        }
    }
    match plan.problems.is_empty() {
        true => Ok(Exit::Done),
        false => {
            Err(Failure::new(Exit::Failed, "done as far as it could be; the plan names what was left out, and why"))
        }
    }
}

/// Whether anything was done.
fn do_one(
    session: &Session,
    choice: &ChoiceArgs,
    work: &WorkArgs,
    ui: &Ui,
    plan: &Plan,
    observed: &Observed,
    remember: bool,
) -> Result<bool, Failure> {
    if ui.is_json() {
        ui.print(serde_json::json!({ "plan": plan }).to_string() + "\n");
    } else {
        ui.print(plan_text(plan));
    }
    if plan.is_blocked() {
        return Err(Failure::new(Exit::Blocked, "nothing was done: the plan says what is in the way"));
    }
    if plan.is_empty() {
        return Ok(false);
    }
    confirm(plan, work.yes, ui)?;
    // A pool that was started says nothing of a cluster.
    if remember && !plan.look_again {
        session.folder.remember(&session.build)?;
    }
    do_it(session, choice, work, ui, plan, observed)?;
    Ok(true)
}

fn confirm(plan: &Plan, yes: bool, ui: &Ui) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let question = match plan.risks.iter().any(Risk::is_outage) {
        true => "This makes part of the cluster unavailable for a while. Type the cluster's name to go on:",
        false => "Go on? [y/N]",
    };
    let wanted = |answer: &str| match plan.risks.iter().any(Risk::is_outage) {
        true => answer == plan.cluster,
        false => matches!(answer, "y" | "Y" | "yes"),
    };
    match ui.ask(question) {
        Some(answer) if wanted(&answer) => Ok(()),
        Some(_) => Err(Failure::new(Exit::NotConfirmed, "nothing was done")),
        None => Err(Failure::new(Exit::NotConfirmed, "nothing was done: there is no terminal to ask at; say --yes")),
    }
}

fn do_it(
    session: &Session,
    choice: &ChoiceArgs,
    work: &WorkArgs,
    ui: &Ui,
    plan: &Plan,
    observed: &Observed,
) -> Result<(), Failure> {
    let clock = SystemClock::start();
    let open_image = |file: &str| session.folder.open_image(&session.build, file);
    let world = World {
        build: &session.build,
        open_image: &open_image,
        hypervisors: &session.reached(),
        services: &session.services,
        pools: session.pools(),
        member_urls: session.member_urls(observed),
        marks: observed.marks(&session.build.deployment),
        clock: &clock,
        report: ui,
        limits: work.limits(choice),
    };
    apply(&world, plan).map_err(Failure::from)
}
