//! A cluster's folder as a git revision has it, read by git's plumbing: no checkout, no index, no hook is touched.

use crate::edge::inputs::{Inputs, sealed_names};
use crate::edge::process::{ProcessError, Program};
use crate::recipe::Files;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const GIT: Program = Program { name: "git", package: "git" };
/// Object names written to git at a time: few enough to fit into a pipe.
const BATCH: usize = 500;
/// As for folders on disk.
const MAX_FILE: usize = 64 << 20;

/// What a revision cannot give.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("{folder} is in no git repository, so {revision:?} is neither a revision nor a folder that was built into")]
    NoRepository { folder: String, revision: String },
    #[error("{revision:?} is neither a folder that was built into nor a revision of the git repository {repository}")]
    NoRevision { revision: String, repository: String },
    #[error("revision {revision} has no {file}")]
    NoSpec { revision: String, file: String },
    #[error("revision {revision}: {file} is no UTF-8 text")]
    Text { revision: String, file: String },
    #[error("revision {revision}: {file} is a link, a submodule or larger than 64 MiB")]
    NoPlainFile { revision: String, file: String },
    #[error("git's answer is not understood: {0}")]
    Answer(&'static str),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl GitError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoRepository { .. } | Self::NoRevision { .. } => Some(
                "give a revision such as main, HEAD~1 or main..HEAD (a shallow clone has few), a folder of `kubi build`, \
                 build:NUMBER, or the digest of a bundle"
                    .to_owned(),
            ),
            Self::NoSpec { .. } => {
                Some("name the spec with -f as that revision has it, or choose a newer one".to_owned())
            }
            Self::Text { .. } => Some("correct it in a new commit; this one cannot be built either".to_owned()),
            Self::NoPlainFile { .. } => Some(
                "a revision is read without a checkout: put the file itself in the link's place, or build that revision and \
                 compare with its folder"
                    .to_owned(),
            ),
            Self::Answer(_) | Self::Process(_) => None,
        }
    }
}

/// A cluster's folder in one commit.
#[derive(Debug)]
pub struct Revision {
    /// As the user wrote it, with the beginning of the commit's name.
    pub label: String,
    pub inputs: Inputs,
    /// Sealed files by path relative to the folder.
    pub sealed: BTreeMap<String, Vec<u8>>,
}

impl Revision {
    /// Reads the spec at `file` and everything that belongs to it, as `revision` has them.
    pub fn read(file: &Path, revision: &str) -> Result<Self, GitError> {
        let file = if file.is_dir() { file.join("cluster.yaml") } else { file.to_owned() };
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
        let repository = Repository::find(&folder, revision)?;
        let commit = repository.commit(revision)?;
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let files = repository.files(&commit, revision, &name)?;
        let label = format!("{revision} ({})", commit.get(..7).unwrap_or(&commit));
        Self::from_files(label, revision, folder, &name, files)
    }

