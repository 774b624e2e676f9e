//! etcd over its JSON gateway (<https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/>). 64-bit numbers are strings there.

use super::ServiceError;
use super::http::{Http, text};
use serde::Serialize;
use serde_json::{Value, json};
use ureq::http::Method;

const JSON: &str = "application/json";

/// A member as etcd lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberInfo {
    pub id: String,
    /// Empty until it has started.
    pub name: String,
    pub peer_urls: Vec<String>,
    /// On the cluster's network.
    pub client_urls: Vec<String>,
    /// It copies the database, but has no vote yet.
    pub learner: bool,
}

/// A member as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    pub id: String,
    /// Id of the leader; `0` or empty when it knows none.
    pub leader: String,
    pub version: String,
    /// Bytes.
    pub database_size: u64,
}

impl MemberStatus {
    pub fn is_leader(&self) -> bool {
        !self.id.is_empty() && self.id == self.leader
    }
}

/// Asks `/health`, which includes a read that needs a quorum.
pub fn health(http: &Http, url: &str) -> Result<(), String> {
    let answer = http.json(Method::GET, &format!("{url}/health"), None).map_err(|error| error.to_string())?;
    match &answer["health"] {
        Value::String(health) if health == "true" => Ok(()),
        Value::Bool(true) => Ok(()),
        _ => Err(format!("etcd at {url} is not healthy: {answer}")),
    }
}

pub fn status(http: &Http, url: &str) -> Result<MemberStatus, ServiceError> {
    let answer = post(http, url, "/v3/maintenance/status", &json!({}))?;
    Ok(MemberStatus {
        id: text(&answer["header"]["member_id"]),
        leader: text(&answer["leader"]),
        version: text(&answer["version"]),
        database_size: text(&answer["dbSize"]).parse().unwrap_or(0),
    })
}

pub fn members(http: &Http, url: &str) -> Result<Vec<MemberInfo>, ServiceError> {
    let answer = post(http, url, "/v3/cluster/member/list", &json!({}))?;
    let members = answer["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    let member = |member: &Value| MemberInfo {
        id: text(&member["ID"]),
        name: text(&member["name"]),
        peer_urls: list(&member["peerURLs"]),
        client_urls: list(&member["clientURLs"]),
        // Absent when false.
        learner: member["isLearner"] == true,
    };
    Ok(members.iter().map(member).collect())
}

pub fn add_learner(http: &Http, url: &str, peer_url: &str) -> Result<(), ServiceError> {
    post(http, url, "/v3/cluster/member/add", &json!({ "peerURLs": [peer_url], "isLearner": true })).map(drop)
}

pub fn promote(http: &Http, url: &str, id: &str) -> Result<(), ServiceError> {
    post(http, url, "/v3/cluster/member/promote", &json!({ "ID": id })).map(drop)
}

pub fn update(http: &Http, url: &str, id: &str, peer_url: &str) -> Result<(), ServiceError> {
    post(http, url, "/v3/cluster/member/update", &json!({ "ID": id, "peerURLs": [peer_url] })).map(drop)
}

pub fn remove(http: &Http, url: &str, id: &str) -> Result<(), ServiceError> {
    post(http, url, "/v3/cluster/member/remove", &json!({ "ID": id })).map(drop)
}

pub fn move_leader(http: &Http, url: &str, to: &str) -> Result<(), ServiceError> {
    post(http, url, "/v3/maintenance/transfer-leadership", &json!({ "targetID": to })).map(drop)
}

fn post(http: &Http, url: &str, path: &str, body: &Value) -> Result<Value, ServiceError> {
    http.json(Method::POST, &format!("{url}{path}"), Some((JSON, body)))
}
