//! A small blocking HTTPS client that shows a certificate and trusts one authority.

use super::ServiceError;
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

const TIMEOUT: Duration = Duration::from_secs(10);

/// PEM text of what a client needs.
#[derive(Clone)]
pub struct Pem {
    pub authority: Vec<u8>,
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

pub struct Http {
    agent: Agent,
}

impl Http {
    /// Fails when the files hold no certificate or key.
    pub fn new(pem: &Pem) -> Result<Self, String> {
        let key = PrivateKey::from_pem(&pem.key).map_err(|error| format!("the private key cannot be read: {error}"))?;
        let client = ClientCert::new_with_certs(&certificates(&pem.certificate)?, key);
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(certificates(&pem.authority)?))
            .client_cert(Some(client))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            // A node that was replaced is another peer under the same address: nothing is kept open.
            .max_idle_connections(0)
            .proxy(None)
            .build();
        Ok(Self { agent: Agent::new_with_config(config) })
    }

    /// The status and the body, whatever the status.
    pub fn call(&self, method: Method, url: &str, body: Option<(&str, &Value)>) -> Result<(u16, String), ServiceError> {
        let unreachable = |reason: String| ServiceError::Unreachable { url: url.to_owned(), reason };
        let mut request = Request::builder().method(method).uri(url);
        let text = body.map(|(_, value)| value.to_string()).unwrap_or_default();
        if let Some((content_type, _)) = body {
            request = request.header("content-type", content_type);
        }
        let request = request.body(text).map_err(|error| unreachable(error.to_string()))?;
        let mut answer = self.agent.run(request).map_err(|error| unreachable(error.to_string()))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string();
        Ok((status, text.map_err(|error| unreachable(error.to_string()))?))
    }

    /// The body of a call that must succeed, as JSON.
    pub fn json(&self, method: Method, url: &str, body: Option<(&str, &Value)>) -> Result<Value, ServiceError> {
        let (status, text) = self.call(method, url, body)?;
        if !(200..300).contains(&status) {
            return Err(ServiceError::Refused { url: url.to_owned(), status, message: message(&text) });
        }
        serde_json::from_str(&text)
            .map_err(|error| ServiceError::Answer { url: url.to_owned(), reason: error.to_string() })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(format!("a certificate cannot be read: {error}")),
        }
    }
    if found.is_empty() { Err("there is no certificate in the file".to_owned()) } else { Ok(found) }
}

/// What an API's error says, or the end of its text: a failing `/readyz` lists checks and ends with the verdict.
pub fn message(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    // That an eviction is refused is said first, and by which budget only here.
    let causes = value["details"]["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(budget) = causes.iter().find(|cause| cause["reason"] == "DisruptionBudget") {
        return self::text(&budget["message"]);
    }
    let known = ["message", "error"].iter().find_map(|key| value[key].as_str());
    known.unwrap_or_else(|| text.trim_end().lines().last().unwrap_or_default()).chars().take(300).collect()
}

/// A text or a number, which some APIs write as either; else nothing.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
