//! Walks a YAML tree along the spec's JSON schema: every unknown, missing and repeated key and every value of the wrong
//! type, with its place, and what of the tree fits the schema.

use super::limits;
use super::nearest::nearest;
use super::path::SpecPath;
use super::problem::Problem;
use super::recover::Dropped;
use super::scalar;
use super::schema::{schema, text_parser};
use super::yaml::{Kind, NodeId, Tree};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a walk found.
#[derive(Debug, Default)]
pub struct Walked {
    pub problems: Vec<Problem>,
    /// The tree without what does not fit the schema, unless that leaves nothing.
    pub value: Option<Value>,
    pub dropped: Dropped,
}

pub fn walk(tree: &Tree) -> Walked {
    let schema = schema().to_value();
    let mut walker = Walker {
        tree,
        definitions: &schema["$defs"],
        steps: tree.len() + limits::ALIASED_VALUES,
        depth: 0,
        found: Walked::default(),
    };
    if let Some(root) = tree.root() {
        match walker.foreign(root) {
            Some(problem) => walker.found.problems.push(problem),
            None => walker.found.value = walker.value(root, &schema, &SpecPath::root()),
        }
    }
    if walker.steps == 0 {
        let problem = Problem::error("yaml-limit", SpecPath::root(), "aliases stand for more values than a spec may");
        walker.found.problems.push(problem);
        walker.found.value = None;
    }
    walker.found
}

struct Walker<'a> {
    tree: &'a Tree,
    definitions: &'a Value,
    /// Nodes that may still be visited: aliases can name one node many times.
    steps: usize,
    depth: usize,
    found: Walked,
}

impl<'a> Walker<'a> {
    /// A file of some other program: its keys are not worth a complaint each.
    fn foreign(&self, root: NodeId) -> Option<Problem> {
        let Kind::Mapping(entries) = &self.tree.node(root).kind else { return None };
        let get =
            |name: &str| entries.iter().find(|(key, _)| self.tree.text(*key) == Some(name)).map(|(_, value)| *value);
        let (version, kind) = (get("apiVersion"), get("kind"));
        let ours = |id: Option<NodeId>, name: &str| id.and_then(|id| self.tree.text(id)) == Some(name);
        if (version.is_none() && kind.is_none()) || ours(version, "kubi/v1alpha1") || ours(kind, "Cluster") {
            return None;
        }
        let show = |id: Option<NodeId>| id.and_then(|id| self.tree.text(id)).unwrap_or("?");
        let message = format!("this is `{}` of `{}`, no kubi cluster", show(kind), show(version));
        let problem = Problem::error("foreign-file", SpecPath::of("kind"), message);
        Some(problem.help("a cluster spec starts with `apiVersion: kubi/v1alpha1` and `kind: Cluster`"))
    }

    fn value(&mut self, id: NodeId, schema: &'a Value, path: &SpecPath) -> Option<Value> {
        self.steps = self.steps.checked_sub(1)?;
        if self.depth > limits::DEPTH {
            return None;
        }
        self.depth += 1;
        let value = self.value_of_schema(id, schema, path);
        self.depth -= 1;
        value
    }

