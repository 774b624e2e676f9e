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
    Run { session: &session, choice: &args.choice, work: &args.work, ui, remember: true }.carry_out()
}

/// One run towards a build.
pub struct Run<'a> {
    pub session: &'a Session,
    pub choice: &'a ChoiceArgs,
    pub work: &'a WorkArgs,
    pub ui: &'a Ui,
    /// The build is one to go back to from then on.
    pub remember: bool,
}

impl Run<'_> {
    /// Plans, shows, asks, and does it; then again, where only a pool that was started tells what else there is to do.
    pub fn carry_out(&self) -> Outcome {
        self.choice.check(&self.session.build)?;
        let (mut plan, mut done) = self.once()?;
        while plan.look_again {
            let (next, more) = self.once()?;
            plan = next;
            done |= more;
        }
        if done {
            // The nodes are as they should be; what is left over is tried again next time.
            if let Err(failure) = tidy(self.session, self.ui) {
                self.ui.note(format!("warning: old images were not all deleted: {}", failure.message));
            }
        }
        match plan.problems.is_empty() {
            true => Ok(Exit::Done),
            false => {
                Err(Failure::new(Exit::Failed, "done as far as it could be; the plan names what was left out, and why"))
            }
        }
    }

    /// The plan, and whether anything was done.
    fn once(&self) -> Result<(Plan, bool), Failure> {
        let observed = self.session.observe();
        let plan = plan(&self.session.build, &observed, &self.choice.options());
        if self.ui.is_json() {
            self.ui.print(serde_json::json!({ "plan": plan }).to_string() + "\n");
        } else {
            self.ui.print(plan_text(&plan));
        }
        if plan.is_blocked() {
            return Err(Failure::new(Exit::Blocked, "nothing was done: the plan says what is in the way"));
        }
        if plan.is_empty() {
            return Ok((plan, false));
        }
        confirm(&plan, self.work.yes, self.ui)?;
        // A pool that was started says nothing of a cluster.
        if self.remember && !plan.look_again {
            self.session.folder.remember(&self.session.build)?;
        }
        self.apply(&plan, &observed)?;
        Ok((plan, true))
    }

    fn apply(&self, plan: &Plan, observed: &Observed) -> Result<(), Failure> {
        let session = self.session;
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
            report: self.ui,
            limits: self.work.limits(self.choice),
        };
        apply(&world, plan).map_err(Failure::from)
    }
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
