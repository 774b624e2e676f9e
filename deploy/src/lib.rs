//! Runs what `kubi build` made: reads `out/<cluster>/deploy/deploy.json` and the images beside it, and talks to libvirt,
//! etcd and Kubernetes. It knows nothing of specs and recipes.
//!
//! ```text
//! deploy.json -> Deployment ; libvirt -> Observed ; plan(Deployment, Observed) -> Plan ; apply(Plan) -> a healthy cluster
//! ```
//!
//! `deployment`, `observed`, `plan` and `render` are functions on values; the other modules reach the world.

pub mod apply;
pub mod build;
pub mod cli;
pub mod definition;
pub mod deployment;
mod deployment_check;
pub mod edge;
pub mod hypervisor;
pub mod identity;
pub mod mark;
pub mod network_facts;
pub mod observed;
pub mod plan;
pub mod render;
pub mod services;
pub mod status;
pub mod upload;
