//! A cluster's folder, `out/<cluster>`: the newest build, builds that were deployed before, images, credentials.

use crate::build::{Build, digest};
use crate::deployment::{Deployment, DeploymentError};
use crate::services::{Credentials, CredentialsError, KubeConfig, Pem};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "there is nothing to deploy in {out}: run `kubi build` first, with a base image pinned (`kubi base build`), or name the folder with --out"
    )]
    Nothing { out: PathBuf },
    #[error("{out} holds several clusters ({names}): choose one with --cluster NAME")]
    Several { out: PathBuf, names: String },
    #[error("{path}: {source}")]
    Deployment { path: PathBuf, source: DeploymentError },
    #[error("{path} is no build record: {source}. Run `kubi build`")]
    Record { path: PathBuf, source: serde_json::Error },
    #[error(
        "{path} is not the file of build {number}: a build is being published, or was interrupted while it was. Run `kubi build`, then this again"
    )]
    NotOfBuild { path: PathBuf, number: u64 },
    #[error("{path} does not describe what deploy.json says it does, or is no XML. Run `kubi build` again")]
    OtherXml { path: PathBuf },
    #[error("{path}: {source}")]
    Credentials { path: PathBuf, source: CredentialsError },
    #[error("build {number} was not deployed from here; {known}")]
    NotDeployed { number: u64, known: String },
    #[error("another kubi-deploy is at work on this cluster ({path} is locked): wait until it is done")]
    Busy { path: PathBuf },
}

/// What is read of `build.json`.
#[derive(Debug, Deserialize)]
struct Record {
    number: u64,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Folder {
    /// `out/<cluster>`.
    pub root: PathBuf,
}

impl Folder {
    /// The cluster that was asked for, or the only one in `out`.
    pub fn find(out: &Path, cluster: Option<&str>) -> Result<Self, FolderError> {
        let has_deployment = |root: &PathBuf| root.join("deploy/deploy.json").is_file();
        if let Some(name) = cluster {
            let root = out.join(name);
            return if has_deployment(&root) { Ok(Self { root }) } else { Err(FolderError::Nothing { out: root }) };
        }
        let entries = std::fs::read_dir(out).map_err(|_| FolderError::Nothing { out: out.to_owned() })?;
        let mut found: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(has_deployment).collect();
        found.sort();
        match found.len() {
            0 => Err(FolderError::Nothing { out: out.to_owned() }),
            1 => Ok(Self { root: found.swap_remove(0) }),
            _ => {
                let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
                Err(FolderError::Several { out: out.to_owned(), names: names.join(", ") })
            }
        }
    }

    /// The newest build.
    pub fn build(&self) -> Result<Build, FolderError> {
        load(&self.root.join("build.json"), &self.root)
    }

    /// A build that was deployed before.
    pub fn deployed(&self, number: u64) -> Result<Build, FolderError> {
        let folder = self.deployed_folder().join(number.to_string());
        if !folder.join("build.json").is_file() {
            let numbers: Vec<String> = self.deployed_numbers().iter().map(u64::to_string).collect();
            let known = match numbers.len() {
                0 => "no build was".to_owned(),
                _ => format!("these were: {}", numbers.join(", ")),
            };
            return Err(FolderError::NotDeployed { number, known });
        }
        load(&folder.join("build.json"), &folder)
    }

    pub fn deployed_folder(&self) -> PathBuf {
        self.root.join("deployed")
    }

    /// Ascending.
    pub fn deployed_numbers(&self) -> Vec<u64> {
        let entries = std::fs::read_dir(self.deployed_folder()).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut numbers: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    pub fn open_image(&self, build: &Build, file: &str) -> io::Result<Box<dyn Read + Send>> {
        let path = self.relative(&build.deployment.image_directory).join(file);
        Ok(Box::new(io::BufReader::with_capacity(1 << 20, File::open(path)?)))
    }

    /// The operator's kubeconfig, if the build has one.
    pub fn kubeconfig(&self, build: &Build) -> Option<PathBuf> {
        build.deployment.operator_kubeconfig.as_ref().map(|path| self.relative(path))
    }

    /// A build that was deployed before has its own beside it; older kubi-deploys kept none.
    pub fn credentials(&self, build: &Build) -> Result<Credentials, FolderError> {
        let newest = read(&self.root.join("build.json")).ok().and_then(|record| number_of(&record));
        let kept = Self { root: self.deployed_folder().join(build.number.to_string()) };
        let has_all = build.deployment.operator_files().all(|path| kept.relative(path).is_file());
        if newest != Some(build.number) && has_all {
            kept.read_credentials(build)
        } else {
            self.read_credentials(build)
        }
    }

    fn read_credentials(&self, build: &Build) -> Result<Credentials, FolderError> {
        let etcd = build.deployment.operator_etcd.as_ref().map(|files| {
            Ok(Pem {
                authority: read(&self.relative(&files.authority))?,
                certificate: read(&self.relative(&files.certificate))?,
                key: read(&self.relative(&files.key))?,
            })
        });
        let kubernetes = self.kubeconfig(build).map(|path| {
            let text = read_text(&path)?;
            let pem = KubeConfig::parse(&text).and_then(|config| config.pem());
            pem.map_err(|source| FolderError::Credentials { path, source })
        });
        Ok(Credentials { etcd: etcd.transpose()?, kubernetes: kubernetes.transpose()? })
    }

    /// Paths in `deploy.json` are relative to `deploy/`, also those of a build that was deployed before.
    pub fn relative(&self, path: &str) -> PathBuf {
        self.root.join("deploy").join(path)
    }
}

/// Reads a build from `<folder>/deploy`, and makes sure that it is the one of the record.
fn load(record: &Path, folder: &Path) -> Result<Build, FolderError> {
    let bytes = read(record)?;
    let parsed: Record =
        serde_json::from_slice(&bytes).map_err(|source| FolderError::Record { path: record.to_owned(), source })?;
    let text_of = |relative: &str| -> Result<String, FolderError> {
        let path = folder.join("deploy").join(relative);
        let text = read_text(&path)?;
        match parsed.files.get(&format!("deploy/{relative}")) {
            Some(wanted) if *wanted == digest(text.as_bytes()) => Ok(text),
            _ => Err(FolderError::NotOfBuild { path, number: parsed.number }),
        }
    };
    let path = folder.join("deploy/deploy.json");
    let deployment = Deployment::parse(&text_of("deploy.json")?);
    let deployment = deployment.map_err(|source| FolderError::Deployment { path, source })?;
    let domains = deployment.nodes.iter().map(|node| &node.domain.xml);
    let networks = deployment.networks.iter().map(|network| &network.xml);
    let xml =
        domains.chain(networks).map(|path| Ok((path.clone(), text_of(path)?))).collect::<Result<_, FolderError>>()?;
    let build = Build { number: parsed.number, deployment, xml };
    match build.mismatch() {
        Some(path) => Err(FolderError::OtherXml { path: folder.join("deploy").join(path) }),
        None => Ok(build),
    }
}

/// The number in a build's record.
pub fn number_of(record: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Record>(record).ok().map(|record| record.number)
}

pub fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    std::fs::read(path).map_err(|source| FolderError::Io { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> Result<String, FolderError> {
    std::fs::read_to_string(path).map_err(|source| FolderError::Io { path: path.to_owned(), source })
}
