//! Checks a job file against its own JSON Schema, and reports all errors together: unknown keys, wrong types, and
//! missing settings.

use serde_json::Value;

use super::document::{Document, JobMistake, Node, NodeKind, TableNode};

/// Returns the errors of a document, and the document without the invalid values.
pub(super) fn check(document: &Document, schema: &Value) -> (Vec<JobMistake>, Node) {
    let checker = Checker { document, root: schema };
    let mut mistakes = vec![];
    let sound = checker.check(&document.root, schema, "", &mut mistakes);
    (mistakes, sound.unwrap_or_else(|| document.root.clone()))
}

struct Checker<'a> {
    document: &'a Document,
    root: &'a Value,
}

impl Checker<'_> {
    /// Returns the node without invalid values; `None` if the node itself is invalid.
    fn check(&self, node: &Node, schema: &Value, path: &str, mistakes: &mut Vec<JobMistake>) -> Option<Node> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return self.choose(node, choices, path, mistakes);
        }
        if !has_type(node, schema) {
            let wanted = self.wanted(schema);
            mistakes.push(self.mistake(node, format!("`{path}` is {}; expected {wanted}", kind(node))));
            return None;
        }
        match &node.kind {
            NodeKind::Table(entries) => self.check_table(node, entries, schema, path, mistakes),
            NodeKind::List(items) => {
                let item = schema.get("items").unwrap_or(&Value::Bool(true));
                let path = format!("{path}[]");
                let items = items.iter().filter_map(|node| self.check(node, item, &path, mistakes)).collect();
                Some(Node { span: node.span.clone(), kind: NodeKind::List(items) })
            }
            NodeKind::Scalar(_) | NodeKind::Time(_) => self.check_scalar(node, schema, path, mistakes),
        }
    }

    fn check_scalar(&self, node: &Node, schema: &Value, path: &str, mistakes: &mut Vec<JobMistake>) -> Option<Node> {
        let value = node.to_json();
        let allowed =
            schema.get("enum").and_then(Value::as_array).cloned().or_else(|| Some(vec![schema.get("const")?.clone()]));
        if let Some(allowed) = allowed.filter(|allowed| !allowed.contains(&value)) {
            mistakes.push(self.mistake(node, format!("`{path}` is {value}; {}", one_of(&value, &allowed))));
            return None;
        }
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        // the format of a number may also bound it
        let is_short = schema.get("format").is_some_and(|format| format == "uint32");
        let most_of_format = is_short.then_some(f64::from(u32::MAX));
        let (least, most) = (bound("minimum"), bound("maximum").or(most_of_format));
        let is_outside = |value: f64| least.is_some_and(|least| value < least) || most.is_some_and(|most| value > most);
        if value.as_f64().is_some_and(is_outside) {
            let wanted = match (least, most) {
                (Some(least), Some(most)) => format!("it must be between {least} and {most}"),
                (Some(least), None) if least != 0.0 => format!("it must be at least {least}"),
                (None, Some(most)) => format!("it must be at most {most}"),
                _ => "it must not be negative".into(),
            };
            mistakes.push(self.mistake(node, format!("`{path}` is {value}; {wanted}")));
            return None;
        }
        Some(node.clone())
    }

    fn check_table(
        &self,
        node: &Node,
        entries: &TableNode,
        schema: &Value,
        path: &str,
        mistakes: &mut Vec<JobMistake>,
    ) -> Option<Node> {
        let empty = serde_json::Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let more = schema.get("additionalProperties").filter(|more| more.is_object());
        let mut sound = TableNode::default();
        for (name, entry) in entries.iter() {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match known.get(name).or(more) {
                Some(schema) => {
                    if let Some(entry) = self.check(entry, schema, &below, mistakes) {
                        sound.insert(name.clone(), entry);
                    }
                }
                None => mistakes.push(self.mistake(entry, unknown(name, path, known.keys()))),
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(required) = required.as_str() else { continue };
            if entries.get(required).is_none() {
                let table = if path.is_empty() { "the job".to_string() } else { format!("[{path}]") };
                let what = if path.is_empty() { format!("the section [{required}]") } else { format!("`{required}`") };
                mistakes.push(self.mistake(node, format!("{table} lacks {what}")));
            }
        }
        Some(Node { span: node.span.clone(), kind: NodeKind::Table(sound) })
    }

    /// Chooses the form that fits without an error, or else the one for this kind of value.
    fn choose(&self, node: &Node, choices: &[Value], path: &str, mistakes: &mut Vec<JobMistake>) -> Option<Node> {
        let choices: Vec<&Value> = choices.iter().map(|choice| self.resolve(choice)).collect();
        for choice in &choices {
            let mut own = vec![];
            if let Some(sound) = self.check(node, choice, path, &mut own).filter(|_| own.is_empty()) {
                return Some(sound);
            }
        }
        let constants: Vec<Value> = choices.iter().flat_map(|choice| constants(choice)).collect();
        if !constants.is_empty() {
            let value = node.to_json();
            mistakes.push(self.mistake(node, format!("`{path}` is {value}; {}", one_of(&value, &constants))));
            return None;
        }
        match choices.iter().find(|choice| has_type(node, choice)) {
            Some(choice) => self.check(node, choice, path, mistakes),
            None => {
                let wanted: Vec<String> =
                    choices.iter().filter(|choice| !is_null(choice)).map(|choice| self.wanted(choice)).collect();
                let message = format!("`{path}` is {}; expected {}", kind(node), wanted.join(" or "));
                mistakes.push(self.mistake(node, message));
                None
            }
        }
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return schema };
        reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    /// Describes the expected value for an error message.
    fn wanted(&self, schema: &Value) -> String {
        let schema = self.resolve(schema);
        let describe = |name: &str| match name {
            "string" => "text".to_string(),
            "integer" => "a whole number".into(),
            "number" => "a number".into(),
            "boolean" => "true or false".into(),
            "array" => match schema.get("items").map(|items| self.wanted(items)) {
                Some(items) if items == "a section" => "a list of sections, [[…]]".into(),
                Some(items) => format!("a list of {items}"),
                None => "a list".into(),
            },
            "object" => "a section".into(),
            other => other.into(),
        };
        match schema.get("type") {
            Some(Value::String(name)) => describe(name),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
                names.map(describe).collect::<Vec<_>>().join(" or ")
            }
            _ => match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
                Some(choices) => {
                    let choices = choices.iter().filter(|choice| !is_null(choice)).map(|choice| self.wanted(choice));
                    choices.collect::<Vec<_>>().join(" or ")
                }
                None => "something else".into(),
            },
        }
    }

    fn mistake(&self, node: &Node, message: String) -> JobMistake {
        JobMistake { origin: self.document.origin_of(&node.span, "").to_string(), message }
    }
}

