//! Which two sides a command compares, and opening them.

use crate::build::{BuildError, Prepared, Preview};
use crate::cli::{Failure, Ui};
use crate::diff::{Diff, Options, Side, SideInfo, SideKind, diff};
use crate::edge::inputs::Inputs;
use crate::edge::keys::KeysError;
use crate::edge::output::Output;
use crate::edge::sides::{BundleSide, GitError, OutputSide, Revision, SideKeys, open_keys, stand_in};
use crate::plan::Pins;
use crate::render::Renderer;
use crate::tree::Digest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The sides of a comparison, as given on the command line.
#[derive(Debug, clap::Args)]
pub struct Selection {
    /// The old side, or OLD..NEW for two git revisions; the last build when not given
    pub old: Option<String>,
    /// The new side; the spec as it is now when not given
    pub new: Option<String>,
    /// The spec, or the directory that holds it as cluster.yaml
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub file: PathBuf,
    /// Where builds are, for build:NUMBER, digests and the last build; `out` beside the spec when not given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The cluster, where an output folder has several
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
}

/// What a side's name means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Folder(PathBuf),
    LastBuild,
    Build(u64),
    Bundle(Digest),
    Revision(String),
    Spec,
}

/// A side before anything is rendered.
enum Loaded {
    Output(Box<OutputSide>, String),
    Bundle(Box<BundleSide>),
    Inputs(Box<Spec>),
}

/// A spec with all that belongs to it.
struct Spec {
    info: SideInfo,
    inputs: Inputs,
    prepared: Prepared,
    /// Sealed files of a revision; those of the working spec are on disk.
    sealed: Option<BTreeMap<String, Vec<u8>>>,
}

/// Opens both sides and compares them.
pub fn compare(selection: &Selection, mut options: Options, ui: &Ui) -> Result<Diff, Failure> {
    let (old, new) = operands(selection)?;
    let opener = Opener { selection, ui };
    // The spec first: it says which cluster of an output folder is meant.
    let new = opener.load(&new, None)?;
    let old = opener.load(&old, new.cluster())?;
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

fn operands(selection: &Selection) -> Result<(Operand, Operand), Failure> {
    let parse = |text: &String| Operand::parse(text);
    match (&selection.old, &selection.new) {
        (Some(old), None) if old.contains("..") && !Path::new(old).exists() => {
            let (from, to) = old.split_once("..").unwrap_or((old, ""));
            let named = |text: &str| if text.is_empty() { "HEAD".to_owned() } else { text.to_owned() };
            if to.starts_with('.') {
                let failure = Failure::wrong(format!(
                    "{old:?}: three dots compare with a merge base, which kubi does not look for"
                ));
                return Err(failure.help("write OLD..NEW, or $(git merge-base OLD NEW)..NEW"));
            }
            Ok((Operand::Revision(named(from)), Operand::Revision(named(to))))
        }
        (old, new) => {
            Ok((old.as_ref().map_or(Ok(Operand::LastBuild), parse)?, new.as_ref().map_or(Ok(Operand::Spec), parse)?))
        }
    }
}

impl Operand {
    fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(number) = text.strip_prefix("build:") {
            let number = number.parse().map_err(|_| {
                Failure::wrong(format!("{text:?} names no build"))
                    .help("write build:3; `ls out/CLUSTER/builds` lists them")
            })?;
            return Ok(Self::Build(number));
        }
        if text.starts_with("sha256:") {
            let digest: Result<Digest, String> = text.parse();
            return digest.map(Self::Bundle).map_err(Failure::wrong);
        }
        let path = Path::new(text);
        let built = path.join("build.json").is_file() || path.join("store").is_dir();
        Ok(if built { Self::Folder(path.to_owned()) } else { Self::Revision(text.to_owned()) })
    }
}

struct Opener<'a> {
    selection: &'a Selection,
    ui: &'a Ui,
}

