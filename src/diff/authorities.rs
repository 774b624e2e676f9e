//! Authorities that were imported: nobody but their own certificates says until when they are valid.

use super::compare::{KeySource, Sides};
use super::model::SideKind;
use super::risk::Authority;
use super::semantic::certificate;
use super::side::SideError;
use std::collections::BTreeSet;

impl Sides<'_> {
    /// Those of the new side, read from one node of each kind; none where none is imported, or where stand-ins take their
    /// place.
    pub fn imported_authorities(&self) -> Result<Vec<Authority>, SideError> {
        let imports =
            |name: &str| self.new.is_some_and(|facts| facts.spec.get("pki").is_some_and(|pki| pki.get(name).is_some()));
        let built = matches!(self.after.info().kind, SideKind::Build | SideKind::Bundle);
        let (Some(facts), true) = (self.new, imports("import") && (self.options.keys == KeySource::Own || built))
        else {
            return Ok(Vec::new());
        };
        let mut kinds = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut found = BTreeSet::new();
        for node in facts.nodes.iter().filter(|node| self.after.nodes().contains_key(node.name())) {
            if !kinds.insert((node.class, node.roles.clone())) {
                continue;
            }
            for entry in self.after.entries(node.name())? {
                let new =
                    entry.path.ends_with(".crt") && entry.digest.as_ref().is_some_and(|digest| seen.insert(*digest));
                if new {
                    found.extend(certificate::authorities(&entry.path, &self.after.contents(node.name(), &entry)?));
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}
