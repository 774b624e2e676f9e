//! What the two sides on the command line mean.

use crate::cli::Failure;
use crate::tree::Digest;
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
pub(super) enum Operand {
    Folder(PathBuf),
    LastBuild,
    Build(u64),
    Bundle(Digest),
    Revision(String),
    Spec,
}

/// The old and the new side.
pub(super) fn operands(selection: &Selection) -> Result<(Operand, Operand), Failure> {
    let parse = |text: &String| Operand::parse(text);
    match (&selection.old, &selection.new) {
        (Some(old), None) if let Some((from, to)) = range(old) => {
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

/// The two revisions of `OLD..NEW`. A path that goes up is none: revisions neither begin nor end with a slash
/// (git-check-ref-format(1)).
fn range(text: &str) -> Option<(&str, &str)> {
    let (from, to) = text.split_once("..")?;
    let path = from.ends_with('/') || to.starts_with('/') || text == ".." || Path::new(text).exists();
    (!path).then_some((from, to))
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

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn paths_are_no_ranges() {
        for path in ["../gone", "..", "a/../b", "../..", "/x/../y", "main"] {
            assert_eq!(range(path), None, "{path}");
        }
        assert_eq!(range("main..HEAD~1"), Some(("main", "HEAD~1")));
        assert_eq!(range("..topic/x"), Some(("", "topic/x")));
        assert_eq!(range("a...b"), Some(("a", ".b")));
    }
}
