//! One page that needs nothing else: style, script, picture and data are in it.

use super::build::BuildReport;
use super::topology::Topology;
use crate::diff::{Diff, escape};
use serde::Serialize;

const PAGE: &str = include_str!("assets/page.html");
const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// What a page shows; what is missing has no part on it.
#[derive(Clone, Debug, Default)]
pub struct Page<'a> {
    pub title: String,
    pub topology: Option<&'a Topology>,
    /// Whose topology that is, on a page about two sides: `cluster.yaml`.
    pub topology_label: String,
    pub build: Option<&'a BuildReport>,
    /// Which build that is: `build 3`.
    pub build_label: String,
    pub diff: Option<&'a Diff>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(flatten)]
    build: Option<&'a BuildReport>,
    #[serde(skip_serializing_if = "str::is_empty")]
    build_label: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    topology_label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<&'a Diff>,
}

/// The whole document. The same page gives the same bytes.
///
/// # Errors
/// None in practice: plain values always become JSON.
pub fn html(page: &Page<'_>) -> Result<String, serde_json::Error> {
    let (build_label, topology_label) = (page.build_label.as_str(), page.topology_label.as_str());
    let data = serde_json::to_string(&Data { build: page.build, build_label, topology_label, diff: page.diff })?;
    let parts = [
        ("@TITLE@", escape(&page.title)),
        ("@STYLE@", STYLE.to_owned()),
        ("@HEADING@", escape(&page.title)),
        ("@TOPOLOGY@", page.topology.map(super::svg).unwrap_or_default()),
        // In JSON `<` is only found in strings, where this escape means the same: nothing can end the element early.
        ("@DATA@", data.replace('<', "\\u003c")),
        ("@SCRIPT@", SCRIPT.to_owned()),
    ];
    let mut out = String::with_capacity(PAGE.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut rest = PAGE;
    for (mark, text) in parts {
        // Placeholders stand in the page in this order; what is put in is never searched.
        let Some((before, after)) = rest.split_once(mark) else { continue };
        out.push_str(before);
        out.push_str(&text);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
