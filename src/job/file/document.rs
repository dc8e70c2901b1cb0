//! The text of a job file with the overrides from the command line applied, and the position of every value in it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::job::Origin;

/// A parsed job file.
pub(super) struct Document {
    file: PathBuf,
    /// Length of the text in bytes, and the offsets of its line ends. A file may have very many settings, and the line
    /// of each is looked up, so this must not be linear.
    length: usize,
    line_ends: Vec<usize>,
    /// The file with defaults, whose text continues that of the job file.
    defaults: Option<Defaults>,
    /// The overrides from the command line: the start of each in a virtual text that continues after the text of files.
    set: Vec<(usize, Origin)>,
    /// The root table.
    pub root: Node,
}

/// A file with defaults.
struct Defaults {
    file: PathBuf,
    /// The position of its first byte in the virtual text.
    start: usize,
    line_ends: Vec<usize>,
}

/// A value in a job file, and its position.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The bytes of the value in the text, or of its key if it has one.
    pub span: Range<usize>,
    pub kind: NodeKind,
}

#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    /// Text, a number, or a boolean.
    Scalar(Value),
    Time(String),
    List(Vec<Node>),
    Table(TableNode),
}

/// The entries of a table, in file order.
#[derive(Debug, Clone, Default)]
pub(super) struct TableNode {
    entries: Vec<(String, Node)>,
    /// Index in `entries` by name.
    by_name: HashMap<String, usize>,
}

impl TableNode {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.by_name.get(name).map(|index| &self.entries[*index].1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.entries.iter().map(|(name, node)| (name, node))
    }

    /// Inserts a value, and replaces an existing one of the same name.
    pub(super) fn insert(&mut self, name: String, node: Node) {
        match self.by_name.get(&name) {
            Some(&index) => self.entries[index].1 = node,
            None => {
                self.by_name.insert(name.clone(), self.entries.len());
                self.entries.push((name, node));
            }
        }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.by_name.get(name).map(|index| &mut self.entries[*index].1)
    }
}

/// An error in a job file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobMistake {
    /// The position: file, line, and key.
    pub origin: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl Document {
    /// Parses the text of a job file.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, Vec<JobMistake>> {
        let root = Node { span: 0..0, kind: NodeKind::Table(TableNode::default()) };
        let line_ends = line_ends(text);
        let (file, length) = (file.into(), text.len());
        let mut document = Document { file, length, line_ends, defaults: None, set: vec![], root };
        match DeTable::parse(text) {
            Ok(root) => document.root = Node::of_table(root.get_ref(), 0..0),
            Err(error) => {
                let origin = document.origin_of(&error.span().unwrap_or(0..0), "").to_string();
                return Err(vec![JobMistake { origin, message: format!("invalid TOML: {}", error.message()) }]);
            }
        }
        Ok(document)
    }

    /// Applies `key=value` overrides.
    pub(super) fn lay_over_all(&mut self, set: &[String]) -> Result<(), Vec<JobMistake>> {
        for setting in set {
            let wrong = |message| vec![JobMistake { origin: format!("--set {setting}"), message }];
            self.lay_over(setting).map_err(wrong)?;
        }
        Ok(())
    }

    /// Adds the settings of a file with defaults that the document does not have. Sections are merged; everything else
    /// that the document has stays as it is.
    pub(super) fn lay_under(&mut self, file: &Path, text: &str) -> Result<(), Vec<JobMistake>> {
        let other = Document::parse(file, text)?;
        let start = self.length + 1;
        let mut root = other.root;
        root.shift(start);
        self.root.fill(root);
        self.defaults = Some(Defaults { file: file.into(), start, line_ends: other.line_ends });
        self.length = start + text.len();
        Ok(())
    }

    /// The text of a setting at the top of the document.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.root.get(name)?.kind {
            NodeKind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns the position of the value at a path of keys, or that of its nearest existing parent.
    pub(super) fn origin(&self, path: &[&str]) -> Origin {
        self.item_origin(path, None)
    }

    /// Returns the position of an item in the list at a path of keys.
    pub(super) fn item_origin(&self, path: &[&str], item: Option<usize>) -> Origin {
        let mut node = &self.root;
        for step in path {
            match node.get(step) {
                Some(next) => node = next,
                None => break,
            }
        }
        if let (Some(item), NodeKind::List(items)) = (item, &node.kind) {
            node = items.get(item).unwrap_or(node);
        }
        self.origin_of(&node.span, &path.join("."))
    }

    /// Returns the position of a range of the text.
    pub(super) fn origin_of(&self, span: &Range<usize>, key: &str) -> Origin {
        if let Some((_, origin)) = self.set.iter().rev().find(|(start, _)| span.start >= *start) {
            return origin.clone();
        }
        let (file, start, line_ends) = match &self.defaults {
            Some(defaults) if span.start >= defaults.start => (&defaults.file, defaults.start, &defaults.line_ends),
            _ => (&self.file, 0, &self.line_ends),
        };
        let line = line_ends.partition_point(|end| *end + start < span.start) + 1;
        Origin::Line { file: file.clone(), line, key: key.into() }
    }

    fn lay_over(&mut self, setting: &str) -> Result<(), String> {
        let (path, value) = setting.split_once('=').ok_or("expected key=value, such as compare.key=id")?;
        let steps: Vec<&str> = path.split('.').map(str::trim).collect();
        self.put_text(&steps, value, Origin::Set(path.into()))
    }

    /// Sets a value, which is TOML or else text, at a path of keys.
    pub(super) fn put_text(&mut self, path: &[&str], value: &str, origin: Origin) -> Result<(), String> {
        let start = self.set.last().map_or(self.length, |(start, _)| *start) + 1;
        // an unquoted value that is not TOML is text
        let as_text = format!("v = {}", Value::String(value.into()));
        let parsed = [format!("v = {value}"), as_text].iter().find_map(|text| {
            let table = DeTable::parse(text).ok()?;
            Some(Node::of(table.get_ref().get("v")?))
        });
        let mut value = parsed.ok_or("the value is not valid TOML")?;
        value.move_to(start);
        self.set.push((start, origin));
        self.root.put(path, value, start)
    }
}

