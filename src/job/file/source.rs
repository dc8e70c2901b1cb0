//! The sections about exports: where they are, how they are written, and when they were taken.

use super::FormReader;
use super::environment;
use super::form::{Names, SourceForm, TakenAtForm};
use crate::job::{Allowance, Expectations, FormatSettings, Origin, Query, Setting, Source, TakenAt};
use crate::regular_file::{self, TEXT_BYTES_MAX};

/// The longest duration in a job: a century. Adding it to a time cannot overflow.
const DURATION_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(100 * 366 * 24);

impl FormReader<'_> {
    pub(super) fn source(&mut self, form: SourceForm, at: &[&str]) -> Source {
        let origin_of = |key: &str| self.document.origin(&[at, &[key]].concat());
        let mut paths = form.path.into_vec().into_iter();
        let first = paths.next().unwrap_or_default();
        let layouts = [&first].into_iter().chain(paths.as_slice()).map(|path| environment::layout(path));
        let layout = layouts.collect::<Vec<_>>().join(", ");
        let (origin, query_origin, time_origin) = (origin_of("path"), origin_of("query"), origin_of("taken_at"));
        if first.is_empty() {
            self.wrong(&origin, "expected a path, or a list of paths");
        }
        let path = self.location(first, &origin);
        let further_paths = paths.map(|path| self.location(path, &origin)).collect();
        let taken_at = form.taken_at.and_then(|taken_at| self.taken_at(taken_at, &time_origin));
        let (age_origin, drop_origin) = (origin_of("max_age"), origin_of("max_drop"));
        if form.max_age.is_some() && taken_at.is_none() {
            self.wrong(
                &age_origin,
                "`max_age` needs `taken_at`, because the age of the snapshot is unknown without it",
            );
        }
        let max_drop = form.max_drop.and_then(|allowed| self.allowance(allowed, &drop_origin));
        if let Some(Allowance::Count(_)) = max_drop {
            self.wrong(&drop_origin, "expected a share of the rows such as \"5 %\"");
        }
        let written = FormatSettings {
            preset: form.preset,
            format: form.format,
            header: form.header,
            columns: form.columns.into_vec(),
            delimiter: form.delimiter.map(|delimiter| delimiter.0),
            quote: form.quote.map(|quote| quote.0.chars().next()),
            escape: form.escape.map(|escape| escape.0.chars().next()),
            nulls: form.null.map(Names::into_vec),
            comment: form.comment.map(|comment| comment.0),
            encoding: form.encoding,
            origin: origin.clone(),
        };
        Source {
            path,
            further_paths,
            shard: form.shard,
            union_by_name: form.union_by_name,
            layout,
            format: written,
            query: form.query.and_then(|query| self.query(query, query_origin)),
            taken_at,
            allow_empty: form.allow_empty,
            key: self.settings(form.key, &[at, &["key"]].concat()),
            expects: Expectations {
                max_age: form.max_age.and_then(|text| self.duration(&text, &age_origin)),
                max_drop,
                must_change: form.must_change,
            },
        }
    }

    /// A path relative to the job file.
    fn location(&mut self, path: String, origin: &Origin) -> Setting {
        let path = self.expand(path, origin);
        let text = match path.contains("://") {
            true => path,
            false => self.beside(&path).display().to_string(),
        };
        Setting { text, origin: origin.clone() }
    }

    /// Parses a duration such as `26h` or `1h 30m`.
    pub(super) fn duration(&mut self, text: &str, origin: &Origin) -> Option<jiff::SignedDuration> {
        match text.parse::<jiff::SignedDuration>() {
            Ok(duration) if !duration.is_negative() && duration <= DURATION_MAX => Some(duration),
            Ok(duration) if duration > DURATION_MAX => {
                self.wrong(origin, format!("`{text}` is more than a hundred years"));
                None
            }
            _ => {
                self.wrong(
                    origin,
                    format!("`{text}` is not a duration in hours, minutes, and seconds, such as 26h or 5m"),
                );
                None
            }
        }
    }

    /// Takes a query as it is, or reads the file that contains it.
    pub(super) fn query(&mut self, text: String, origin: Origin) -> Option<Query> {
        let start = text.trim_start().to_lowercase();
        if ["select ", "select\n", "with ", "with\n", "(", "--", "/*"].iter().any(|word| start.starts_with(word)) {
            return Some(Query { sql: text, file: None, origin });
        }
        if start.is_empty() {
            self.wrong(&origin, "the query is empty; give the path of a file, or the query itself");
            return None;
        }
        let file = self.dir.join(self.expand(text, &origin));
        match regular_file::read_text(&file, TEXT_BYTES_MAX) {
            Ok(sql) => Some(Query { sql, file: Some(file), origin }),
            Err(error) => {
                let path = file.display();
                let message = format!("cannot read `{path}`: {error}; give the path of a file, or the query itself");
                self.wrong(&origin, message);
                None
            }
        }
    }

    /// Parses an instant with its zone.
    pub(super) fn time(&mut self, text: String, origin: &Origin) -> Option<jiff::Timestamp> {
        let text = self.expand(text, origin);
        // TOML allows a space where RFC 3339 has a T
        let time = text.replacen(' ', "T", 1).parse::<jiff::Timestamp>();
        if time.is_err() {
            self.wrong(origin, format!("`{text}` is not a time with a zone, such as 2026-11-20T02:00:00Z"));
        }
        time.ok()
    }

    pub(super) fn taken_at(&mut self, form: TakenAtForm, origin: &Origin) -> Option<TakenAt> {
        let mut time = |text: String| self.time(text, origin);
        let (from, to) = match form {
            TakenAtForm::At(at) => {
                let at = time(at.text)?;
                (at, at)
            }
            TakenAtForm::Span { from, to } => (time(from.text)?, time(to.text)?),
        };
        if to < from {
            self.wrong(origin, "the export ends before it begins");
        }
        Some(TakenAt { from: from.to_string(), to: to.to_string() })
    }
}