    fn from_files(
        label: String,
        revision: &str,
        folder: PathBuf,
        name: &str,
        mut files: BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, GitError> {
        let text = |file: &str, bytes: Vec<u8>| {
            let fail = |_| GitError::Text { revision: revision.to_owned(), file: file.to_owned() };
            String::from_utf8(bytes).map_err(fail)
        };
        let missing =
            || GitError::NoSpec { revision: revision.to_owned(), file: folder.join(name).display().to_string() };
        let spec = text(name, files.remove(name).ok_or_else(missing)?)?;
        let lock_text = files.remove("kubi.lock").map_or(Ok(String::new()), |bytes| text("kubi.lock", bytes))?;
        let catalog =
            files.remove("vendor/catalog.yaml").map(|bytes| text("vendor/catalog.yaml", bytes)).transpose()?;
        let sealed_root = files.remove("secrets/root.age");
        let mut own_recipes = Files::new();
        let mut sealed = BTreeMap::new();
        for (path, bytes) in files {
            match path.strip_prefix("recipes/") {
                Some(below) => drop(own_recipes.insert(below.to_owned(), bytes)),
                None => drop(sealed.insert(path, bytes)),
            }
        }
        // Errors name the spec as the revision has it: it may differ from the file on disk.
        let file = PathBuf::from(format!("{label}:{}", folder.join(name).display()));
        let inputs = Inputs { file, folder, text: spec, lock_text, own_recipes, sealed_root, own_catalog: catalog };
        Ok(Self { label, inputs, sealed })
    }
}

/// A repository and where in it the cluster's folder lies.
struct Repository {
    root: String,
    /// With a final slash, or empty.
    prefix: String,
}

impl Repository {
    fn find(folder: &Path, revision: &str) -> Result<Self, GitError> {
        let ask = |what: &str| -> Result<String, ProcessError> {
            let folder = folder.display().to_string();
            let answer = GIT.run(["-C", &folder, "rev-parse", what], &quiet(), b"")?;
            Ok(String::from_utf8_lossy(&answer).trim_end_matches('\n').to_owned())
        };
        let root = ask("--show-toplevel").map_err(|error| match error {
            ProcessError::Failed { output, .. } if output.contains("not a git repository") => {
                GitError::NoRepository { folder: folder.display().to_string(), revision: revision.to_owned() }
            }
            other => other.into(),
        })?;
        Ok(Self { root, prefix: ask("--show-prefix")? })
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, ProcessError> {
        let all = ["-C", self.root.as_str()].into_iter().chain(arguments.iter().copied());
        GIT.run(all, &quiet(), input)
    }

    /// The full name of the commit that `revision` means.
    fn commit(&self, revision: &str) -> Result<String, GitError> {
        let wanted = format!("{revision}^{{commit}}");
        let found = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted], b"");
        match found {
            Ok(name) => Ok(String::from_utf8_lossy(&name).trim().to_owned()),
            Err(ProcessError::Failed { .. }) => {
                Err(GitError::NoRevision { revision: revision.to_owned(), repository: self.root.clone() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Files of the cluster's folder that a build of the spec `name` reads, by path relative to it.
    fn files(&self, commit: &str, revision: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let listed = self.list(commit)?;
        let read = |wanted: &dyn Fn(&str) -> bool| -> Result<BTreeMap<String, Vec<u8>>, GitError> {
            let wanted = listed.iter().filter(|(path, _)| wanted(path));
            let plain = wanted.map(|(path, object)| match object {
                Some(object) => Ok((path.clone(), object.clone())),
                None => Err(no_plain_file(revision, path)),
            });
            self.contents(&plain.collect::<Result<Vec<_>, _>>()?, revision)
        };
        let mut files = read(&|path| path == name)?;
        let spec = String::from_utf8_lossy(files.get(name).map(Vec::as_slice).unwrap_or_default());
        let sealed = sealed_names(&spec);
        files.extend(read(&|path| path != name && (is_input(path) || sealed.contains(path)))?);
        Ok(files)
    }

    /// What lies in the cluster's folder, by path relative to it: each file's object, `None` for links and submodules.
    fn list(&self, commit: &str) -> Result<BTreeMap<String, Option<String>>, GitError> {
        let place = (!self.prefix.is_empty()).then_some(self.prefix.trim_end_matches('/'));
        let arguments = ["ls-tree", "-r", "-z", "--full-tree", commit, "--"];
        let listing = self.run(&arguments.into_iter().chain(place).collect::<Vec<_>>(), b"")?;
        let mut found = BTreeMap::new();
        for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            // A name that is no UTF-8 is none that a build reads.
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let (about, path) = line.split_once('\t').ok_or(GitError::Answer("ls-tree"))?;
            let Some(path) = path.strip_prefix(&self.prefix) else { continue };
            let fields: Vec<&str> = about.split(' ').collect();
            let object = match fields[..] {
                [mode, "blob", object] if mode != "120000" => Some(object.to_owned()),
                _ => None,
            };
            found.insert(path.to_owned(), object);
        }
        Ok(found)
    }

    fn contents(&self, wanted: &[(String, String)], revision: &str) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let mut files = BTreeMap::new();
        for batch in wanted.chunks(BATCH) {
            let objects: String = batch.iter().map(|(_, object)| format!("{object}\n")).collect();
            let answer = self.run(&["cat-file", "--batch"], objects.as_bytes())?;
            let mut rest = answer.as_slice();
            for (path, _) in batch {
                let bytes = next_object(&mut rest).ok_or(GitError::Answer("cat-file"))?;
                if bytes.len() > MAX_FILE {
                    return Err(no_plain_file(revision, path));
                }
                files.insert(path.clone(), bytes.to_vec());
            }
        }
        Ok(files)
    }
}

fn no_plain_file(revision: &str, path: &str) -> GitError {
    GitError::NoPlainFile { revision: revision.to_owned(), file: path.to_owned() }
}

/// Whether a build reads the file, besides the spec and what that imports. Folders are listed where they are links.
fn is_input(path: &str) -> bool {
    let file = matches!(path, "kubi.lock" | "vendor/catalog.yaml" | "secrets/root.age");
    file || matches!(path, "recipes" | "secrets") || path.starts_with("recipes/")
}

/// `OBJECT SP TYPE SP SIZE LF CONTENTS LF`, as `git cat-file --batch` answers.
fn next_object<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let size: usize = std::str::from_utf8(&rest[..end]).ok()?.rsplit(' ').next()?.parse().ok()?;
    let bytes = rest.get(end + 1..end + 1 + size)?;
    *rest = rest.get(end + 2 + size..)?;
    Some(bytes)
}

/// Nothing of the user's is changed, and nothing is asked.
fn quiet() -> [(&'static str, String); 2] {
    [("GIT_OPTIONAL_LOCKS", "0".to_owned()), ("GIT_TERMINAL_PROMPT", "0".to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_git_are_taken_apart() {
        let mut rest = b"abc blob 3\nx\ny\ndef blob 0\n\n".as_slice();
        assert_eq!(next_object(&mut rest), Some(b"x\ny".as_slice()));
        assert_eq!(next_object(&mut rest), Some(b"".as_slice()));
        assert_eq!(next_object(&mut rest), None);
        let mut missing = b"abc missing\n".as_slice();
        assert_eq!(next_object(&mut missing), None);
    }

    #[test]
    fn only_inputs_are_read() {
        for input in ["kubi.lock", "recipes/cni/x/recipe.yaml", "secrets/root.age", "vendor/catalog.yaml"] {
            assert!(is_input(input), "{input}");
        }
        for other in ["out/lab/build.json", "vendor/cache/x", "docs/x.md", "README.md", "secrets/old.age"] {
            assert!(!is_input(other), "{other}");
        }
    }
}