/// The offsets of the ends of lines.
fn line_ends(text: &str) -> Vec<usize> {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect()
}

impl Node {
    fn of(value: &Spanned<DeValue>) -> Node {
        let scalar = |value: Value| NodeKind::Scalar(value);
        let kind = match value.get_ref() {
            DeValue::String(text) => scalar(Value::String(text.to_string())),
            DeValue::Boolean(truth) => scalar(Value::Bool(*truth)),
            DeValue::Integer(number) => {
                let whole = i64::from_str_radix(number.as_str(), number.radix());
                scalar(whole.map_or_else(|_| Value::String(number.to_string()), Value::from))
            }
            DeValue::Float(number) => {
                let float = number.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
                scalar(float.map_or_else(|| Value::String(number.to_string()), Value::Number))
            }
            DeValue::Datetime(time) => NodeKind::Time(time.to_string()),
            DeValue::Array(items) => NodeKind::List(items.iter().map(Node::of).collect()),
            DeValue::Table(table) => return Node::of_table(table, value.span()),
        };
        Node { span: value.span(), kind }
    }

    fn of_table(table: &DeTable, span: Range<usize>) -> Node {
        let mut entries = TableNode::default();
        for (name, value) in table {
            let mut node = Node::of(value);
            // users look for the key of a setting, not for its value
            node.span = name.span();
            entries.insert(name.get_ref().to_string(), node);
        }
        Node { span, kind: NodeKind::Table(entries) }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Table(entries) => entries.get(key),
            _ => None,
        }
    }

    /// Sets the value at a path of keys, and creates missing parents.
    fn put(&mut self, path: &[&str], value: Node, start: usize) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        let NodeKind::Table(entries) = &mut self.kind else {
            return Err(format!("cannot set `{first}`: its parent is not a section"));
        };
        if entries.get(first).is_none() {
            entries.insert(first.to_string(), Node { span: start..start, kind: NodeKind::Table(TableNode::default()) });
        }
        match entries.get_mut(first) {
            Some(node) => node.put(rest, value, start),
            None => Ok(()),
        }
    }

    /// Adds the entries of another table that this one does not have, also inside of tables that both have.
    fn fill(&mut self, other: Node) {
        let (NodeKind::Table(own), NodeKind::Table(others)) = (&mut self.kind, other.kind) else { return };
        for (name, node) in others.entries {
            match own.get_mut(&name) {
                Some(known) => known.fill(node),
                None => own.insert(name, node),
            }
        }
    }

    fn shift(&mut self, by: usize) {
        self.span = self.span.start + by..self.span.end + by;
        match &mut self.kind {
            NodeKind::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            NodeKind::Table(table) => table.entries.iter_mut().for_each(|(_, node)| node.shift(by)),
            NodeKind::Scalar(_) | NodeKind::Time(_) => {}
        }
    }

    fn move_to(&mut self, start: usize) {
        self.span = start..start;
        match &mut self.kind {
            NodeKind::List(items) => items.iter_mut().for_each(|item| item.move_to(start)),
            NodeKind::Table(table) => table.entries.iter_mut().for_each(|(_, node)| node.move_to(start)),
            NodeKind::Scalar(_) | NodeKind::Time(_) => {}
        }
    }

    /// Converts the value to JSON; times become text.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::Time(time) => Value::String(time.clone()),
            NodeKind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            NodeKind::Table(entries) => {
                Value::Object(entries.iter().map(|(name, node)| (name.clone(), node.to_json())).collect())
            }
        }
    }
}
