//! What kubi keeps under `out/`: values and their text. Reading and writing the files is `edge::output` and
//! `edge::publish`.
//!
//! ```text
//! out/.lock                           held by the one builder
//! out/.staging/                       a build that is not finished: thrown away by the next command
//! out/.commit/                        a build that is complete and being moved into place: finished by the next command
//! out/store/                          OCI image layout with every bundle of every cluster
//! out/<cluster>/nodes/<node>/         tree/ and manifest.json, for people
//! out/<cluster>/images/               disks, named by digest
//! out/<cluster>/operator/             kubeconfigs for people, mode 0600
//! out/<cluster>/deploy/               what kubi-deploy reads
//! out/<cluster>/build.json            the newest build's record
//! out/<cluster>/builds/<number>.json  that record and those of older builds
//! ```

mod index;
mod keep;
mod record;
mod review;

pub use index::{Index, IndexEntry, OCI_LAYOUT};
pub use keep::{Needed, builds_to_keep};
pub use record::{BuildRecord, FACTS, ImageRecord, NodeRecord, RecordError};
pub use review::{ReviewEntry, ReviewManifest, ReviewSecret};
