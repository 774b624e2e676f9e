//! Keys for sides that are rendered: the real ones of both, or stand-ins for both.

use super::open::{Loaded, Spec};
use crate::cli::Failure;
use crate::diff::{KeySource, Options};
use crate::edge::inputs::sealed_names;
use crate::edge::keys::KeysError;
use crate::edge::sides::{MadeKeys, open_keys, stand_in};
use crate::pki::Keys;
use crate::plan::Pins;
use crate::spec::Algorithm;
use std::collections::BTreeSet;

impl Spec {
    fn keys(&self, made: &MadeKeys) -> Result<Keys, KeysError> {
        let read = |file: &str| match &self.sealed {
            Some(sealed) => sealed.get(file).cloned(),
            None => std::fs::read(self.inputs.folder.join(file)).ok(),
        };
        open_keys(&self.inputs, &self.prepared.cluster, &self.sealed_params(), &read, made)
    }

    /// Sealed files that parameters name; none where the spec cannot be planned, which is told when it is compared.
    fn sealed_params(&self) -> BTreeSet<String> {
        if sealed_names(&self.inputs.text).is_empty() {
            return BTreeSet::new();
        }
        self.prepared.plan(Pins::Open).map(|plan| plan.sealed_params()).unwrap_or_default()
    }
}

/// Keys for the sides that are rendered.
pub struct Secrets {
    pub old: Option<Keys>,
    pub new: Option<Keys>,
}

impl Secrets {
    /// The real keys of both sides, or stand-ins for both.
    pub fn open(old: &Loaded, new: &Loaded, options: &mut Options) -> Result<Self, Failure> {
        let made = MadeKeys::default();
        let open = |side: &Loaded| side.spec().map(|spec| spec.keys(&made)).transpose();
        let why = match (open(old), open(new)) {
            (Ok(old), Ok(new)) => return Ok(Self { old, new }),
            (Err(error), _) | (_, Err(error)) => error,
        };
        let sides = [old.spec(), new.spec()];
        let rendered = || sides.iter().flatten();
        let algorithms: Vec<_> = rendered().map(|spec| spec.prepared.cluster.spec.pki.algorithm).collect();
        let alike = algorithms.windows(2).all(|pair| pair[0] == pair[1]);
        let built = [old, new].iter().any(|side| side.spec().is_none());
        let stand = |spec: Option<&Spec>| {
            let cluster = &spec?.prepared.cluster;
            stand_in(cluster, spec?.sealed_params(), algorithm(cluster.spec.pki.algorithm, alike, built))
        };
        options.keys = if built { KeySource::OneStandIn } else { KeySource::StandIns };
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

/// What keys are quick to make and change nothing that is compared: beside a build, RSA keys must stay RSA keys, because
/// usages depend on it.
fn algorithm(wanted: Algorithm, alike: bool, built: bool) -> Algorithm {
    match (wanted, alike, built) {
        (Algorithm::EcdsaP256, ..) | (_, true, false) => Algorithm::EcdsaP256,
        (_, _, true) => Algorithm::Rsa2048,
        (wanted, false, false) => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::algorithm;
    use crate::spec::Algorithm::{EcdsaP256, Rsa2048, Rsa8192};

    #[test]
    fn stand_ins_are_quick_where_nothing_depends_on_it() {
        assert_eq!(algorithm(Rsa8192, true, false), EcdsaP256, "two revisions");
        assert_eq!(algorithm(Rsa8192, true, true), Rsa2048, "beside a build");
        assert_eq!(algorithm(Rsa8192, false, false), Rsa8192, "the algorithm itself changes");
        assert_eq!(algorithm(EcdsaP256, false, true), EcdsaP256);
    }
}
