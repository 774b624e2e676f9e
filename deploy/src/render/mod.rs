//! Plans and states as text for people. JSON is what their types serialise to.

mod plan_text;
mod status_text;
mod table;
mod units;

pub use plan_text::plan_text;
pub use status_text::status_text;
pub use units::{bytes, short};
