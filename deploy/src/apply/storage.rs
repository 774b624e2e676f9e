//! Preparing one hypervisor: pool, networks, images.

use super::{ApplyError, World};
use crate::build::text_digest;
use crate::deployment::{Format, Image, Network};
use crate::hypervisor::{Hypervisor, HypervisorError, NewVolume};
use crate::plan::Step;
use crate::upload::{SEGMENT, marker, marker_size};
use sha2::{Digest as _, Sha256};
use std::io::Read;

pub fn prepare(world: &World<'_>, hypervisor: &dyn Hypervisor, step: &Step) -> Result<(), ApplyError> {
    match step {
        Step::CreatePool { hypervisor: name, pool, directory } => {
            world.say(name, format!("making pool {pool} in {directory}"));
            hypervisor.create_pool(pool, directory)?;
        }
        Step::StartPool { hypervisor: name, pool } => {
            world.say(name, format!("starting pool {pool}"));
            hypervisor.start_pool(pool)?;
        }
        Step::DefineNetwork { hypervisor: name, network } => {
            world.say(name, format!("defining network {network}"));
            define_network(world, hypervisor, name, network)?;
        }
        Step::StartNetwork { hypervisor: name, network } => {
            world.say(name, format!("starting network {network}"));
            hypervisor.start_network(network)?;
        }
        Step::ChangeNetwork { hypervisor: name, network, .. } => {
            stop_domains(world, hypervisor, name)?;
            world.say(name, format!("changing network {network}"));
            hypervisor.remove_network(network)?;
            define_network(world, hypervisor, name, network)?;
        }
        Step::Upload { hypervisor: name, file, done, .. } => {
            if let Some(image) = world.build.deployment.image(file) {
                upload(world, hypervisor, name, image, *done)?;
            }
        }
        Step::FirstBoot { .. }
        | Step::Nodes { .. }
        | Step::Remove(_)
        | Step::ForgetMember(_)
        | Step::RemoveNetwork { .. }
        | Step::Uncordon { .. } => {}
    }
    Ok(())
}

fn define_network(
    world: &World<'_>,
    hypervisor: &dyn Hypervisor,
    name: &str,
    network: &str,
) -> Result<(), HypervisorError> {
    let wanted = |found: &&Network| found.hypervisor == name && found.name == network;
    if let Some(found) = world.build.deployment.networks.iter().find(wanted) {
        hypervisor.define_network(world.build.network_xml(found))?;
        hypervisor.start_network(network)?;
    }
    Ok(())
}

/// A network that changes takes its bridge away from the domains on it.
fn stop_domains(world: &World<'_>, hypervisor: &dyn Hypervisor, name: &str) -> Result<(), ApplyError> {
    let state = hypervisor.observe(world.pool(name)?)?;
    let own = state.domains.iter().filter(|domain| domain.belongs_to(&world.build.deployment));
    for domain in own.filter(|domain| domain.running) {
        super::node::power_off(world, hypervisor, &domain.name)?;
    }
    Ok(())
}

/// Sends a file in segments, behind a marker that goes when the whole has been read back.
fn upload(
    world: &World<'_>,
    hypervisor: &dyn Hypervisor,
    name: &str,
    image: &Image,
    done: u64,
) -> Result<(), ApplyError> {
    let pool = world.pool(name)?;
    // A damaged file must not get anywhere.
    check_file(world, image)?;
    let mark = marker(&image.file);
    if done == 0 {
        world.say(name, format!("uploading {} ({} MiB)", image.file, image.size.div_ceil(1 << 20)));
        // The marker goes after the file and comes before it: a part without a marker would count as the whole.
        hypervisor.delete_volume(pool, &image.file)?;
        hypervisor.delete_volume(pool, &mark)?;
        hypervisor.create_volume(pool, &raw(&mark, marker_size(0)))?;
        hypervisor.create_volume(pool, &raw(&image.file, image.size))?;
    } else {
        world.say(name, format!("uploading {} from {} MiB on", image.file, done >> 20));
    }
    send(world, hypervisor, pool, image, done)?;
    let found = read_back(hypervisor, pool, image)?;
    if found != image.digest {
        // Starts at the first byte next time.
        hypervisor.delete_volume(pool, &image.file)?;
        return Err(ApplyError::UploadDamaged { hypervisor: name.to_owned(), volume: image.file.clone(), found });
    }
    hypervisor.delete_volume(pool, &mark)?;
    Ok(())
}

/// The bytes are those of the file, whatever format they are in.
fn raw(name: &str, size: u64) -> NewVolume {
    NewVolume { name: name.to_owned(), format: Format::Raw, capacity: Some(size), backing: None }
}

fn open(world: &World<'_>, image: &Image) -> Result<Box<dyn Read + Send>, ApplyError> {
    (world.open_image)(&image.file).map_err(|error| unreadable(image, &error))
}

fn unreadable(image: &Image, error: &std::io::Error) -> ApplyError {
    ApplyError::ImageMissing { file: image.file.clone(), reason: error.to_string() }
}

fn check_file(world: &World<'_>, image: &Image) -> Result<(), ApplyError> {
    let mut hash = Sha256::new();
    let mut file = open(world, image)?;
    std::io::copy(&mut file, &mut HashWriter(&mut hash)).map_err(|error| unreadable(image, &error))?;
    let found = text_digest(&hash.finalize());
    if found == image.digest {
        return Ok(());
    }
    Err(ApplyError::ImageDamaged { file: image.file.clone(), wanted: image.digest.clone(), found })
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn send(
    world: &World<'_>,
    hypervisor: &dyn Hypervisor,
    pool: &str,
    image: &Image,
    done: u64,
) -> Result<(), ApplyError> {
    let mut file = open(world, image)?;
    std::io::copy(&mut file.by_ref().take(done), &mut std::io::sink()).map_err(|error| unreadable(image, &error))?;
    let mut offset = done;
    let mut segment = Vec::new();
    while offset < image.size {
        segment.clear();
        file.by_ref().take(SEGMENT).read_to_end(&mut segment).map_err(|error| unreadable(image, &error))?;
        if segment.is_empty() {
            let reason = "it is shorter than it was a moment ago".to_owned();
            return Err(ApplyError::ImageMissing { file: image.file.clone(), reason });
        }
        hypervisor.write_volume(pool, &image.file, offset, &segment)?;
        offset += segment.len() as u64;
        if offset < image.size {
            hypervisor.grow_volume(pool, &marker(&image.file), marker_size(offset / SEGMENT))?;
        }
    }
    Ok(())
}

fn read_back(hypervisor: &dyn Hypervisor, pool: &str, image: &Image) -> Result<String, ApplyError> {
    let mut hash = Sha256::new();
    let mut offset = 0;
    while offset < image.size {
        let bytes = hypervisor.read_volume(pool, &image.file, offset, SEGMENT.min(image.size - offset))?;
        if bytes.is_empty() {
            break;
        }
        hash.update(&bytes);
        offset += bytes.len() as u64;
    }
    Ok(text_digest(&hash.finalize()))
}
