//! Pictures and pages for people: what a cluster is made of, what was built, and what changed.
//!
//! In: a plan, what a build holds, a [`crate::diff::Diff`]. Out: text. Never reads a file and never sees a secret.

mod build;
mod certificates;
mod dot;
mod html;
mod mermaid;
mod svg;
mod topology;

pub use build::{BuildReport, Collector, FileFacts, NodeFiles};
pub use certificates::CertificateGroup;
pub use dot::dot;
pub use html::{Page, html};
pub use mermaid::mermaid;
pub use svg::svg;
pub use topology::{Card, Topology, topology};
