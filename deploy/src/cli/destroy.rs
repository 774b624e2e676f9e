//! `destroy`: removes what is the cluster's own. Data disks only when told so.

use super::{Cli, Exit, Failure, Outcome, Ui};
use crate::apply::{Event, Report};
use crate::edge::{Lock, Session};
use crate::hypervisor::{Hypervisor, HypervisorError};
use crate::observed::{Domain, State};
use crate::plan::{Destruction, destruction};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct DestroyArgs {
    /// Removes the data disks too: etcd's database, everything. There is no way back
    #[arg(long)]
    pub with_data: bool,
    /// The cluster's name, instead of being asked for it
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Seconds that guests whose data disks stay may take to power off by themselves
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    pub shutdown_timeout: u64,
}

pub fn run(cli: &Cli, args: &DestroyArgs, ui: &Ui) -> Outcome {
    let folder = cli.folder()?;
    let _lock = Lock::acquire(&folder.deployed_folder().join(".lock"))?;
    let older: Vec<_> = folder.deployed_numbers().into_iter().filter_map(|n| folder.deployed(n).ok()).collect();
    let build = folder.build()?;
    let session = Session::open(folder, build)?;
    confirm(&session.build.deployment.cluster, args, ui)?;
    let mut failed = Vec::new();
    for (name, state) in session.observe().hypervisors {
        let builds = || older.iter().chain([&session.build]);
        let outcome = match (state, session.libvirt(&name)) {
            (Ok(state), Some(Ok(libvirt))) => {
                let what = destruction(builds(), &name, &state, args.with_data);
                let patience = if args.with_data { Duration::ZERO } else { Duration::from_secs(args.shutdown_timeout) };
                shut_down(libvirt.as_ref(), &what, patience, ui)
                    .and_then(|()| destroy(libvirt.as_ref(), &state, &name, &session, &what, ui))
                    .map_err(|error| error.to_string())
            }
            (Err(reason), _) => Err(reason),
            _ => Err("it was not reached".to_owned()),
        };
        failed.extend(outcome.err().map(|reason| format!("{name}: {reason}")));
    }
    match failed.is_empty() {
        true => Ok(Exit::Done),
        false => Err(Failure::new(Exit::Failed, failed.join("\n"))),
    }
}

fn confirm(cluster: &str, args: &DestroyArgs, ui: &Ui) -> Result<(), Failure> {
    let data = if args.with_data { ", WITH ALL ITS DATA" } else { "; its data disks stay" };
    let answer = match &args.confirm {
        Some(name) => Some(name.clone()),
        None => ui.ask(&format!("This removes cluster {cluster}{data}. Type its name to go on:")),
    };
    match answer {
        Some(answer) if answer == cluster => Ok(()),
        Some(answer) => {
            Err(Failure::new(Exit::NotConfirmed, format!("nothing was done: {answer:?} is not {cluster:?}")))
        }
        None => {
            let message = format!("nothing was done: there is no terminal to ask at; say --confirm {cluster}");
            Err(Failure::new(Exit::NotConfirmed, message))
        }
    }
}

/// What is kept should be whole: file systems and databases are closed before the power goes.
fn shut_down(libvirt: &dyn Hypervisor, what: &Destruction, patience: Duration, ui: &Ui) -> Result<(), HypervisorError> {
    if patience.is_zero() {
        return Ok(());
    }
    let start = Instant::now();
    let mut running = Vec::new();
    for domain in &what.domains {
        if libvirt.is_running(domain)? {
            ui.event(Event { subject: domain.clone(), message: "shutting down".to_owned() });
            // A guest that does not listen gets its time all the same.
            let _ = libvirt.shutdown_domain(domain);
            running.push(domain);
        }
    }
    while !running.is_empty() && start.elapsed() < patience {
        std::thread::sleep(POLL);
        running.retain(|domain| libvirt.is_running(domain).unwrap_or(false));
    }
    for domain in running {
        let message = "does not shut down by itself: cutting the power".to_owned();
        ui.event(Event { subject: domain.clone(), message });
    }
    Ok(())
}

/// Domains last of what names the cluster: an interrupted run finds what is left.
fn destroy(
    libvirt: &dyn Hypervisor,
    state: &State,
    hypervisor: &str,
    session: &Session,
    what: &Destruction,
    ui: &Ui,
) -> Result<(), HypervisorError> {
    let say = |message: String| ui.event(Event { subject: hypervisor.to_owned(), message });
    let pool = session.pools().remove(hypervisor).unwrap_or_default();
    let domains = || state.domains.iter().filter(|domain: &&Domain| what.domains.contains(&domain.name));
    for domain in domains() {
        libvirt.stop_domain(&domain.name)?;
    }
    for volume in &what.volumes {
        say(format!("deleting volume {volume}"));
        libvirt.delete_volume(&pool, volume)?;
    }
    for domain in domains() {
        say(format!("removing domain {}", domain.name));
        libvirt.undefine_domain(&domain.name)?;
    }
    for network in &what.networks {
        say(format!("removing network {network}"));
        libvirt.remove_network(network)?;
    }
    for volume in &what.kept {
        say(format!("keeping data disk {volume}"));
    }
    Ok(())
}
