//! Opens the two sides of a command and compares them.

use super::operand::{Operand, Selection, operands};
use super::secrets::Secrets;
use crate::build::{BuildError, Prepared, Preview, Sealed};
use crate::cli::out::beside;
use crate::cli::{Failure, Ui};
use crate::diff::{Diff, Options, Side, SideInfo, SideKind, diff};
use crate::edge::inputs::Inputs;
use crate::edge::output::Output;
use crate::edge::sides::{BundleSide, GitError, OutputSide, Revision};
use crate::pki::Keys;
use crate::plan::Pins;
use crate::render::Renderer;
use crate::tree::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A side before anything is rendered.
pub(super) enum Loaded {
    Output(Box<OutputSide>, String),
    Bundle(Box<BundleSide>),
    Inputs(Box<Spec>),
}

/// A spec with all that belongs to it.
pub(super) struct Spec {
    info: SideInfo,
    pub inputs: Inputs,
    pub prepared: Prepared,
    /// Sealed files of a revision; those of the working spec are on disk.
    pub sealed: Option<BTreeMap<String, Vec<u8>>>,
}

/// Opens both sides and compares them.
pub fn compare(selection: &Selection, mut options: Options, ui: &Ui) -> Result<Diff, Failure> {
    let (old, new) = operands(selection)?;
    let opener = Opener { selection, ui };
    let (new, old) = opener.both(&new, &old)?;
    if let (Some(one), Some(other)) = (old.cluster(), new.cluster())
        && one != other
    {
        let failure = Failure::wrong(format!("these are two clusters: {one} and {other}"));
        return Err(failure.help("compare a cluster with itself; --cluster NAME chooses one of an output folder"));
    }
    let (old, new) = (old.beside(&new, &mut options), new);
    let keys = Secrets::open(&old, &new, &mut options)?;
    let overlays = [&old, &new].iter().any(|side| matches!(side, Loaded::Output(output, _) if output.has_overlays()));
    old.with(keys.old.as_ref(), overlays, ui, &mut |before| {
        new.with(keys.new.as_ref(), overlays, ui, &mut |after| Ok(diff(before, after, &options)?))
    })
}

struct Opener<'a> {
    selection: &'a Selection,
    ui: &'a Ui,
}

impl Opener<'_> {
    /// The new side says which cluster of an output folder is meant, where the old one does not say so itself.
    fn both(&self, new: &Operand, old: &Operand) -> Result<(Loaded, Loaded), Failure> {
        let built = |operand: &Operand| !matches!(operand, Operand::Spec | Operand::Revision(_));
        let (new, early) = if built(new) && built(old) {
            // Most folders have one cluster.
            let (new, early) = rayon::join(|| self.load(new, None), || self.load(old, None));
            (new?, early.ok())
        } else {
            (self.load(new, None)?, None)
        };
        let old = early.map_or_else(|| self.load(old, new.cluster()), Ok)?;
        Ok((new, old))
    }

    fn load(&self, operand: &Operand, cluster: Option<&str>) -> Result<Loaded, Failure> {
        match operand {
            Operand::Spec => self.spec(),
            Operand::Revision(revision) => self.revision(revision),
            Operand::Bundle(digest) => {
                let info =
                    SideInfo { label: digest.as_str()[..19].to_owned(), kind: SideKind::Bundle, ..SideInfo::default() };
                Ok(Loaded::Bundle(Box::new(BundleSide::new(self.output()?, *digest, info)?)))
            }
            Operand::LastBuild => self.build(self.output()?, cluster, None),
            Operand::Build(number) => self.build(self.output()?, cluster, Some(*number)),
            Operand::Folder(path) => self.folder(path, cluster),
        }
    }

    fn output(&self) -> Result<Output, Failure> {
        let out = self.selection.out.clone();
        Ok(Output::open(&out.unwrap_or_else(|| beside(&self.selection.file)))?)
    }

    /// An output folder, or one cluster's folder in it.
    fn folder(&self, path: &Path, cluster: Option<&str>) -> Result<Loaded, Failure> {
        if !path.join("build.json").is_file() {
            return self.build(Output::open(path)?, cluster, None);
        }
        let whole = path.canonicalize().map_err(|error| Failure::machine(format!("{}: {error}", path.display())))?;
        let name = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let root = whole.parent().unwrap_or(Path::new("/"));
        self.build(Output::open(root)?, Some(&name), None)
    }

    fn build(&self, output: Output, cluster: Option<&str>, number: Option<u64>) -> Result<Loaded, Failure> {
        let root = output.root().display().to_string();
        let name = match self.selection.cluster.as_deref().or(cluster) {
            Some(name) => name.to_owned(),
            None => {
                let all: Vec<String> = output.clusters()?.into_iter().collect();
                match all.as_slice() {
                    [one] => one.clone(),
                    [] => return Err(Failure::wrong(format!("nothing has been built in {root}")).help(NOTHING_BUILT)),
                    several => {
                        let failure = Failure::wrong(format!("{root} has several clusters: {}", several.join(", ")));
                        return Err(failure.help("choose one with --cluster NAME"));
                    }
                }
            }
        };
        let record = match number {
            Some(number) => output.build(&name, number)?.ok_or_else(|| {
                let kept: Vec<String> = output.builds(&name).unwrap_or_default().iter().map(u64::to_string).collect();
                let failure = Failure::wrong(format!("{root} keeps no build {number} of {name}"));
                failure.help(format!("there is build {}", kept.join(", ")))
            })?,
            None => output.record(&name)?.ok_or_else(|| {
                Failure::wrong(format!("no cluster {name:?} has been built in {root}")).help(NOTHING_BUILT)
            })?,
        };
        let label = format!(
            "build {}{}",
            record.number,
            if self.selection.old.is_some() { format!(" in {root}") } else { String::new() }
        );
        let info = SideInfo { label, kind: SideKind::Build, ..SideInfo::default() };
        Ok(Loaded::Output(Box::new(OutputSide::new(output, &name, record, number.is_none(), info)), name))
    }

    fn spec(&self) -> Result<Loaded, Failure> {
        let file = &self.selection.file;
        let inputs = Inputs::read(file).map_err(|error| crate::cli::build::failure(self.ui, file, "", error.into()))?;
        let info = SideInfo { label: inputs.file.display().to_string(), kind: SideKind::Spec, ..SideInfo::default() };
        self.prepared(info, inputs, None)
    }

    fn revision(&self, revision: &str) -> Result<Loaded, Failure> {
        let Revision { label, inputs, sealed } = Revision::read(&self.selection.file, revision)?;
        let info = SideInfo { label, kind: SideKind::Revision, ..SideInfo::default() };
        self.prepared(info, inputs, Some(sealed))
    }

    fn prepared(
        &self,
        info: SideInfo,
        inputs: Inputs,
        sealed: Option<BTreeMap<String, Vec<u8>>>,
    ) -> Result<Loaded, Failure> {
        let prepared = Prepared::new(&inputs).map_err(|error| spec_failure(self.ui, &inputs, error))?;
        Ok(Loaded::Inputs(Box::new(Spec { info, inputs, prepared, sealed })))
    }
}

