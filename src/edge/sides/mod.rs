//! Where the two sides of a comparison come from: builds, bundles, revisions, the working spec.

mod git;
mod keys;
mod output;

pub use git::{GitError, Revision};
pub use keys::{MadeKeys, open_keys, stand_in};
pub use output::{BundleSide, OutputSide};
