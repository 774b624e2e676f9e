//! Authorities and the certificates they issue.

use super::error::PkiError;
use super::key_pair::KeyPair;
use super::keys::Keys;
use super::pem;
use super::subject::subject;
use super::to_be_signed::{Role, ToBeSigned, key_id};
use crate::spec;
use crate::tree::SecretRef;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// A certificate authority, as recipes declare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    pub name: String,
    pub common_name: String,
    /// The authority that signs this one; self-signed when unset.
    pub parent: Option<String>,
}

/// A certificate to issue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Its key's name: `etcd-server/kubi-controller-01`, or `admin` where all nodes share it.
    pub name: String,
    pub authority: String,
    pub common_name: String,
    /// Kubernetes groups, in this order.
    pub organizations: Vec<String>,
    pub server: bool,
    pub client: bool,
    pub dns: Vec<String>,
    pub addresses: Vec<IpAddr>,
}

/// A certificate and the reference to its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The leaf, then its intermediate authorities, without the root.
    pub certificate_pem: String,
    pub key: SecretRef,
}

/// Issues certificates. Each authority is signed once; the rest may be called from many threads.
pub struct Pki<'a> {
    keys: &'a Keys,
    pki: &'a spec::Pki,
    authorities: BTreeMap<String, Declared>,
}

struct Declared {
    authority: Authority,
    path_length: u8,
    signed: OnceLock<Result<Arc<Signed>, PkiError>>,
}

struct Signed {
    key: Arc<KeyPair>,
    key_id: Vec<u8>,
    subject: Vec<u8>,
    pem: String,
    /// This certificate and those above it up to the root, without the root.
    intermediates: String,
}

impl<'a> Pki<'a> {
    pub fn new(keys: &'a Keys, pki: &'a spec::Pki, authorities: &[Authority]) -> Result<Self, PkiError> {
        let mut declared = BTreeMap::new();
        for authority in authorities {
            let new = Declared { authority: authority.clone(), path_length: 0, signed: OnceLock::new() };
            if declared.insert(authority.name.clone(), new).is_some() {
                return Err(PkiError::DuplicateAuthority { name: authority.name.clone() });
            }
        }
        let mut this = Self { keys, pki, authorities: declared };
        for authority in authorities {
            this.lengthen_paths(authority)?;
        }
        this.check_imported()?;
        Ok(this)
    }

