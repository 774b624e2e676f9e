//! Tera behind a narrow door: strict, pure and bounded templates.
//!
//! Comes in: recipes and a context of plain values. Goes out: text. Templates reach no clock, no environment, no
//! randomness and no file; an unknown variable, filter or function is an error that names file, line and column.

mod functions;
mod marker;

pub use marker::{MarkerError, SecretCall, contents};

use crate::recipe::{Recipe, Recipes};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use tera::{Context, Tera, Value};

/// A template's text may not grow beyond this; real files are far smaller.
const MAX_OUTPUT: usize = 16 << 20;

/// A template that could not be compiled or rendered. The message carries file, line, column and the known names.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{template}: {message}")]
pub struct TemplateError {
    pub template: String,
    pub message: String,
}

impl TemplateError {
    fn new(template: &str, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(&format!("\n  because: {cause}"));
            source = cause.source();
        }
        Self { template: template.to_owned(), message }
    }
}

/// Every template, condition and templated string of all recipes, compiled once. A recipe's templates know no other's.
#[derive(Clone, Debug)]
pub struct Templates {
    by_owner: BTreeMap<String, Tera>,
}

/// Owns the conditions of `defaults.yaml`.
const DEFAULTS: &str = "defaults.yaml";

fn file_template(recipe: &str, file: &str) -> String {
    format!("{recipe}/{file}")
}

fn string_template(recipe: &str, text: &str) -> String {
    format!("{recipe}/recipe.yaml: {text}")
}

fn condition_template(owner: &str, expression: &str) -> String {
    format!("{owner}: when {expression}")
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

impl Templates {
    /// Compiles everything, so that a mistake in any recipe shows before anything is rendered.
    pub fn compile(recipes: &Recipes) -> Result<Self, TemplateError> {
        let rules = recipes.defaults.rules.iter();
        let rules = rules.map(|rule| (condition_template(DEFAULTS, &rule.when), condition_source(&rule.when)));
        let mut all: Vec<(&str, Vec<Source<'_>>)> = vec![(DEFAULTS, rules.collect())];
        all.extend(recipes.by_id.iter().map(|(id, recipe)| (id.as_str(), sources(recipe))));
        let compiled: Vec<Result<_, TemplateError>> =
            all.into_par_iter().map(|(owner, sources)| Ok((owner.to_owned(), compiled(sources)?))).collect();
        Ok(Self { by_owner: compiled.into_iter().collect::<Result<_, _>>()? })
    }

    /// Renders a template file of a recipe.
    pub fn file(&self, recipe: &str, file: &str, context: &Context) -> Result<String, TemplateError> {
        self.render(recipe, &file_template(recipe, file), context)
    }

    /// Renders a templated string of a `recipe.yaml`; a string without template syntax is returned as it is.
    pub fn text<'a>(&self, recipe: &str, text: &'a str, context: &Context) -> Result<Cow<'a, str>, TemplateError> {
        if !is_template(text) {
            return Ok(Cow::Borrowed(text));
        }
        self.render(recipe, &string_template(recipe, text), context).map(Cow::Owned)
    }

    /// Evaluates a `when` expression of a recipe; no expression holds.
    pub fn holds(&self, recipe: &str, when: Option<&str>, context: &Context) -> Result<bool, TemplateError> {
        let Some(expression) = when else { return Ok(true) };
        let owner = format!("{recipe}/recipe.yaml");
        Ok(self.render(recipe, &condition_template(&owner, expression), context)? == "true")
    }

    /// Evaluates a rule of `defaults.yaml`.
    pub fn rule_holds(&self, expression: &str, context: &Context) -> Result<bool, TemplateError> {
        Ok(self.render(DEFAULTS, &condition_template(DEFAULTS, expression), context)? == "true")
    }

    fn render(&self, owner: &str, name: &str, context: &Context) -> Result<String, TemplateError> {
        let mut out = Bounded { bytes: Vec::new() };
        functions::renew_budget();
        let Some(tera) = self.by_owner.get(owner) else {
            return Err(TemplateError { template: name.to_owned(), message: format!("there is no recipe {owner}") });
        };
        tera.render_to(name, context, &mut out).map_err(|e| TemplateError::new(name, &e))?;
        String::from_utf8(out.bytes).map_err(|e| TemplateError::new(name, &e))
    }
}

fn condition_source(expression: &str) -> Cow<'static, str> {
    Cow::Owned(format!("{{% if {expression} %}}true{{% endif %}}"))
}

