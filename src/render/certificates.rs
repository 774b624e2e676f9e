//! `trust`, `certificates`, `authorityKeys` and `keyPairs` of a recipe.

use super::RenderError;
use super::node::{Rendering, Step};
use crate::pki::Request;
use crate::recipe::{CertificateDeclaration, Usage};
use crate::tree::{Contents, Encoding, Kind, Mode, SecretRef};
use std::net::IpAddr;

pub(super) fn key_contents(key: SecretRef) -> Contents {
    let mut contents = Contents::default();
    contents.push_secret(key, Encoding::Pem);
    contents
}

impl Rendering<'_, '_> {
    pub(super) fn trust(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        for trust in &step.recipe.manifest.trust {
            if !self.holds(step, trust.when.as_deref())? {
                continue;
            }
            let pems = trust.authorities.iter().map(|name| self.renderer.pki.authority_pem(name));
            let text = pems.collect::<Result<String, _>>()?;
            let owner = self.owner(step, trust.owner.as_deref())?;
            let origin = self.origin(step, &format!("trust.{}", trust.path));
            let kind = Kind::File(Contents::public(text));
            self.put(trust.path.clone(), kind, trust.mode.unwrap_or(Mode::FILE), owner, origin)?;
        }
        Ok(())
    }

    pub(super) fn certificates(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        for declared in &step.recipe.manifest.certificates {
            if !self.holds(step, declared.when.as_deref())? {
                continue;
            }
            let issued = self.renderer.pki.issue(&self.request(step, declared)?)?;
            let owner = self.owner(step, declared.owner.as_deref())?;
            let origin = self.origin(step, &format!("certificates.{}", declared.name));
            self.put_public(&declared.certificate, issued.certificate_pem, owner, origin.clone())?;
            self.put_secret(&declared.key, key_contents(issued.key), owner, origin)?;
        }
        Ok(())
    }

    fn request(&self, step: Step<'_>, declared: &CertificateDeclaration) -> Result<Request, RenderError> {
        let mut names = self.words(step, &declared.dns)?;
        let mut addresses = Vec::new();
        for word in self.words(step, &declared.addresses)? {
            let address: IpAddr = word.parse().map_err(|_| {
                let place = format!("certificates.{}.addresses", declared.name);
                RenderError::recipe(&step.recipe.id, place, format!("{word:?} is no IP address"))
            })?;
            addresses.push(address);
        }
        names.extend(self.renderer.plan.cluster.spec.pki.sans.get(&declared.name).into_iter().flatten().cloned());
        let mut dns = Vec::new();
        for name in names {
            // Clients that connect to an address look for it among the addresses only.
            match name.parse::<IpAddr>() {
                Ok(address) => addresses.push(address),
                Err(_) => dns.push(name),
            }
        }
        Ok(Request {
            name: declared.scope.secret(&declared.name, &self.plan.name),
            authority: declared.authority.clone(),
            common_name: self.text(step, &declared.common_name)?,
            organizations: declared.organizations.iter().map(|o| self.text(step, o)).collect::<Result<_, _>>()?,
            server: declared.usages.contains(&Usage::Server),
            client: declared.usages.contains(&Usage::Client),
            dns,
            addresses,
        })
    }

    pub(super) fn authority_keys(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        for declared in &step.recipe.manifest.authority_keys {
            if !self.holds(step, declared.when.as_deref())? {
                continue;
            }
            // Refuses the key of a root: only intermediate authorities' keys may leave the build machine.
            let key = self.renderer.pki.authority_key(&declared.authority)?;
            let certificate = self.renderer.pki.authority_pem(&declared.authority)?;
            let owner = self.owner(step, declared.owner.as_deref())?;
            let origin = self.origin(step, &format!("authorityKeys.{}", declared.authority));
            self.put_public(&declared.certificate, certificate, owner, origin.clone())?;
            self.put_secret(&declared.key, key_contents(key), owner, origin)?;
        }
        Ok(())
    }

    pub(super) fn key_pairs(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        for declared in &step.recipe.manifest.key_pairs {
            if !self.holds(step, declared.when.as_deref())? {
                continue;
            }
            let keys = self.renderer.keys;
            let name = declared.scope.secret(&declared.name, &self.plan.name);
            let generation = keys.generation_of(&name);
            let owner = self.owner(step, declared.owner.as_deref())?;
            let origin = self.origin(step, &format!("keyPairs.{}", declared.name));
            if let Some(path) = &declared.private {
                let key = keys.private_key(&name, generation)?;
                self.put_secret(path, key_contents(key), owner, origin.clone())?;
            }
            if let Some(path) = &declared.public {
                self.put_public(path, keys.public_key_pem(&name, generation)?, owner, origin)?;
            }
        }
        Ok(())
    }
}
