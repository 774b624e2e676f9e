//! `kubi init DIR`: a commented spec, a sealed root secret and a .gitignore. Overwrites nothing; writes all or nothing.

mod write;

use super::{Exit, Failure, Outcome, Ui, schema};
use crate::edge::identity::{IdentityError, Places, new_identity, new_root};
use crate::edge::keys::RECIPIENTS;
use crate::secret::{Recipient, SealError, seal_root};
use crate::spec::names::{DNS_LABEL_HELP, dns_label};
use crate::spec::units::Date;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use write::{NewFile, write_all};

const SPEC: &str = include_str!("init/cluster.yaml");
const GITIGNORE: &str = include_str!("init/gitignore");
/// What a new spec starts with.
const KUBERNETES: &str = "1.36.4";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kubi init lab
  kubi init clusters/staging --name staging --recipients-file team.txt
  kubi init lab --recipient \"$(cat ~/.ssh/id_ed25519.pub)\"")]
pub struct InitArgs {
    /// The cluster's directory; made if it does not exist
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The cluster's name, a DNS label; the directory's name if not given
    #[arg(long)]
    pub name: Option<String>,
    /// Who may open the cluster's secrets: age1... or ssh-ed25519 ...; may be repeated. If not given, the identity that
    /// KUBI_IDENTITY names, ~/.config/kubi/identity and ~/.ssh/id_ed25519, or else a new one at the former place
    #[arg(long, value_name = "PUBLIC KEY")]
    pub recipient: Vec<String>,
    /// A file with more of them, one a line
    #[arg(long, value_name = "FILE")]
    pub recipients_file: Option<PathBuf>,
}

const RECIPIENTS_HEAD: &str =
    "# Who can open what is sealed in this folder; kubi seals new files to them. Public keys.\n";

/// Who the root secret is sealed to, and the identity that is made for it, if any.
struct Owners {
    recipients: Vec<Recipient>,
    new_identity: Option<NewFile>,
}

pub fn run(args: &InitArgs, ui: &Ui) -> Outcome {
    let name = cluster_name(args)?;
    let (files, has_gitignore) = cluster_files(&args.directory, &name)?;
    let owners = owners(args)?;
    let identity = owners.new_identity.as_ref().map(|file| file.path.clone());
    let sealed_path = args.directory.join("secrets/root.age");
    let root = new_root().map_err(identity_failure)?;
    let sealed = seal_root(&sealed_path.display().to_string(), &root, &owners.recipients).map_err(seal_failure)?;
    let sealed = NewFile { path: sealed_path, contents: sealed.into_bytes().into(), mode: 0o644 };
    // The identity first: nothing may be sealed to a key that is not on disk.
    let recipients: String = owners.recipients.iter().map(|recipient| format!("{recipient}\n")).collect();
    let recipients = NewFile {
        path: args.directory.join(RECIPIENTS),
        contents: (RECIPIENTS_HEAD.to_owned() + &recipients).into_bytes().into(),
        mode: 0o644,
    };
    let all: Vec<NewFile> = owners.new_identity.into_iter().chain([sealed, recipients]).chain(files).collect();
    write_all(&all).map_err(Failure::machine)?;
    if ui.is_json() {
        let files: Vec<String> = all.iter().map(|file| file.path.display().to_string()).collect();
        let recipients: Vec<String> = owners.recipients.iter().map(Recipient::to_string).collect();
        ui.json(&serde_json::json!({"name": name, "files": files, "recipients": recipients, "identity": identity}))?;
        return Ok(Exit::Done);
    }
    tell(ui, &args.directory, &all, &owners.recipients, identity.as_deref(), has_gitignore);
    Ok(Exit::Done)
}

fn cluster_name(args: &InitArgs) -> Result<String, Failure> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => {
            let directory = std::path::absolute(&args.directory).map_err(Failure::machine)?;
            // Symbolic links and `..` only resolve where the directory exists.
            let directory = directory.canonicalize().unwrap_or(directory);
            directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        }
    };
    let help = if args.name.is_some() {
        DNS_LABEL_HELP.to_owned()
    } else {
        format!("name the cluster with --name: {DNS_LABEL_HELP}")
    };
    dns_label(&name).map_err(|message| Failure::wrong(message).help(help))?;
    // Node names are made of it.
    if name.len() > 40 {
        return Err(Failure::wrong(format!("{name:?} is too long")).help("write a name of 40 characters at most"));
    }
    Ok(name)
}

/// The files of a new cluster but the sealed ones, and whether there is a .gitignore already.
fn cluster_files(directory: &Path, name: &str) -> Result<(Vec<NewFile>, bool), Failure> {
    let spec = spec(name, today()?);
    let new = |path: &str, text: String| NewFile {
        path: directory.join(path),
        contents: text.into_bytes().into(),
        mode: 0o644,
    };
    let mut files = vec![new("cluster.yaml", spec), new("cluster.schema.json", schema::text())];
    let gitignore = new(".gitignore", GITIGNORE.to_owned());
    let has_gitignore = exists(&gitignore.path);
    let taken: Vec<String> = (files
        .iter()
        .map(|file| file.path.clone())
        .chain([directory.join("secrets/root.age"), directory.join(RECIPIENTS)]))
    .filter(|path| exists(path))
    .map(|path| path.display().to_string())
    .collect();
    if !taken.is_empty() {
        let failure = Failure::wrong(format!("there is a cluster already: {}", taken.join(", ")));
        return Err(failure.help("choose another directory; kubi init overwrites nothing"));
    }
    if !has_gitignore {
        files.push(gitignore);
    }
    Ok((files, has_gitignore))
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn spec(name: &str, epoch: Date) -> String {
    SPEC.replace("NAME", name).replace("KUBERNETES", KUBERNETES).replace("EPOCH", &epoch.to_string())
}

fn today() -> Result<Date, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Failure::machine("the clock is before 1970"))?;
    Ok(Date::from_unix_seconds(now.as_secs() as i64))
}