const NOTHING_BUILT: &str = "run `kubi build` first, or name two sides, such as main..HEAD";

fn spec_failure(ui: &Ui, inputs: &Inputs, error: BuildError) -> Failure {
    crate::cli::build::failure(ui, &inputs.file, &inputs.text, error)
}

impl Loaded {
    fn cluster(&self) -> Option<&str> {
        match self {
            Self::Output(_, cluster) => Some(cluster),
            Self::Bundle(bundle) => Some(&bundle.cluster),
            Self::Inputs(spec) => Some(&spec.prepared.cluster.metadata.name),
        }
    }

    /// A bundle is compared with another bundle whosever it is, else with its node on the other side.
    fn beside(self, other: &Self, options: &mut Options) -> Self {
        match (self, other) {
            (Self::Bundle(one), Self::Bundle(two)) if one.node != two.node => {
                options.notes.push(format!("bundles of two nodes: {} and {}", one.node, two.node));
                Self::Bundle(Box::new(one.named(&two.node)))
            }
            (Self::Bundle(one), other) => {
                if !matches!(other, Self::Bundle(_)) {
                    options.nodes = vec![one.node.clone()];
                }
                Self::Bundle(one)
            }
            (this, Self::Bundle(two)) => {
                options.nodes = vec![two.node.clone()];
                this
            }
            (this, _) => this,
        }
    }

    fn with<T>(
        &self,
        keys: Option<&Keys>,
        overlays: bool,
        ui: &Ui,
        then: &mut dyn FnMut(&dyn Side) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match (self, keys) {
            (Self::Output(output, _), _) => then(output.as_ref()),
            (Self::Bundle(bundle), _) => then(bundle.as_ref()),
            (Self::Inputs(spec), Some(keys)) => spec.with(keys, overlays, ui, then),
            (Self::Inputs(_), None) => Err(Failure::secret("there are no keys to render the spec with")),
        }
    }

    pub fn spec(&self) -> Option<&Spec> {
        match self {
            Self::Inputs(spec) => Some(spec),
            _ => None,
        }
    }
}

impl Spec {
    fn with<T>(
        &self,
        keys: &Keys,
        overlays: bool,
        ui: &Ui,
        then: &mut dyn FnMut(&dyn Side) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        // Without a lock nothing could be built, but what it would pin can be compared all the same.
        let pins = if self.inputs.lock_text.is_empty() { Pins::Open } else { Pins::Required };
        let plan = self.prepared.plan(pins).map_err(|error| spec_failure(ui, &self.inputs, error))?;
        if keys.are_slow() {
            let bar = ui.progress(0, "RSA keys");
            keys.prepare(&plan.key_names(), &|done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            });
            bar.finish_and_clear();
        }
        let renderer = Renderer::new(&plan, keys).map_err(|error| spec_failure(ui, &self.inputs, error.into()))?;
        let sealed = self.sealed(plan.sealed_files());
        let side = Preview::new(self.info.clone(), &self.prepared, &plan, keys, &renderer, sealed, overlays);
        then(&side)
    }

    /// Digests of sealed files, as the side has them.
    fn sealed(&self, files: BTreeSet<String>) -> Sealed {
        let of_revision = |sealed: &BTreeMap<String, Vec<u8>>| {
            files.iter().filter_map(|file| Some((file.clone(), Digest::of(sealed.get(file)?)))).collect()
        };
        Sealed {
            root: self.inputs.sealed_root.as_deref().map(Digest::of),
            files: self.sealed.as_ref().map_or_else(|| self.inputs.digests(files.clone()), of_revision),
        }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let failure = match &error {
            GitError::Process(_) | GitError::Answer(_) => Failure::machine(&error),
            _ => Failure::wrong(&error),
        };
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}
