//! What templates may call beyond Tera's own filters and functions.

use super::marker;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

/// What one rendering may take of `range` in all, so that loops in loops end too.
const BUDGET: i128 = 4_000_000;

thread_local! {
    /// What is left of the budget of the rendering that goes on in this thread.
    static LEFT: Cell<i128> = const { Cell::new(BUDGET) };
}

/// A rendering starts.
pub(super) fn renew_budget() {
    LEFT.set(BUDGET);
}

/// Longest list that `range` makes: enough for any cluster, and no loop without end.
const MAX_RANGE: i128 = 65_536;

/// Functions and filters that depend on nothing but their arguments.
pub(super) fn register(tera: &mut Tera) {
    tera.register_function("range", range);
    tera.register_function("secret", secret);
    tera.register_filter("json", json);
    tera.register_filter("toml", toml);
    tera.register_filter("b64", |text: &str, _: Kwargs, _: &State| STANDARD.encode(text));
}

impl super::Templates {
    /// Gives templates `trust(authority="cluster")`: the PEM certificates of the cluster's authorities.
    pub fn with_authorities(mut self, pem_by_name: BTreeMap<String, String>) -> Self {
        let known = Arc::new(pem_by_name);
        for tera in self.by_owner.values_mut() {
            let known = Arc::clone(&known);
            tera.register_function("trust", move |kwargs: Kwargs, _: &State| trusted(&known, &kwargs));
        }
        self
    }
}

fn trusted(pem_by_name: &BTreeMap<String, String>, kwargs: &Kwargs) -> TeraResult<String> {
    let name: String = kwargs.must_get("authority")?;
    pem_by_name.get(&name).cloned().ok_or_else(|| {
        let names: Vec<&str> = pem_by_name.keys().map(String::as_str).collect();
        Error::message(format!("no recipe declares the authority {name:?}; there are: {}", names.join(", ")))
    })
}

fn range(kwargs: Kwargs, _: &State) -> TeraResult<Vec<i128>> {
    let start = kwargs.get::<i128>("start")?.unwrap_or(0);
    let end = kwargs.must_get::<i128>("end")?;
    if end.saturating_sub(start) > MAX_RANGE {
        return Err(Error::message(format!("`range` makes at most {MAX_RANGE} numbers")));
    }
    LEFT.set(LEFT.get() - 1 - (end - start).max(0));
    if LEFT.get() < 0 {
        return Err(Error::message(format!("`range` has made {BUDGET} numbers: are there loops in loops?")));
    }
    Ok((start..end).collect())
}

fn secret(kwargs: Kwargs, _: &State) -> TeraResult<String> {
    let name: String = kwargs.must_get("name")?;
    let encoding: String = kwargs.must_get("encoding")?;
    marker::write(&name, &encoding).map_err(Error::message)
}

fn json(value: &Value, _: Kwargs, _: &State) -> TeraResult<String> {
    serde_json::to_string(value).map_err(|e| Error::message(e.to_string()))
}

/// A TOML basic string, number, boolean or array of those (TOML 1.0); JSON's escapes are a subset of TOML's.
fn toml(value: &Value, kwargs: Kwargs, state: &State) -> TeraResult<String> {
    if value.is_map() || value.is_none() {
        return Err(Error::message("`toml` takes a string, a number, a boolean or a list of those"));
    }
    json(value, kwargs, state)
}
