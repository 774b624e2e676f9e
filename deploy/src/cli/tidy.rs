//! After an apply: what only builds needed that are too old to go back to leaves the pools.

use super::{Failure, Ui};
use crate::apply::{Event, Report};
use crate::build::Build;
use crate::edge::Session;
use crate::hypervisor::Hypervisor as _;
use crate::plan::leftovers;

/// A hypervisor that cannot be reached keeps the builds remembered, so that it is tidied another time.
pub fn tidy(session: &Session, ui: &Ui) -> Result<(), Failure> {
    let (mut old, kept) = session.folder.old_and_kept();
    // After going back, the build that runs may be older than those that can be gone back to.
    old.retain(|number| *number != session.build.number);
    let missed = |(name, result): (&String, &Result<_, _>)| result.is_err() && !session.lost.contains(name);
    if old.is_empty() || session.hypervisors.iter().any(missed) {
        return Ok(());
    }
    // A folder that was interrupted while it was written names nothing.
    let load = |numbers: &[u64]| -> Vec<Build> {
        numbers.iter().filter_map(|number| session.folder.deployed(*number).ok()).collect()
    };
    let (old_builds, kept_builds) = (load(&old), load(&kept));
    let newest = session.folder.build()?;
    let kept_builds: Vec<&Build> = kept_builds.iter().chain([&newest, &session.build]).collect();
    for hypervisor in session.declared.values() {
        let Some(Ok(libvirt)) = session.libvirt(&hypervisor.name) else { continue };
        for volume in leftovers(&old_builds, &kept_builds, &libvirt.observe(&hypervisor.pool)?) {
            ui.event(Event { subject: hypervisor.name.clone(), message: format!("deleting old image {volume}") });
            libvirt.delete_volume(&hypervisor.pool, &volume)?;
        }
    }
    old.iter().try_for_each(|number| session.folder.forget(*number))?;
    Ok(())
}
