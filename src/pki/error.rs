//! What can go wrong with keys and certificates. Names only, never a secret's bytes.

/// A key or certificate that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    #[error("unknown certificate authority {name:?}; declared are: {}", known.join(", "))]
    UnknownAuthority { name: String, known: Vec<String> },
    #[error("certificate authority {name:?} is declared twice")]
    DuplicateAuthority { name: String },
    #[error("certificate authority {name:?} is its own parent, directly or through others")]
    AuthorityCycle { name: String },
    #[error(
        "the private key of certificate authority {name:?} never leaves the build machine; only that of an \
         authority with a `parent` can be put on a node"
    )]
    AuthorityKey { name: String },
    #[error("certificate {certificate}: {field} {value:?} {problem}")]
    Subject { certificate: String, field: &'static str, value: String, problem: &'static str },
    #[error("certificate {certificate}: {value:?} is no DNS name that a certificate can carry")]
    DnsName { certificate: String, value: String },
    #[error("the imported certificate authority {authority:?} {problem}")]
    Import { authority: String, problem: String },
    #[error("no sealed file {file:?} was opened")]
    UnknownSealed { file: String },
    #[error("certificate {certificate}: usages are empty; write server, client or both")]
    NoUsage { certificate: String },
    #[error("certificate {certificate}: a server certificate needs a DNS name or an address")]
    NoServerName { certificate: String },
}
