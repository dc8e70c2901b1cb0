//! Reads `[[check]]`: a query (from the user or from the library), its inputs, its parameters, and the expected result.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::FormReader;
use super::check::nearest;
use super::form::{CheckForm, ExpectForm};
use super::header::QueryHeader;
use super::library;
use crate::job::rule::Scalar;
use crate::job::{Check, Expect, Literal, LiteralType, Origin, Query, Setting, Source};
use crate::sides::Sides;

/// The parameter that defaults to the time of the snapshots.
const TAKEN_AT: &str = "taken_at";

/// Table names that a job defines itself.
const OWN_TABLES: [&str; 3] = ["old", "new", "discrepancies"];

impl FormReader<'_> {
    pub(super) fn checks(&mut self, forms: Vec<CheckForm>, sources: &Sides<Source>) -> Vec<Check> {
        let taken_at = sources.new.taken_at.as_ref().or(sources.old.taken_at.as_ref());
        let taken_at = taken_at.and_then(|taken| LiteralType::Timestamp.read(&taken.to));
        let (mut checks, mut names) = (vec![], HashSet::new());
        for (item, form) in forms.into_iter().enumerate() {
            let origin = self.document.item_origin(&["check"], Some(item));
            let Some(check) = self.check(form, &origin, taken_at.as_ref()) else { continue };
            if !names.insert(check.name.text.to_ascii_lowercase()) {
                self.wrong(&origin, format!("duplicate check name `{}`; give one another `name`", check.name.text));
            }
            checks.push(check);
        }
        checks
    }

    fn check(&mut self, form: CheckForm, origin: &Origin, taken_at: Option<&Literal>) -> Option<Check> {
        let CheckForm { name, sql, library, inputs, params, id, group, expect } = form;
        let (query, own_name) = match (sql, library) {
            (Some(sql), None) => {
                let stem = Path::new(&sql).file_stem().map(|stem| stem.to_string_lossy().into_owned());
                let query = self.query(sql, origin.clone())?;
                let stem = stem.filter(|_| query.file.is_some());
                (query, stem)
            }
            (None, Some(library)) => (self.library(&library, origin)?, Some(library)),
            _ => {
                self.wrong(
                    origin,
                    "a check needs `sql`, a query or a file, or `library`, the name of a built-in query",
                );
                return None;
            }
        };
        let Some(name) = name.or(own_name) else {
            self.wrong(origin, "a check with an inline query needs a `name`");
            return None;
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            self.wrong(origin, format!("`{name}` cannot name a list; use letters, digits, `-`, and `_`"));
        }
        let word = |text: String| Setting { text, origin: origin.clone() };
        let mut tables = vec![];
        for (name, sql) in inputs {
            if OWN_TABLES.contains(&name.as_str()) {
                self.wrong(
                    origin,
                    format!("`{name}` is already a table of the job; choose another name for the input"),
                );
            }
            let query = self.query(sql, origin.clone())?;
            tables.push((name, query));
        }
        let header = QueryHeader::of(&query.sql).map_err(|message| self.wrong(origin, message)).ok()?;
        let values = self.values(&header, params, origin, taken_at);
        let expect = self.expect(expect, origin)?;
        Some(Check {
            name: word(name),
            question: header.question,
            reads: header.inputs,
            query,
            inputs: tables,
            values,
            id: id.into_vec().into_iter().map(word).collect(),
            group: group.into_vec().into_iter().map(word).collect(),
            expect,
        })
    }

    fn library(&mut self, name: &str, origin: &Origin) -> Option<Query> {
        match library::QUERIES.iter().find(|(known, _)| *known == name) {
            Some((_, sql)) => Some(Query { sql: sql.to_string(), file: None, origin: origin.clone() }),
            None => {
                let known = library::QUERIES.map(|(known, _)| known);
                let message = match nearest(name, known.into_iter()) {
                    Some(near) => format!("the library has no query `{name}`; did you mean `{near}`?"),
                    None => format!("the library has no query `{name}`; known: {}", known.join(", ")),
                };
                self.wrong(origin, message);
                None
            }
        }
    }

    /// Finds a value for each parameter that the query declares.
    fn values(
        &mut self,
        header: &QueryHeader,
        params: BTreeMap<String, Scalar>,
        origin: &Origin,
        taken_at: Option<&Literal>,
    ) -> BTreeMap<String, Literal> {
        let mut values = BTreeMap::new();
        for (name, Scalar { text }) in &params {
            let Some((_, data_type)) = header.parameters.iter().find(|(known, _)| known == name) else {
                let known = header.parameters.iter().map(|(known, _)| known.as_str());
                let near = nearest(name, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                self.wrong(origin, format!("the query declares no parameter `${name}`{near}"));
                continue;
            };
            let text = self.expand(text.clone(), origin);
            match data_type.read(&text) {
                Some(value) => drop(values.insert(name.clone(), value)),
                None => self.wrong(origin, format!("parameter `{name}` is `{text}`; expected {}", data_type.wanted())),
            }
        }
        for (name, data_type) in header.parameters.iter().filter(|(name, _)| !params.contains_key(name)) {
            match taken_at.filter(|_| name == TAKEN_AT && *data_type == LiteralType::Timestamp) {
                Some(taken_at) => drop(values.insert(name.clone(), taken_at.clone())),
                None => self.wrong(origin, format!("parameter `{name}` has no value; expected {}", data_type.wanted())),
            }
        }
        values
    }

    fn expect(&mut self, form: ExpectForm, origin: &Origin) -> Option<Expect> {
        match form {
            ExpectForm::Word(word) if word == "empty" => Some(Expect::AtMost(0)),
            ExpectForm::Word(word) => {
                self.wrong(
                    origin,
                    format!("invalid `expect` \"{word}\"; expected \"empty\", {{ at_most = 10 }}, or {{ value = 0 }}"),
                );
                None
            }
            ExpectForm::AtMost { at_most } => Some(Expect::AtMost(at_most)),
            ExpectForm::Value { value: Scalar { text } } => {
                // compare numbers by value, not by spelling
                let number = LiteralType::Decimal.read(&text);
                number.or_else(|| LiteralType::Text.read(&text)).map(Expect::Value)
            }
        }
    }
}
