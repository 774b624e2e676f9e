//! Everything that can stop a build.

use crate::bundle::BundleError;
use crate::edge::inputs::InputError;
use crate::edge::keys::KeysError;
use crate::edge::output::OutputError;
use crate::edge::stage::StageError;
use crate::image::ImageError;
use crate::libvirt::LibvirtError;
use crate::recipe::RecipeError;
use crate::render::RenderError;
use crate::spec::Problem;
use crate::template::TemplateError;
use crate::tree::FillError;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// At least one of them is an error.
    #[error("the spec has problems")]
    Spec(Vec<Problem>),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("node {node}: {source}")]
    Node { node: String, source: Box<BuildError> },
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Fill(#[from] FillError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Libvirt(#[from] LibvirtError),
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("an image cannot be written: {0}")]
    Write(std::io::Error),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("{message}")]
    Missing { message: String, help: String },
}

impl BuildError {
    pub(super) fn in_node(self, node: &str) -> Self {
        Self::Node { node: node.to_owned(), source: Box::new(self) }
    }

    /// What to do about it, where that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Missing { help, .. } => Some(help.clone()),
            Self::Keys(error) => error.help(),
            Self::Input(error) => error.help().map(str::to_owned),
            Self::Node { source, .. } => source.help(),
            _ => None,
        }
    }
}
