//! `kubeconfigs` of a recipe: a client certificate and how to reach the API server, in one file.

use super::node::{Rendering, Step};
use super::{RenderError, Renderer};
use crate::pki::Request;
use crate::recipe::{KubeconfigDeclaration, Recipe};
use crate::tree::{Contents, Encoding};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tera::Context;

impl Rendering<'_, '_> {
    pub(super) fn kubeconfigs(&mut self, step: Step<'_>) -> Result<(), RenderError> {
        for declared in &step.recipe.manifest.kubeconfigs {
            let Some(path) = declared.path.as_ref() else {
                let reason = "has no `path`: only `operator` files go without one";
                return Err(RenderError::recipe(
                    &step.recipe.id,
                    format!("kubeconfigs.{}", declared.certificate),
                    reason,
                ));
            };
            if self.holds(step, declared.when.as_deref())? {
                let contents = self.renderer.kubeconfig(step.recipe, declared, step.context, &self.plan.name, &[])?;
                let owner = self.owner(step, declared.owner.as_deref())?;
                let origin = self.origin(step, &format!("kubeconfigs.{}", declared.certificate));
                self.put_secret(path, contents, owner, origin)?;
            }
        }
        Ok(())
    }
}

impl Renderer<'_> {
    /// `v1` `Config` with one user, a cluster and its context, which is the current one, and such a pair for each of `others`,
    /// called by node; all key material embedded.
    pub(super) fn kubeconfig(
        &self,
        recipe: &Recipe,
        declared: &KubeconfigDeclaration,
        context: &Context,
        node: &str,
        others: &[(&str, String)],
    ) -> Result<Contents, RenderError> {
        let text = |text: &str| self.templates.text(&recipe.id, text, context).map(|text| text.into_owned());
        let request = Request {
            name: declared.scope.secret(&declared.certificate, node),
            authority: declared.authority.clone(),
            common_name: text(&declared.user)?,
            organizations: declared.organizations.iter().map(|o| text(o)).collect::<Result<_, _>>()?,
            client: true,
            ..Request::default()
        };
        let issued = self.pki.issue(&request)?;
        let authority = STANDARD.encode(self.pki.authority_pem(&declared.authority)?);
        let server = text(&declared.server)?;
        let cluster = &self.plan.cluster.metadata.name;
        let user = &request.common_name;
        // JSON strings are YAML strings (YAML 1.2, section 1.3), so names need no quoting rules of their own.
        let quoted = |text: &str| json!(text).to_string();
        let (mut clusters, mut contexts) = (String::new(), String::new());
        // Neither name can have a point, so no other cluster is called so.
        let of_node = |(node, server): &(&str, String)| (format!("{cluster}.{node}"), server.clone());
        for (name, server) in std::iter::once((cluster.clone(), server)).chain(others.iter().map(of_node)) {
            let (context, name, server) = (quoted(&format!("{user}@{name}")), quoted(&name), quoted(&server));
            clusters += &format!(
                "- name: {name}\n  cluster:\n    server: {server}\n    certificate-authority-data: {authority}\n"
            );
            contexts += &format!("- name: {context}\n  context:\n    cluster: {name}\n    user: {}\n", quoted(user));
        }
        let mut contents = Contents::public(format!(
            "apiVersion: v1\nkind: Config\nclusters:\n{clusters}contexts:\n{contexts}current-context: {context}\n\
             users:\n- name: {user}\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: ",
            context = quoted(&format!("{user}@{cluster}")),
            user = quoted(user),
            certificate = STANDARD.encode(&issued.certificate_pem),
        ));
        contents.push_secret(issued.key, Encoding::PemBase64);
        contents.push(b"\n");
        Ok(contents)
    }
}
