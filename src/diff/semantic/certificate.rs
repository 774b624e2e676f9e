//! What a certificate is for and by which names it is known, in words; shared with the report's time line.

use crate::diff::risk::Authority;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// `authority`, or `serving` and `client`.
pub fn purposes(certificate: &X509Certificate<'_>) -> Vec<&'static str> {
    if certificate.is_ca() {
        return vec!["authority"];
    }
    let usage = certificate.extended_key_usage().ok().flatten().map(|extension| extension.value);
    let server = usage.is_some_and(|usage| usage.server_auth || usage.any);
    let client = usage.is_some_and(|usage| usage.client_auth || usage.any);
    [(server, "serving"), (client, "client")].into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect()
}

/// The subject's other names, as [`general_name`] writes them.
pub fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.map(|extension| extension.value.general_names.iter().map(general_name).collect()).unwrap_or_default()
}

/// `DNS:localhost`, `IP:127.0.0.1`, as OpenSSL shows them.
pub fn general_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => format!("DNS:{name}"),
        GeneralName::RFC822Name(name) => format!("email:{name}"),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(four), _) => format!("IP:{}", std::net::Ipv4Addr::from(four)),
            (_, Ok(sixteen)) => format!("IP:{}", std::net::Ipv6Addr::from(sixteen)),
            _ => format!("IP:{bytes:02x?}"),
        },
        other => other.to_string(),
    }
}

/// The authorities' certificates in a PEM text.
pub fn authorities(path: &str, text: &[u8]) -> Vec<Authority> {
    let authority = |pem: Pem| {
        let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
        certificate.is_ca().then(|| Authority {
            path: path.to_owned(),
            subject: certificate.subject().to_string(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    };
    Pem::iter_from_buffer(text).flatten().filter_map(authority).collect()
}
