//! `operator` and `operatorCertificates` of a recipe: what people and kubi-deploy authenticate with. Never enters a node.

use super::certificates::key_contents;
use super::{RenderError, Renderer};
use crate::pki::Request;
use crate::recipe::{KubeconfigDeclaration, OperatorCertificate, Recipe};
use crate::spec::{Node, Role};
use crate::tree::Contents;
use std::collections::BTreeSet;
use tera::Context;

/// A file for the operator: written beside the images, 0600.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorFile {
    pub name: String,
    pub contents: Contents,
}

impl Renderer<'_> {
    /// The operator's files by name, each once, whichever nodes their recipe is on.
    pub fn operator(&self) -> Result<Vec<OperatorFile>, RenderError> {
        let context = self.plan.shared.cluster_context();
        let mut seen = BTreeSet::new();
        let mut files = Vec::new();
        for recipe in self.plan.nodes.iter().flat_map(|node| &node.class.recipes) {
            if !seen.insert(&recipe.id) {
                continue;
            }
            for declared in &recipe.manifest.operator {
                if self.templates.holds(&recipe.id, declared.when.as_deref(), &context)? {
                    files.push(self.operator_kubeconfig(recipe, declared, &context)?);
                }
            }
            for declared in &recipe.manifest.operator_certificates {
                if self.templates.holds(&recipe.id, declared.when.as_deref(), &context)? {
                    files.extend(self.operator_certificate(recipe, declared, &context)?);
                }
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    fn operator_kubeconfig(
        &self,
        recipe: &Recipe,
        declared: &KubeconfigDeclaration,
        context: &Context,
    ) -> Result<OperatorFile, RenderError> {
        let name = plain_name(recipe, declared.file.as_deref(), &declared.certificate)?;
        let contents = self.kubeconfig(recipe, declared, context, "operator", &self.controllers())?;
        Ok(OperatorFile { name, contents })
    }

    /// Each controller's own address, for when the one that the current context names is away. An endpoint stands for all
    /// of them.
    fn controllers(&self) -> Vec<(&str, String)> {
        let spec = &self.plan.cluster.spec;
        let api = &spec.networks.api;
        let url = |node: &Node| format!("https://{}:{}", node.addresses.management, api.port);
        let controllers: Vec<&Node> = spec.nodes.iter().filter(|node| node.roles.contains(&Role::Controller)).collect();
        match controllers.len() {
            0 | 1 => Vec::new(),
            _ if api.endpoint.is_some() => Vec::new(),
            _ => controllers.into_iter().map(|node| (node.name.as_str(), url(node))).collect(),
        }
    }

    fn operator_certificate(
        &self,
        recipe: &Recipe,
        declared: &OperatorCertificate,
        context: &Context,
    ) -> Result<[OperatorFile; 3], RenderError> {
        let name = plain_name(recipe, Some(&declared.file), &declared.certificate)?;
        let issued = self.pki.issue(&Request {
            name: declared.certificate.clone(),
            authority: declared.authority.clone(),
            common_name: self.templates.text(&recipe.id, &declared.common_name, context)?.into_owned(),
            client: true,
            ..Request::default()
        })?;
        let authority = self.pki.authority_pem(&declared.authority)?;
        let file = |end: &str, contents| OperatorFile { name: format!("{name}{end}"), contents };
        Ok([
            file("-ca.crt", Contents::public(authority)),
            file(".crt", Contents::public(issued.certificate_pem)),
            file(".key", key_contents(issued.key)),
        ])
    }
}

fn plain_name(recipe: &Recipe, name: Option<&str>, certificate: &str) -> Result<String, RenderError> {
    match name {
        Some(name) if !name.contains('/') && !name.starts_with('.') && !name.is_empty() => Ok(name.to_owned()),
        _ => {
            let reason = "needs a plain file name under `file`";
            Err(RenderError::recipe(&recipe.id, format!("operator.{certificate}"), reason))
        }
    }
}
