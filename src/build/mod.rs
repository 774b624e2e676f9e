//! The main job: reads a cluster's folder and publishes bundles, review trees, overlays and libvirt files.
//!
//! Puts the pure stages in order and lets the edge read and write. A node whose plan and inputs did not change is neither
//! rendered nor written again; a build whose inputs did not change looks at names only.

mod artifacts;
mod deploy;
mod error;
mod facts;
mod fingerprint;
mod images;
mod nodes;
mod preview;
mod summary;
mod verify;

pub use error::BuildError;
pub use facts::{Sealed, facts};
pub use preview::Preview;
pub use summary::{Summary, SummaryNode};
pub use verify::{OverlayProof, prove_overlays};

use crate::artifact::{Catalog, Lock};
use crate::edge::cache::Cache;
use crate::edge::inputs::Inputs;
use crate::edge::keys::{open_keys, unlock};
use crate::edge::output::{Output, OutputError};
use crate::edge::publish::{Build, Publication};
use crate::libvirt::DEPLOY_JSON;
use crate::pki::{KeyPair, Keys};
use crate::plan::{Pins, Plan, plan};
use crate::recipe::{Recipes, built_in, load};
use crate::render::Renderer;
use crate::spec::{Cluster, Facts, Problem, read, read_with};
use crate::template::Templates;
use crate::tree::Digest;
use std::path::{Path, PathBuf};

/// Whether to write disk images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Images {
    /// What can be written: overlays when the base image is there, artifact disks when their bytes are.
    Auto,
    /// All of them, or fail.
    Always,
    /// Bundles and review trees only.
    Never,
}

/// What to build, and how to report on the way.
pub struct Request<'a> {
    pub inputs: &'a Inputs,
    pub out: PathBuf,
    pub cache: &'a Cache,
    pub images: Images,
    pub progress: &'a dyn Progress,
}

/// Told what is going on. Called from many threads.
pub trait Progress: Sync {
    fn warnings(&self, _problems: &[Problem]) {}
    /// The spec is good, and this is what it says.
    fn checked(&self, _cluster: &Cluster) {}
    /// Another build holds the output.
    fn waiting(&self, _out: &Path) {}
    fn nodes(&self, _total: usize) {}
    /// RSA keys are being made: how many are done, of how many.
    fn keys(&self, _done: usize, _total: usize) {}
    /// A node is about to be rendered; its name, for who watches over templates that never end.
    fn node_started(&self, _node: &str) {}
    fn node_done(&self, _node: &str) {}
}

/// The stages before any secret is needed: spec, lock, catalog, recipes and templates.
#[derive(Debug)]
pub struct Prepared {
    pub cluster: Cluster,
    pub lock: Lock,
    pub catalog: Catalog,
    pub recipes: Recipes,
    pub templates: Templates,
    pub warnings: Vec<Problem>,
}

impl Prepared {
    /// Parses and checks; every problem of the spec is reported together.
    pub fn new(inputs: &Inputs) -> Result<Self, BuildError> {
        let facts = Facts::default();
        let locked = || -> Result<(Lock, Catalog), BuildError> {
            let catalog = inputs.catalog()?;
            Ok((inputs.checked_lock(&catalog)?, catalog))
        };
        let recipes = || -> Result<(Recipes, Templates), BuildError> {
            let recipes = load(built_in(), inputs.own_recipes.clone())?;
            let templates = Templates::compile(&recipes)?;
            Ok((recipes, templates))
        };
        let (recipes, (read, locked)) = rayon::join(recipes, || rayon::join(|| read(&inputs.text, &facts), locked));
        let (lock, catalog) = locked?;
        let (recipes, templates) = recipes?;
        if let Ok((cluster, warnings)) = read {
            return Ok(Self { cluster, lock, catalog, recipes, templates, warnings });
        }
        let recipes_say = |cluster: &Cluster| {
            let found = plan(cluster, &recipes, &templates, &lock, Pins::Open).err().unwrap_or_default();
            // The spec's own checks have said more about addresses already.
            found.into_iter().filter(|problem| problem.is_error() && problem.code != "pod-cidr").collect()
        };
        let (cluster, warnings) = read_with(&inputs.text, &facts, &recipes_say).map_err(BuildError::Spec)?;
        Ok(Self { cluster, lock, catalog, recipes, templates, warnings })
    }

    /// Plans all nodes; the warnings of the spec come with the plan's.
    pub fn plan(&self, pins: Pins) -> Result<Plan<'_>, BuildError> {
        let planned = plan(&self.cluster, &self.recipes, &self.templates, &self.lock, pins);
        let with_warnings = |mut problems: Vec<Problem>| {
            problems.splice(0..0, self.warnings.iter().cloned());
            problems
        };
        match planned {
            Ok(mut plan) => {
                plan.warnings = with_warnings(plan.warnings);
                Ok(plan)
            }
            Err(problems) => Err(BuildError::Spec(with_warnings(problems))),
        }
    }
}

