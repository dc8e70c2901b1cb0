//! The text of a job file, with the settings of the command line laid over it, and the place of everything
//! in it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::job::Origin;

/// A job file that was parsed.
pub(super) struct Document {
    file: PathBuf,
    /// How long the text is, and where its lines end. A file may have very many settings, and each is asked for its line.
    length: usize,
    line_ends: Vec<usize>,
    /// The settings of the command line: where each begins in a text that goes on behind the file's.
    set: Vec<(usize, String)>,
    /// All settings.
    pub root: Node,
}

/// A value of a job file, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The bytes of the text that it is, or that its key is.
    pub span: Range<usize>,
    /// What it is.
    pub kind: NodeKind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    /// One value: text, a number or a truth value.
    Scalar(Value),
    /// A date or a time.
    Time(String),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(TableNode),
}

/// The entries of a table, in the order of the text.
#[derive(Debug, Clone, Default)]
pub(super) struct TableNode {
    entries: Vec<(String, Node)>,
    /// Where in `entries` each name is.
    by_name: HashMap<String, usize>,
}

impl TableNode {
    /// The value under a name.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.by_name.get(name).map(|at| &self.entries[*at].1)
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.entries.iter().map(|(name, node)| (name, node))
    }

    /// Puts a value under a name, in place of what is there.
    pub(super) fn insert(&mut self, name: String, node: Node) {
        match self.by_name.get(&name) {
            Some(&at) => self.entries[at].1 = node,
            None => {
                self.by_name.insert(name.clone(), self.entries.len());
                self.entries.push((name, node));
            }
        }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.by_name.get(name).map(|at| &mut self.entries[*at].1)
    }
}

/// One mistake in a job file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobMistake {
    /// Where it is.
    pub place: String,
    /// What is wrong, and what to do.
    pub words: String,
}

impl Document {
    /// Parses the text of a job file and lays `key=value` settings over it.
    pub(super) fn parse(file: &Path, text: &str, set: &[String]) -> Result<Self, Vec<JobMistake>> {
        let root = Node { span: 0..0, kind: NodeKind::Table(TableNode::default()) };
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        let mut document = Document { file: file.into(), length: text.len(), line_ends, set: vec![], root };
        match DeTable::parse(text) {
            Ok(root) => document.root = Node::of_table(root.get_ref(), 0..0),
            Err(error) => {
                let place = document.place_of(&error.span().unwrap_or(0..0), "").to_string();
                return Err(vec![JobMistake { place, words: format!("this is not TOML: {}", error.message()) }]);
            }
        }
        for setting in set {
            let wrong = |words| vec![JobMistake { place: format!("--set {setting}"), words }];
            document.lay_over(setting).map_err(wrong)?;
        }
        Ok(document)
    }

    /// Where the value under a path of keys stands; where it does not, the nearest one above it.
    pub(super) fn place(&self, path: &[&str]) -> Origin {
        self.item_place(path, None)
    }

    /// Where an item of the list under a path of keys stands.
    pub(super) fn item_place(&self, path: &[&str], item: Option<usize>) -> Origin {
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
        self.place_of(&node.span, &path.join("."))
    }

    /// Where a stretch of the text stands.
    pub(super) fn place_of(&self, span: &Range<usize>, key: &str) -> Origin {
        if let Some((_, setting)) = self.set.iter().rev().find(|(start, _)| span.start >= *start) {
            return Origin::Set(setting.clone());
        }
        let line = self.line_ends.partition_point(|end| *end < span.start) + 1;
        Origin::Line { file: self.file.clone(), line, key: key.into() }
    }

    fn lay_over(&mut self, setting: &str) -> Result<(), String> {
        let (path, value) = setting.split_once('=').ok_or("write it as key=value, such as compare.key=id")?;
        let start = self.set.last().map_or(self.length + 1, |(start, last)| start + last.len() + 1);
        // a bare word is text
        let as_text = format!("v = {}", Value::String(value.into()));
        let parsed = [format!("v = {value}"), as_text].iter().find_map(|text| {
            let table = DeTable::parse(text).ok()?;
            Some(Node::of(table.get_ref().get("v")?))
        });
        let mut value = parsed.ok_or("its value is not TOML")?;
        value.move_to(start);
        self.set.push((start, path.into()));
        let steps: Vec<&str> = path.split('.').map(str::trim).collect();
        self.root.put(&steps, value, start)
    }
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
            // of a setting, its key is what people look for
            node.span = name.span();
            entries.insert(name.get_ref().to_string(), node);
        }
        Node { span, kind: NodeKind::Table(entries) }
    }

    /// The value under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Table(entries) => entries.get(key),
            _ => None,
        }
    }

    /// Puts a value under a path of keys, in place of what is there.
    fn put(&mut self, path: &[&str], value: Node, start: usize) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        let NodeKind::Table(entries) = &mut self.kind else { return Err(format!("`{first}` has nothing to stand in")) };
        if entries.get(first).is_none() {
            entries.insert(first.to_string(), Node { span: start..start, kind: NodeKind::Table(TableNode::default()) });
        }
        match entries.get_mut(first) {
            Some(node) => node.put(rest, value, start),
            None => Ok(()),
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

    /// The value as JSON, with times as text.
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