fn owners(args: &InitArgs) -> Result<Owners, Failure> {
    let mut recipients = vec![];
    for text in &args.recipient {
        recipients.push(text.parse().map_err(seal_failure)?);
    }
    if let Some(file) = &args.recipients_file {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::machine(format!("{} cannot be read: {error}", file.display())))?;
        let more = Recipient::parse_file(&text)
            .map_err(|error| seal_failure(error.clone()).help(format!("in {}: {}", file.display(), error.help())))?;
        if more.is_empty() {
            return Err(
                Failure::wrong(format!("{} has no recipient", file.display())).help(SealError::NoRecipients.help())
            );
        }
        recipients.extend(more);
    }
    if !recipients.is_empty() {
        return Ok(Owners { recipients, new_identity: None });
    }
    match Places::from_environment().read() {
        Ok(identities) => Ok(Owners { recipients: identities.recipients(), new_identity: None }),
        Err(IdentityError::None { .. }) => new_owner(),
        Err(error) => Err(identity_failure(error)),
    }
}

/// Nobody has an identity here yet.
fn new_owner() -> Result<Owners, Failure> {
    let Some(path) = Places::default_identity() else {
        let failure = Failure::secret("there is no home directory to keep an identity in");
        return Err(failure.help("set HOME, or give a public key with --recipient"));
    };
    if exists(&path) {
        let failure = Failure::secret(format!("{} holds no usable identity", path.display()));
        return Err(failure.help("repair or move that file, or give a public key with --recipient"));
    }
    let (text, recipient) = new_identity();
    let contents = text.as_bytes().to_vec().into();
    Ok(Owners { recipients: vec![recipient], new_identity: Some(NewFile { path, contents, mode: 0o600 }) })
}

fn seal_failure(error: SealError) -> Failure {
    Failure::secret(&error).help(error.help())
}

fn identity_failure(error: IdentityError) -> Failure {
    Failure::secret(&error).help(error.help())
}

fn tell(
    ui: &Ui,
    directory: &Path,
    files: &[NewFile],
    owners: &[Recipient],
    identity: Option<&Path>,
    has_gitignore: bool,
) {
    for file in files {
        ui.line(format!("wrote {}", file.path.display()));
    }
    let owners: Vec<String> = owners.iter().map(Recipient::to_string).collect();
    ui.note(format!("\nThe root secret is sealed to {}.", owners.join("\n  and ")));
    if let Some(identity) = identity {
        ui.note(format!("{} is the only key that opens it: keep a copy in a safe place.", identity.display()));
    }
    if has_gitignore {
        let lines = GITIGNORE.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n  ");
        ui.note(format!("Your .gitignore was left alone; it should have:\n  {lines}"));
    }
    ui.note(format!(
        "\nNext:\n  cd {}\n  kubi check        after changing cluster.yaml\n  kubi base build   the operating system image\n  \
         kubi lock         pins every artifact in kubi.lock\n  kubi fetch        downloads them\n  \
         kubi build        every node's files, bundles and images\n  \
         kubi deploy apply runs them on libvirt; `kubi deploy kubeconfig --merge` then lets kubectl in",
        directory.display()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Facts, read};

    #[test]
    fn a_new_spec_has_no_problem() {
        let text = spec("lab", "2026-11-01".parse().unwrap());
        let (cluster, warnings) = read(&text, &Facts::default()).unwrap();
        assert_eq!((cluster.metadata.name.as_str(), warnings), ("lab", vec![]));
    }

    #[test]
    fn a_new_spec_asks_for_a_published_release() {
        let catalog = crate::artifact::Catalog::built_in().unwrap();
        assert!(catalog.get("kubelet").unwrap().releases.contains_key(KUBERNETES));
    }

    /// What the comments call a default is one.
    #[test]
    fn the_commented_defaults_are_the_defaults() {
        let text = spec("lab", "2026-11-01".parse().unwrap());
        let keep =
            ["networks:", "  management:", "  cluster:", "  pods:", "  services:", "  dns:", "  api:", "encryption:"];
        let uncommented: String = (text.lines())
            .map(|line| match line.strip_prefix("  # ") {
                Some(rest) if keep.iter().any(|key| rest.starts_with(key)) => format!("  {rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(uncommented.contains("\n    pods: {cidr: 10.200.0.0/16"), "{uncommented}");
        let facts = Facts::default();
        let (mut written, _) = read(&uncommented, &facts).unwrap();
        let (default, _) = read(&text, &facts).unwrap();
        assert_eq!(written.spec.networks.dns.address.take(), Some(crate::spec::addressing::dns_service(&default)));
        assert_eq!(written, default);
    }
}
