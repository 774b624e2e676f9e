//! What the operator authenticates with: PEM files for etcd, a kubeconfig for Kubernetes.

use super::http::Pem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// As far as the build has them.
#[derive(Clone, Default)]
pub struct Credentials {
    pub etcd: Option<Pem>,
    pub kubernetes: Option<Pem>,
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("it is no kubeconfig: {0}")]
    Yaml(String),
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("its {0} is not base64")]
    Base64(&'static str),
}

/// The kubeconfig that kubi writes: one cluster, one user, all key material in it.
#[derive(Clone, Debug, Deserialize)]
pub struct KubeConfig {
    clusters: Vec<Named>,
    users: Vec<Named>,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    #[serde(default)]
    cluster: Option<Cluster>,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Clone, Debug, Deserialize)]
struct Cluster {
    #[serde(rename = "certificate-authority-data")]
    authority: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    #[serde(rename = "client-certificate-data")]
    certificate: Option<String>,
    #[serde(rename = "client-key-data")]
    key: Option<String>,
}

impl KubeConfig {
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        serde_saphyr::from_str(text).map_err(|error| CredentialsError::Yaml(error.to_string()))
    }

    pub fn pem(&self) -> Result<Pem, CredentialsError> {
        let cluster = self.clusters.first().and_then(|named| named.cluster.as_ref());
        let user = self.users.first().and_then(|named| named.user.as_ref());
        let decode = |name: &'static str, data: Option<&String>| {
            let data = data.ok_or(CredentialsError::Missing(name))?;
            STANDARD.decode(data.trim()).map_err(|_| CredentialsError::Base64(name))
        };
        Ok(Pem {
            authority: decode("certificate-authority-data", cluster.and_then(|c| c.authority.as_ref()))?,
            certificate: decode("client-certificate-data", user.and_then(|u| u.certificate.as_ref()))?,
            key: decode("client-key-data", user.and_then(|u| u.key.as_ref()))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: dev\n  cluster:\n    server: https://h:6443\n    certificate-authority-data: Y2E=\n\
                        users:\n- name: u\n  user:\n    client-certificate-data: Y3J0\n    client-key-data: a2V5\n";

    #[test]
    fn key_material_is_taken_out() {
        let pem = KubeConfig::parse(TEXT).unwrap().pem().unwrap();
        assert_eq!((pem.authority, pem.certificate, pem.key), (b"ca".to_vec(), b"crt".to_vec(), b"key".to_vec()));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |text: &str| KubeConfig::parse(text).unwrap().pem().err().unwrap().to_string();
        assert_eq!(error(&TEXT.replace("client-key-data", "token")), "it has no client-key-data");
        assert_eq!(error(&TEXT.replace("Y2E=", "a-b")), "its certificate-authority-data is not base64");
        assert!(KubeConfig::parse("- 1").is_err());
    }
}