    fn value_of_schema(&mut self, id: NodeId, schema: &'a Value, path: &SpecPath) -> Option<Value> {
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            return match text_parser(name) {
                Some(parser) => self.text(id, path, parser),
                None => self.value_of_schema(id, &self.definitions[name], path),
            };
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            return self.any_of(id, alternatives, path);
        }
        if let Some(choices) = choices(schema) {
            return self.choice(id, &choices, path);
        }
        let types = types(schema);
        if types.contains(&"null") && scalar::is_null(self.tree.node(id)) {
            return Some(Value::Null);
        }
        match types.first() {
            Some(&"object") => self.mapping(id, schema, path),
            Some(&"array") => self.list(id, &schema["items"], path),
            Some(&"string") if schema["format"] == "ipv4" => self.text(id, path, |text| match text.parse() {
                Ok(std::net::Ipv4Addr { .. }) => Ok(()),
                Err(_) => Err(format!("{text:?} is no IPv4 address: write four numbers, such as 192.168.24.11")),
            }),
            Some(&"string") => self.text(id, path, |_| Ok(())),
            Some(&"integer") => self.checked(path, scalar::integer(self.tree.node(id), schema)),
            Some(&"boolean") => self.checked(path, scalar::boolean(self.tree.node(id))),
            _ => Some(self.anything(id)),
        }
    }

    /// One of several types: the one that looks like the node, so that the complaint is about that one.
    fn any_of(&mut self, id: NodeId, alternatives: &'a [Value], path: &SpecPath) -> Option<Value> {
        let null = scalar::is_null(self.tree.node(id));
        if null && alternatives.iter().any(|schema| types(schema).contains(&"null")) {
            return Some(Value::Null);
        }
        let mut others = alternatives.iter().filter(|schema| !types(schema).contains(&"null"));
        let list = matches!(self.tree.node(id).kind, Kind::Sequence(_));
        let first = others.next()?;
        let chosen = match others.find(|schema| types(schema).contains(&"array")) {
            Some(array) if list => array,
            _ => first,
        };
        self.value(id, chosen, path)
    }

    fn choice(&mut self, id: NodeId, choices: &[&str], path: &SpecPath) -> Option<Value> {
        let Some(text) = self.tree.text(id).filter(|_| !scalar::is_null(self.tree.node(id))) else {
            let expected = format!("one of {}", choices.join(", "));
            return self.checked(path, Err(scalar::wrong_type(self.tree.node(id), &expected)));
        };
        if choices.contains(&text) {
            return Some(text.into());
        }
        let problem = Problem::error("unknown-value", path.clone(), format!("{text:?} is not known here"));
        let known = format!("write {}", one_of(choices));
        self.found.problems.push(problem.help(match nearest(text, choices.iter().copied()) {
            Some(meant) if choices.len() > 1 => format!("did you mean {meant:?}? Known here: {}", choices.join(", ")),
            _ => known,
        }));
        None
    }

    fn text(&mut self, id: NodeId, path: &SpecPath, parse: impl Fn(&str) -> Result<(), String>) -> Option<Value> {
        self.checked(path, scalar::text(self.tree.node(id), parse))
    }

    fn checked(&mut self, path: &SpecPath, result: Result<Value, scalar::Wrong>) -> Option<Value> {
        match result {
            Ok(value) => Some(value),
            Err(wrong) => {
                let problem = Problem::error(wrong.code, path.clone(), wrong.message);
                self.found.problems.push(Problem { help: wrong.help, ..problem });
                None
            }
        }
    }

    fn list(&mut self, id: NodeId, items: &'a Value, path: &SpecPath) -> Option<Value> {
        let tree = self.tree;
        let Kind::Sequence(ids) = &tree.node(id).kind else {
            return self.checked(path, Err(scalar::wrong_type(tree.node(id), "a list")));
        };
        let mut kept = vec![];
        let values: Vec<Value> = (ids.iter().enumerate())
            .filter_map(|(index, item)| {
                let value = self.value(*item, items, &path.index(index))?;
                kept.push(index);
                Some(value)
            })
            .collect();
        if kept.len() < ids.len() {
            self.found.dropped.places.push(path.clone());
            self.found.dropped.lists.insert(path.clone(), kept);
        }
        Some(values.into())
    }

    fn mapping(&mut self, id: NodeId, schema: &'a Value, path: &SpecPath) -> Option<Value> {
        let tree = self.tree;
        let Kind::Mapping(entries) = &tree.node(id).kind else {
            return self.checked(path, Err(scalar::wrong_type(tree.node(id), "keys and values")));
        };
        let mut seen: BTreeMap<&str, NodeId> = BTreeMap::new();
        let mut values = Map::new();
        let mut complete = true;
        for (key_id, value_id) in entries {
            let Some(key) = self.key(*key_id, path) else {
                complete = false;
                continue;
            };
            if seen.insert(key, *key_id).is_some() {
                let problem = Problem::error("duplicate-key", path.key(key), format!("`{key}` is written twice here"));
                self.found.problems.push(problem.at(tree.node(*key_id).span.clone()).help("keep one of them"));
                continue;
            }
            let known = schema["properties"].get(key);
            let value =
                match known.or(schema.get("additionalProperties").filter(|others| **others != Value::Bool(false))) {
                    Some(schema) => self.value(*value_id, schema, &path.key(key)),
                    None => {
                        self.unknown_key(key, *key_id, schema, path);
                        None
                    }
                };
            match value {
                Some(value) => drop(values.insert(key.to_owned(), value)),
                None => complete = false,
            }
        }
        if !complete {
            self.found.dropped.places.push(path.clone());
        }
        let whole = self.required(&seen, &values, schema, path);
        whole.then_some(Value::Object(values))
    }

    /// The text of a key. Lists and mappings cannot be keys of a spec, and merge keys are no YAML 1.2.
    fn key(&mut self, id: NodeId, path: &SpecPath) -> Option<&'a str> {
        let tree = self.tree;
        let node = tree.node(id);
        let problem = match (tree.text(id), &node.kind) {
            (Some("<<"), Kind::Scalar { plain: true, .. }) => {
                Problem::error("merge-key", path.key("<<"), "merge keys are not part of YAML 1.2")
                    .help("what several nodes share goes to `spec` or `spec.roles`, which every node inherits")
            }
            (Some(text), _) => match scalar::text(node, |_| Ok(())) {
                Ok(_) => return Some(text),
                Err(wrong) => {
                    let problem = Problem::error(wrong.code, path.key(text), wrong.message);
                    Problem { help: wrong.help, ..problem }
                }
            },
            (None, _) => Problem::error("wrong-type", path.clone(), "a key is one word here, not a list or a mapping"),
        };
        self.found.problems.push(problem.at(node.span.clone()));
        None
    }

    fn unknown_key(&mut self, key: &str, key_id: NodeId, schema: &'a Value, path: &SpecPath) {
        let known = keys(schema);
        let deeper = known.iter().find(|name| {
            let inner = self.resolve(&schema["properties"][**name]);
            keys(inner).contains(&key)
        });
        let help = match (nearest(key, known.iter().copied()), deeper) {
            (Some(meant), _) => format!("did you mean `{meant}`? Known here: {}", known.join(", ")),
            (None, Some(deeper)) => format!("`{key}` belongs below `{deeper}`. Known here: {}", known.join(", ")),
            (None, None) => format!("known here: {}", known.join(", ")),
        };
        let message = match path.steps().is_empty() {
            true => format!("unknown key `{key}`"),
            false => format!("unknown key `{key}` in {path}"),
        };
        let problem = Problem::error("unknown-key", path.key(key), message).help(help);
        self.found.problems.push(problem.at(self.tree.node(key_id).span.clone()));
    }

    /// Complains about keys that must be there; false also when one is there with a wrong value.
    fn required(
        &mut self,
        seen: &BTreeMap<&str, NodeId>,
        values: &Map<String, Value>,
        schema: &'a Value,
        path: &SpecPath,
    ) -> bool {
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        for key in required.iter().filter_map(Value::as_str).filter(|key| !seen.contains_key(key)) {
            let property = &schema["properties"][key];
            let about =
                [property, self.resolve(property)].into_iter().find_map(|schema| schema["description"].as_str());
            let place = if path.steps().is_empty() { String::new() } else { format!(" in {path}") };
            let problem = Problem::error("missing-key", path.clone(), format!("`{key}` is missing{place}"));
            self.found.problems.push(match about {
                Some(about) => problem.help(format!("add `{key}:` ({})", about.trim_end_matches('.'))),
                None => problem.help(format!("add `{key}:`")),
            });
        }
        required.iter().filter_map(Value::as_str).all(|key| values.contains_key(key))
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            Some(name) => &self.definitions[name],
            None => schema,
        }
    }

    /// A parameter: any YAML.
    fn anything(&mut self, id: NodeId) -> Value {
        let Some(steps) = self.steps.checked_sub(1).filter(|_| self.depth <= limits::DEPTH) else { return Value::Null };
        self.steps = steps;
        self.depth += 1;
        let tree = self.tree;
        let value = match &tree.node(id).kind {
            Kind::Scalar { .. } => scalar::anything(tree.node(id)),
            Kind::Sequence(items) => items.iter().map(|item| self.anything(*item)).collect(),
            Kind::Mapping(entries) => (entries.iter())
                .filter_map(|(key, value)| Some((tree.text(*key)?.to_owned(), self.anything(*value))))
                .collect::<Map<_, _>>()
                .into(),
        };
        self.depth -= 1;
        value
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

/// The texts of an enum, whose documented variants schemars writes as `oneOf`.
fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(variants) = schema["oneOf"].as_array() {
        return Some(variants.iter().filter_map(choices).flatten().collect());
    }
    match (&schema["enum"], &schema["const"]) {
        (Value::Array(texts), _) => Some(texts.iter().filter_map(Value::as_str).collect()),
        (_, Value::String(text)) => Some(vec![text]),
        _ => None,
    }
}

fn keys(schema: &Value) -> Vec<&str> {
    schema["properties"].as_object().map_or_else(Vec::new, |known| known.keys().map(String::as_str).collect())
}

fn one_of(choices: &[&str]) -> String {
    match choices {
        [only] => format!("`{only}`"),
        several => format!("one of {}", several.join(", ")),
    }
}