fn constants(schema: &Value) -> Vec<Value> {
    let listed = schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    listed.into_iter().chain(schema.get("const").cloned()).collect()
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
}

fn has_type(node: &Node, schema: &Value) -> bool {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return true,
    };
    let is_one = |wanted: &[&str]| names.iter().any(|name| wanted.contains(name));
    match &node.kind {
        NodeKind::Table(_) => is_one(&["object"]),
        NodeKind::List(_) => is_one(&["array"]),
        NodeKind::Time(_) => schema.get("format").is_some_and(|format| format == "date-time"),
        NodeKind::Scalar(Value::String(_)) => is_one(&["string"]),
        NodeKind::Scalar(Value::Bool(_)) => is_one(&["boolean"]),
        NodeKind::Scalar(Value::Number(number)) if number.is_f64() => is_one(&["number"]),
        NodeKind::Scalar(_) => is_one(&["integer", "number"]),
    }
}

fn kind(node: &Node) -> String {
    match &node.kind {
        NodeKind::Table(_) => "a section".into(),
        NodeKind::List(_) => "a list".into(),
        NodeKind::Time(time) => format!("the time {time}"),
        NodeKind::Scalar(Value::String(text)) => format!("the text {text:?}"),
        NodeKind::Scalar(Value::Number(number)) => format!("the number {number}"),
        NodeKind::Scalar(value) => format!("the value {value}"),
    }
}

/// Returns the known name that is most similar, if it is similar enough.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
    known.min_by_key(distance).filter(|known| distance(known) <= known.len().max(3) / 3 + 1)
}

fn unknown<'a>(name: &str, path: &str, known: impl Iterator<Item = &'a String> + Clone) -> String {
    let scope = if path.is_empty() { "in a job".to_string() } else { format!("in [{path}]") };
    match nearest(name, known.clone().map(String::as_str)) {
        Some(near) => format!("unknown key `{name}`; did you mean `{near}`?"),
        None => {
            let known: Vec<&str> = known.map(String::as_str).collect();
            format!("unknown key `{name}`; known {scope}: {}", known.join(", "))
        }
    }
}

fn one_of(value: &Value, allowed: &[Value]) -> String {
    let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
    match value.as_str().and_then(|text| nearest(text, names.iter().copied())) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("expected one of {}", names.join(", ")),
    }
}