impl Opener<'_> {
    fn load(&self, operand: &Operand, cluster: Option<&str>) -> Result<Loaded, Failure> {
        match operand {
            Operand::Spec => self.spec(),
            Operand::Revision(revision) => self.revision(revision),
            Operand::Bundle(digest) => {
                let info =
                    SideInfo { label: digest.as_str()[..19].to_owned(), kind: SideKind::Bundle, ..SideInfo::default() };
                Ok(Loaded::Bundle(Box::new(BundleSide::new(self.output()?, digest.clone(), info)?)))
            }
            Operand::LastBuild => self.build(self.output()?, cluster, None),
            Operand::Build(number) => self.build(self.output()?, cluster, Some(*number)),
            Operand::Folder(path) => self.folder(path, cluster),
        }
    }

    fn output(&self) -> Result<Output, Failure> {
        let file = &self.selection.file;
        let folder = if file.is_dir() { Some(file.as_path()) } else { file.parent() };
        let beside = || folder.unwrap_or(Path::new("")).join("out");
        Ok(Output::open(&self.selection.out.clone().unwrap_or_else(beside))?)
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
        Ok(Loaded::Output(Box::new(OutputSide::new(output, &name, record, number.is_none(), info)?), name))
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
        keys: Option<&SideKeys>,
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

    fn spec(&self) -> Option<&Spec> {
        match self {
            Self::Inputs(spec) => Some(spec),
            _ => None,
        }
    }
}

impl Spec {
    fn with<T>(
        &self,
        keys: &SideKeys,
        overlays: bool,
        ui: &Ui,
        then: &mut dyn FnMut(&dyn Side) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        // Without a lock nothing could be built, but what it would pin can be compared all the same.
        let pins = if self.inputs.lock_text.is_empty() { Pins::Open } else { Pins::Required };
        let plan = self.prepared.plan(pins).map_err(|error| spec_failure(ui, &self.inputs, error))?;
        if keys.keys.are_slow() {
            let bar = ui.progress(0, "RSA keys");
            keys.keys.prepare(&plan.key_names(), &|done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            });
            bar.finish_and_clear();
        }
        let renderer =
            Renderer::new(&plan, &keys.keys).map_err(|error| spec_failure(ui, &self.inputs, error.into()))?;
        let sealed = self.inputs.sealed_root.as_deref();
        let side = Preview::new(self.info.clone(), &self.prepared, &plan, &keys.keys, &renderer, sealed, overlays);
        then(&side)
    }

    fn keys(&self) -> Result<SideKeys, KeysError> {
        let read = |file: &str| match &self.sealed {
            Some(sealed) => sealed.get(file).cloned(),
            None => std::fs::read(self.inputs.folder.join(file)).ok(),
        };
        open_keys(&self.inputs, &self.prepared.cluster, &read)
    }
}

/// Keys for the sides that are rendered.
struct Secrets {
    old: Option<SideKeys>,
    new: Option<SideKeys>,
}

impl Secrets {
    /// The real keys of both sides, or stand-ins for both.
    fn open(old: &Loaded, new: &Loaded, options: &mut Options) -> Result<Self, Failure> {
        let open = |side: &Loaded| side.spec().map(Spec::keys).transpose();
        let why = match (open(old), open(new)) {
            (Ok(old), Ok(new)) => return Ok(Self { old, new }),
            (Err(error), _) | (_, Err(error)) => error,
        };
        let sides = [old.spec(), new.spec()];
        let rendered = || sides.iter().flatten();
        let algorithms: Vec<_> = rendered().map(|spec| spec.prepared.cluster.spec.pki.algorithm).collect();
        let quick = algorithms.windows(2).all(|pair| pair[0] == pair[1]);
        let stand = |spec: Option<&Spec>| spec.and_then(|spec| stand_in(&spec.prepared.cluster, quick));
        let built = [old, new].iter().any(|side| side.spec().is_none());
        options.stand_in_keys = built;
        // They would be those of stand-ins.
        options.bundles = false;
        let compared = match built {
            true => {
                "keys of a build cannot be compared with them: secrets are compared by name and generation, certificates by everything but their keys"
            }
            false => "both sides have the same ones: rotations by generation show, another root secret would not",
        };
        options
            .notes
            .push(format!("the cluster's secrets could not be opened ({why}), so stand-in keys were used; {compared}"));
        if rendered().any(|spec| !spec.prepared.cluster.spec.pki.import.is_empty()) {
            options.notes.push(
                "imported authorities (spec.pki.import) were replaced by stand-ins and are not compared".to_owned(),
            );
        }
        Ok(Self { old: stand(sides[0]), new: stand(sides[1]) })
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
