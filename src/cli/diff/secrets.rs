//! Keys for sides that are rendered: the real ones of both, or stand-ins for both.

use super::open::{Loaded, Spec};
use crate::cli::Failure;
use crate::diff::Options;
use crate::edge::keys::KeysError;
use crate::edge::sides::{SideKeys, open_keys, stand_in};

impl Spec {
    fn keys(&self) -> Result<SideKeys, KeysError> {
        let read = |file: &str| match &self.sealed {
            Some(sealed) => sealed.get(file).cloned(),
            None => std::fs::read(self.inputs.folder.join(file)).ok(),
        };
        open_keys(&self.inputs, &self.prepared.cluster, &read)
    }
}

/// Keys for the sides that are rendered.
pub struct Secrets {
    pub old: Option<SideKeys>,
    pub new: Option<SideKeys>,
}

impl Secrets {
    /// The real keys of both sides, or stand-ins for both.
    pub fn open(old: &Loaded, new: &Loaded, options: &mut Options) -> Result<Self, Failure> {
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
