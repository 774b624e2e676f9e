//! Sealed files in both directions with the real `age`, `age-keygen` and `ssh-keygen`.

use super::common::{Finished, require_tool, run};
use kubi::edge::identity::{Places, open_root};
use kubi::secret::{FILE_LIMIT, Identities, Recipient, RootSecret, SealError, seal, seal_root, unseal};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[track_caller]
fn tool(directory: &Path, name: &str, package: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(require_tool(name, package));
    run(command.args(arguments).current_dir(directory), Duration::from_secs(60))
}

/// Makes an identity file called `me` and gives its public key.
fn identity(directory: &Path, kind: &str) -> Recipient {
    match kind {
        "age" => {
            tool(directory, "age-keygen", "age", &["-o", "me"]).success();
            tool(directory, "age-keygen", "age", &["-y", "me"]).success().parse().unwrap()
        }
        kind => {
            tool(directory, "ssh-keygen", "openssh-client", &["-q", "-t", kind, "-N", "", "-f", "me"]).success();
            std::fs::read_to_string(directory.join("me.pub")).unwrap().parse().unwrap()
        }
    }
}

#[test]
fn files_go_to_age_and_come_from_age() {
    for kind in ["age", "ed25519", "rsa"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let recipient = identity(path, kind);
        let identities = Places::Named(path.join("me")).read().unwrap();
        assert_eq!(identities.recipients()[0].to_string(), recipient.to_string());

        let root = RootSecret::from_bytes(b"0123456789abcdefghijklmnopqrstuv").unwrap();
        std::fs::write(path.join("root.age"), seal_root("root.age", &root, std::slice::from_ref(&recipient)).unwrap())
            .unwrap();
        let opened = tool(path, "age", "age", &["-d", "-i", "me", "root.age"]).success();
        assert_eq!(opened.as_bytes(), root.expose());
        assert_eq!(open_root(&path.join("root.age"), &identities).unwrap().expose(), root.expose());

        std::fs::write(path.join("plain"), "a registry password").unwrap();
        let to = recipient.to_string();
        for arguments in
            [&["-e", "-a", "-r", &to, "-o", "x.age", "plain"][..], &["-e", "-r", &to, "-o", "x.age", "plain"]]
        {
            tool(path, "age", "age", arguments).success();
            let sealed = std::fs::read(path.join("x.age")).unwrap();
            assert_eq!(unseal("x.age", &sealed, &identities, FILE_LIMIT).unwrap().as_slice(), b"a registry password");
        }
    }
}

#[test]
fn a_protected_ssh_key_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    tool(path, "ssh-keygen", "openssh-client", &["-q", "-t", "ed25519", "-N", "secret words", "-f", "me"]).success();
    let error = Places::Named(path.join("me")).read().unwrap_err();
    assert!(error.to_string().ends_with("me is protected by a passphrase"), "{error}");
    assert!(error.help().contains("ssh-keygen -p -N ''"), "{}", error.help());
    // Following the advice works.
    std::fs::copy(path.join("me"), path.join("copy")).unwrap();
    tool(path, "ssh-keygen", "openssh-client", &["-p", "-P", "secret words", "-N", "", "-f", "copy"]).success();
    assert!(!Places::Named(path.join("copy")).read().unwrap().is_empty());
}

#[test]
fn ssh_keys_that_cannot_open_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    tool(path, "ssh-keygen", "openssh-client", &["-q", "-t", "ecdsa", "-N", "", "-f", "me"]).success();
    let text = std::fs::read_to_string(path.join("me")).unwrap();
    let error = Identities::default().add("me", &text).unwrap_err();
    assert!(matches!(&error, SealError::Identity { reason, .. } if reason.contains("ecdsa")), "{error}");
    let public = std::fs::read_to_string(path.join("me.pub")).unwrap();
    assert!(public.parse::<Recipient>().unwrap_err().to_string().contains("ssh-ed25519"));
}

#[test]
fn somebody_elses_file_names_what_was_tried() {
    let (mine, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (me, them) = (identity(mine.path(), "age"), identity(theirs.path(), "ed25519"));
    let identities = Places::Named(mine.path().join("me")).read().unwrap();
    let sealed = seal("secrets/root.age", &[0; 32], &[them]).unwrap();
    let error = unseal("secrets/root.age", sealed.as_bytes(), &identities, FILE_LIMIT).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("secrets/root.age is sealed to other keys than"), "{message}");
    assert!(message.contains(&me.to_string()) && error.help().contains("KUBI_IDENTITY"), "{message}");
}
