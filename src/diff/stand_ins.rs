//! Where one side has stand-in keys: what of a certificate still says something about the real ones.

use super::keys::Concern;
use super::model::{ChangeKind, FieldChange};
use super::semantic::INSTANCE_ID;

/// What is known about a file's keys without having them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Keys that are others whatever they are, because the spec says so.
    pub moved: Concern,
    /// An imported authority has a stand-in with another name and validity.
    pub imported: bool,
}

/// Takes away what only follows from stand-ins. Keys that moved stay, without values, which would be the stand-ins'.
pub fn without_stand_ins(fields: Vec<FieldChange>, tags: &[String], known: Known) -> Vec<FieldChange> {
    let shows_authority = tags.iter().any(|tag| tag == "authority");
    fields.into_iter().filter_map(|field| telling(field, shows_authority, known)).collect()
}

fn telling(field: FieldChange, shows_authority: bool, known: Known) -> Option<FieldChange> {
    let of_authority = shows_authority || field.path.contains("certificate-authority-data ");
    if follows_from_keys(&field) {
        let by_authority = of_authority || field.path.ends_with("issuerKey");
        let moved = if by_authority { known.moved.authority } else { known.moved.own };
        return (moved && field.kind == ChangeKind::Rotated).then_some(FieldChange {
            before: None,
            after: None,
            ..field
        });
    }
    let of_stand_in = known.imported && (of_authority || field.path.ends_with("issuer"));
    (!of_stand_in).then_some(field)
}

/// Stand-ins may be of another algorithm, too.
fn follows_from_keys(field: &FieldChange) -> bool {
    let algorithm = field.path.ends_with("keyAlgorithm") || field.path.ends_with("signatureAlgorithm");
    // cloud-init's identity follows from a node's plan, which has no key in it.
    algorithm || (matches!(field.kind, ChangeKind::Rotated | ChangeKind::Derived) && field.path != INSTANCE_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, kind: ChangeKind, tags: &[&str], known: Known, expected: Option<Option<&str>>) {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let left = without_stand_ins(vec![FieldChange::of(kind, path, "a", "b")], &tags, known);
        assert_eq!(left.first().map(|field| field.after.as_deref()), expected, "{path} {known:?}");
    }

    #[test]
    fn only_what_the_spec_moves_is_told_of_keys() {
        let (own, authority) = (Concern { own: true, authority: false }, Concern { own: false, authority: true });
        let (leaf, ca) = (&["serving"], &["authority"]);
        let known = |moved| Known { moved, imported: false };
        use ChangeKind::{Changed, Derived, Rotated};
        check("publicKey", Rotated, leaf, Known::default(), None);
        check("publicKey", Rotated, leaf, known(own), Some(None));
        check("publicKey", Rotated, leaf, known(authority), None);
        check("publicKey", Rotated, ca, known(authority), Some(None));
        check("issuerKey", Rotated, leaf, known(authority), Some(None));
        check("clusters[x].cluster.certificate-authority-data publicKey", Rotated, &[], known(authority), Some(None));
        check("serialNumber", Derived, leaf, known(own), None);
        check("keyAlgorithm", Changed, leaf, known(own), None);
        check("subjectAltName", Changed, leaf, Known::default(), Some(Some("b")));
        let imported = Known { moved: Concern::default(), imported: true };
        check("issuer", Changed, leaf, imported, None);
        check("issuer", Changed, leaf, Known::default(), Some(Some("b")));
        check("notAfter", Changed, ca, imported, None);
        check("notAfter", Changed, leaf, imported, Some(Some("b")));
    }
}