    fn check_imported(&self) -> Result<(), PkiError> {
        for (name, imported) in self.keys.imported() {
            let fail = |problem: String| Err(PkiError::Import { authority: name.clone(), problem });
            let Some(declared) = self.authorities.get(name) else {
                return Err(self.unknown(name));
            };
            if let Some(problem) = imported.problems(self.pki).into_iter().next() {
                return fail(problem);
            }
            if imported.path_length.is_some_and(|length| length < u32::from(declared.path_length)) {
                return fail("may have no other authority below it (path length), and one is declared".to_owned());
            }
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> PkiError {
        PkiError::UnknownAuthority { name: name.to_owned(), known: self.authorities.keys().cloned().collect() }
    }

    /// Names of the keys that are made for authorities, for [`Keys::prepare`].
    pub fn authority_keys(&self) -> Vec<String> {
        let made =
            self.authorities.values().filter(|declared| !self.keys.imported().contains_key(&declared.authority.name));
        made.map(|declared| key_name(&declared.authority)).collect()
    }

    /// Gives every authority above this one room for it in its path length constraint.
    fn lengthen_paths(&mut self, authority: &Authority) -> Result<(), PkiError> {
        let (mut depth, mut parent) = (0, authority.parent.clone());
        while let Some(name) = parent {
            depth += 1;
            if usize::from(depth) > self.authorities.len().min(usize::from(u8::MAX - 1)) {
                return Err(PkiError::AuthorityCycle { name: authority.name.clone() });
            }
            if !self.authorities.contains_key(&name) {
                return Err(self.unknown(&name));
            }
            parent = self.authorities.get_mut(&name).and_then(|above| {
                above.path_length = above.path_length.max(depth);
                above.authority.parent.clone()
            });
        }
        Ok(())
    }

    /// An authority's certificate, which clients and servers trust.
    pub fn authority_pem(&self, name: &str) -> Result<String, PkiError> {
        Ok(self.signed(name)?.pem.clone())
    }

    /// The private key of an authority with a parent, for a node that signs with it. A root's is refused, and so is an
    /// imported one's.
    pub fn authority_key(&self, name: &str) -> Result<SecretRef, PkiError> {
        let declared = self.authorities.get(name).ok_or_else(|| self.unknown(name))?;
        if declared.authority.parent.is_none() || self.keys.imported().contains_key(name) {
            return Err(PkiError::AuthorityKey { name: name.to_owned() });
        }
        let key = key_name(&declared.authority);
        self.keys.private_key(&key, self.keys.generation_of(&key))
    }

    /// Issues the certificate and names its key, in the generation that the spec gives it.
    pub fn issue(&self, request: &Request) -> Result<Issued, PkiError> {
        let certificate = request.name.clone();
        if !request.server && !request.client {
            return Err(PkiError::NoUsage { certificate });
        }
        let (dns, addresses) = alternative_names(request)?;
        if request.server && dns.is_empty() && addresses.is_empty() {
            return Err(PkiError::NoServerName { certificate });
        }
        let issuer = self.signed(&request.authority)?;
        let generation = self.keys.generation_of(&request.name);
        let key = self.keys.private_key(&request.name, generation)?;
        let fields = spec::Subject { organization: None, ..self.pki.subject.clone() };
        let certificate = ToBeSigned {
            issuer: &issuer.subject,
            issuer_key_id: Some(&issuer.key_id),
            subject: &subject(&request.name, &fields, &request.organizations, &request.common_name)?,
            not_before: self.pki.epoch.unix_seconds(),
            not_after: self.not_after(self.pki.lifetimes.certificate),
            key: &self.keys.key_pair(&request.name, generation),
            role: Role::Leaf { server: request.server, client: request.client },
            dns,
            addresses,
        }
        .sign(&issuer.key);
        let certificate_pem = pem::encode("CERTIFICATE", &certificate) + &issuer.intermediates;
        Ok(Issued { certificate_pem, key })
    }

    fn not_after(&self, lifetime: spec::units::Lifetime) -> i64 {
        // Lifetimes end at 100 years and epochs at the year 9000, so neither conversion nor sum overflows.
        self.pki.epoch.unix_seconds() + lifetime.seconds as i64
    }

    fn signed(&self, name: &str) -> Result<Arc<Signed>, PkiError> {
        let declared = self.authorities.get(name).ok_or_else(|| self.unknown(name))?;
        declared.signed.get_or_init(|| self.sign_authority(declared).map(Arc::new)).clone()
    }

    fn sign_authority(&self, declared: &Declared) -> Result<Signed, PkiError> {
        let authority = &declared.authority;
        // `new` has refused cycles, so this ends.
        let parent = authority.parent.as_deref().map(|parent| self.signed(parent)).transpose()?;
        if let Some(imported) = self.keys.imported().get(&authority.name) {
            let above = parent.map_or(String::new(), |parent| imported.pem.clone() + &parent.intermediates);
            return Ok(Signed {
                key: imported.key.clone(),
                key_id: imported.key_id.clone(),
                subject: imported.subject.clone(),
                pem: imported.pem.clone(),
                intermediates: above,
            });
        }
        let name = key_name(authority);
        let key = self.keys.key_pair(&name, self.keys.generation_of(&name));
        let organization: Vec<String> = self.pki.subject.organization.iter().cloned().collect();
        let subject = subject(&name, &self.pki.subject, &organization, &authority.common_name)?;
        let contents = ToBeSigned {
            issuer: parent.as_ref().map_or(&subject, |parent| &parent.subject),
            issuer_key_id: parent.as_ref().map(|parent| parent.key_id.as_slice()),
            subject: &subject,
            not_before: self.pki.epoch.unix_seconds(),
            not_after: self.not_after(self.pki.lifetimes.authority),
            key: &key,
            role: Role::Authority { path_length: declared.path_length },
            dns: vec![],
            addresses: vec![],
        };
        let signer = parent.as_ref().map_or(&key, |parent| &parent.key);
        let pem = pem::encode("CERTIFICATE", &contents.sign(signer));
        let intermediates = parent.as_ref().map_or(String::new(), |parent| pem.clone() + &parent.intermediates);
        Ok(Signed { key_id: key_id(key.public_bits()).to_vec(), key: key.clone(), subject, pem, intermediates })
    }
}

impl fmt::Debug for Pki<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pki").field(&self.authorities.keys()).finish()
    }
}

/// Roots and intermediates have names apart, so that [`Keys::private_key`] can refuse the roots'.
fn key_name(authority: &Authority) -> String {
    format!("{}/{}", if authority.parent.is_some() { "intermediate" } else { "ca" }, authority.name)
}

/// Subject alternative names in lower case, sorted, each once.
fn alternative_names(request: &Request) -> Result<(Vec<String>, Vec<IpAddr>), PkiError> {
    let mut dns: Vec<String> = request.dns.iter().map(|name| name.to_ascii_lowercase()).collect();
    if let Some(value) = dns.iter().find(|name| !is_dns_name(name)) {
        return Err(PkiError::DnsName { certificate: request.name.clone(), value: value.clone() });
    }
    dns.sort();
    dns.dedup();
    let mut addresses = request.addresses.clone();
    addresses.sort();
    addresses.dedup();
    Ok((dns, addresses))
}

/// Host names of RFC 1123, with underscores, and with `*` as the whole first label; no address, which no client looks for here.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253
        && name.parse::<IpAddr>().is_err()
        && name.strip_prefix("*.").unwrap_or(name).split('.').all(label)
}
