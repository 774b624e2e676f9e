//! `kubi schema`: prints the spec's JSON schema, for editors.

use super::{Exit, Outcome, Ui};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kubi schema > cluster.schema.json")]
pub struct SchemaArgs {}

pub fn run(_: &SchemaArgs, ui: &Ui) -> Outcome {
    ui.print(text());
    Ok(Exit::Done)
}

/// The schema as text, with a final newline.
pub fn text() -> String {
    // A schema is a JSON value, and those always serialise.
    serde_json::to_string_pretty(&crate::spec::schema()).unwrap_or_default() + "\n"
}