/// Builds, or finds that there is nothing to do.
pub fn build(request: &Request<'_>) -> Result<Summary, BuildError> {
    let inputs = fingerprint::of_build(request);
    if let Some(summary) = current(request, &inputs)? {
        return Ok(summary);
    }
    let (prepared, begun) = rayon::join(|| Prepared::new(request.inputs), || begin_again(request));
    let prepared = prepared?;
    let (publication, build, summary) = {
        let (plan, unlocked) = rayon::join(
            || prepared.plan(Pins::Required),
            || {
                KeyPair::prepare_p256();
                unlock(request.inputs)
            },
        );
        let plan = plan?;
        request.progress.warnings(&plan.warnings);
        request.progress.checked(&prepared.cluster);
        let keys = open_keys(unlocked?, &plan)?;
        prepare_keys(request, &plan, &keys);
        let images = images::Source::open(request, &prepared)?;
        let publication = publication(request, &prepared.cluster.metadata.name, begun)?;
        let renderer = Renderer::new(&plan, &keys)?;
        let context = nodes::Context {
            request,
            prepared: &prepared,
            plan: &plan,
            keys: &keys,
            renderer: &renderer,
            images: &images,
            publication: &publication,
        };
        let (build, summary) = fill(&context, inputs)?;
        (publication, build, summary)
    };
    // While the disk is waited for, what is no longer needed is taken apart.
    let (record, ()) = rayon::join(|| publication.commit(build), || drop(prepared));
    Ok(summary.finished(&record?))
}

/// Begins with the output of a cluster that was built before, while its spec is still being read.
fn begin_again(request: &Request<'_>) -> Option<Result<Publication, OutputError>> {
    let cluster = fingerprint::cluster_name(&request.inputs.text)?;
    let built = request.out.join(cluster).join("build.json").exists();
    built.then(|| begin(request, cluster))
}

fn begin(request: &Request<'_>, cluster: &str) -> Result<Publication, OutputError> {
    Publication::begin(&request.out, cluster, &mut || request.progress.waiting(&request.out))
}

fn publication(
    request: &Request<'_>,
    cluster: &str,
    begun: Option<Result<Publication, OutputError>>,
) -> Result<Publication, OutputError> {
    // The lock is let go before it is taken again.
    match begun.filter(|begun| !matches!(begun, Ok(begun) if begun.cluster() != cluster)) {
        Some(begun) => begun,
        None => begin(request, cluster),
    }
}

/// RSA keys take seconds to minutes each: all of them are made first, with progress, and not one by one on the way.
fn prepare_keys(request: &Request<'_>, plan: &Plan<'_>, keys: &Keys) {
    if keys.are_slow() {
        keys.prepare(&plan.key_names(), &|done, total| request.progress.keys(done, total));
    }
}

/// The summary of a build that is there already.
fn current(request: &Request<'_>, inputs: &Digest) -> Result<Option<Summary>, BuildError> {
    let Some(cluster) = fingerprint::cluster_name(&request.inputs.text) else { return Ok(None) };
    let output = Output::open(&request.out)?;
    let record = output.current(cluster, env!("CARGO_PKG_VERSION"), inputs)?;
    Ok(record.map(|record| Summary::unchanged(cluster, &request.out, &record)))
}

/// Makes every file and adds it to the publication.
fn fill(context: &nodes::Context<'_>, inputs: Digest) -> Result<(Build, Summary), BuildError> {
    let nodes::Context { publication, keys, images, .. } = context;
    let beside_nodes = || -> Result<_, BuildError> {
        facts::write(context)?;
        Ok((context.renderer.operator()?, publication.previous_deploy_file(DEPLOY_JSON)))
    };
    let (built, beside_nodes) = rayon::join(|| nodes::build_all(context), beside_nodes);
    let (built, (operator, before)) = (built?, beside_nodes?);
    let disks = artifacts::write(context)?;
    let mut shared = disks.images();
    images.publish(publication, &mut shared)?;
    for file in &operator {
        publication.operator_file(&file.name, &file.contents.fill(*keys)?)?;
    }
    let for_others = || -> Result<Summary, BuildError> {
        publication.index(&built.iter().map(|node| (node.name.as_str(), node.record.bundle)).collect())?;
        Ok(Summary::built(context, &built, &disks))
    };
    let (deploy, summary) =
        rayon::join(|| deploy::write(context, &built, &disks, &operator, before.as_deref()), for_others);
    let (deploy, summary) = (deploy?, summary?);
    let nodes = built.into_iter().map(|node| (node.name, node.record)).collect();
    let build = Build { kubi: env!("CARGO_PKG_VERSION").to_owned(), inputs, nodes, images: shared, deploy };
    Ok((build, summary))
}
