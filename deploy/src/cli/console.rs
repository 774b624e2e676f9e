//! `console NODE`: what a node has printed, and what it prints. Nobody can log in there, so nothing is sent.

use super::{Cli, Exit, Failure, Outcome, Ui};
use crate::apply::console_file;
use crate::edge::Session;
use crate::hypervisor::Hypervisor as _;

/// What is shown of the past.
const PAST_BYTES: u64 = 64 << 10;

#[derive(Debug, clap::Args)]
pub struct ConsoleArgs {
    /// The node's name
    pub node: String,
    /// Ends after what has been printed so far
    #[arg(long)]
    pub no_follow: bool,
}

pub fn run(cli: &Cli, args: &ConsoleArgs, ui: &Ui) -> Outcome {
    let folder = cli.folder()?;
    let build = folder.build()?;
    let session = Session::open(folder, build)?;
    let node = session.build.deployment.node(&args.node);
    let node = node.ok_or_else(|| Failure::new(Exit::Blocked, format!("the build has no node {:?}", args.node)))?;
    let libvirt = match session.libvirt(&node.hypervisor) {
        Some(Ok(libvirt)) => libvirt,
        Some(Err(error)) => return Err(error.clone().into()),
        None => return Err(Failure::new(Exit::Failed, "the hypervisor was not asked")),
    };
    let pool = session.build.deployment.hypervisor(&node.hypervisor).map(|h| h.pool.clone()).unwrap_or_default();
    let file = console_file(&node.domain.name);
    if let Some(volume) = libvirt.observe(&pool)?.pool.and_then(|pool| pool.volumes.get(&file).copied()) {
        let offset = volume.capacity.saturating_sub(PAST_BYTES);
        ui.print(libvirt.read_volume(&pool, &file, offset, volume.capacity - offset)?);
    }
    if args.no_follow {
        return Ok(Exit::Done);
    }
    ui.note(format!("-- following {}; end with Ctrl-C", node.name));
    libvirt.follow_console(&node.domain.name, &mut |bytes| {
        ui.print(bytes);
        true
    })?;
    Ok(Exit::Done)
}