/// A template's name and text.
type Source<'a> = (String, Cow<'a, str>);

fn compiled(mut sources: Vec<Source<'_>>) -> Result<Tera, TemplateError> {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<String>::new());
    functions::register(&mut tera);
    sources.sort();
    sources.dedup();
    tera.add_raw_templates(sources).map_err(|e| TemplateError::new("recipes", &e))?;
    Ok(tera)
}

fn sources(recipe: &Recipe) -> Vec<Source<'_>> {
    let mut out = Vec::new();
    for source in recipe.files.iter().filter(|source| source.is_template) {
        // load() refused templates that are not UTF-8.
        out.push((file_template(&recipe.id, &source.name), String::from_utf8_lossy(&source.bytes)));
    }
    for text in recipe.manifest.templates().into_iter().filter(|text| is_template(text)) {
        out.push((string_template(&recipe.id, text), Cow::Borrowed(text)));
    }
    for expression in recipe.manifest.conditions() {
        let owner = format!("{}/recipe.yaml", recipe.id);
        out.push((condition_template(&owner, expression), condition_source(expression)));
    }
    out
}

/// Refuses to grow without end, which a loop in a template could otherwise make it do.
struct Bounded {
    bytes: Vec<u8>,
}

impl Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + buffer.len() > MAX_OUTPUT {
            return Err(std::io::Error::other("the template writes more than 16 MiB: is there a loop without end?"));
        }
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A plain value as a template sees it.
pub fn value<T: serde::Serialize + ?Sized>(plain: &T) -> Value {
    Value::from_serializable(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Files, load};

    fn render(template: &str, context: &Context) -> Result<String, TemplateError> {
        let files: Files = [("a/b/recipe.yaml", "summary: x"), ("a/b/files/f.tera", template)]
            .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
            .into();
        let recipes = load(Files::new(), files).unwrap();
        Templates::compile(&recipes)?.file("a/b", "files/f.tera", context)
    }

    #[test]
    fn unknown_names_are_errors_with_file_and_line() {
        for template in
            ["one\n{{ bogus }}\n", "{{ 1 | bogus }}", "{{ bogus() }}", "{% if bogus.x %}{% endif %}", "{% for"]
        {
            let message = render(template, &Context::new()).unwrap_err().to_string();
            assert!(message.contains("a/b/files/f.tera:"), "{message}");
        }
    }

    #[test]
    fn nothing_is_escaped_and_values_are_quoted_on_request() {
        let mut context = Context::new();
        context.insert("text", "a<b>\"c\"");
        assert_eq!(render("{{ text }}", &context).unwrap(), "a<b>\"c\"");
        assert_eq!(render("{{ text | json }}", &context).unwrap(), "\"a<b>\\\"c\\\"\"");
        assert_eq!(render("{{ text | toml }}", &context).unwrap(), "\"a<b>\\\"c\\\"\"");
        assert_eq!(render("{{ 'hi' | b64 }}", &context).unwrap(), "aGk=");
    }

    #[test]
    fn templates_include_those_of_their_own_recipe() {
        let included = |template: &str| {
            let files: Files = [
                ("a/b/recipe.yaml", "summary: x"),
                ("a/b/files/f.tera", template),
                ("a/b/files/part.tera", "own"),
                ("a/c/recipe.yaml", "summary: x"),
                ("a/c/files/part.tera", "other"),
            ]
            .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
            .into();
            let recipes = load(Files::new(), files).unwrap();
            Templates::compile(&recipes)?.file("a/b", "files/f.tera", &Context::new())
        };
        assert_eq!(included("{% include 'a/b/files/part.tera' %}").unwrap(), "own");
        let message = included("{% include 'a/c/files/part.tera' %}").unwrap_err().to_string();
        assert!(message.contains("a/c/files/part.tera"), "{message}");
    }

    #[test]
    fn loops_and_includes_without_end_are_refused() {
        let endless = [
            "{% for i in range(end=1000000000) %}x{% endfor %}",
            "{% for i in range(end=60000) %}{% for j in range(end=60000) %}xxxx{% endfor %}{% endfor %}",
            "{% for i in range(end=60000) %}{% for j in range(end=60000) %}{% endfor %}{% endfor %}",
            "{% include 'a/b/files/f.tera' %}",
            "{% include '../../../etc/passwd' %}",
        ];
        for template in endless {
            assert!(render(template, &Context::new()).is_err(), "{template}");
        }
    }
}
