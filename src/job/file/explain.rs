//! Reads the parts of a job that explain discrepancies: `[in_flight]`, `[misplaced]`, and `[[waiver]]`.

use std::collections::HashSet;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::FormReader;
use super::check::check;
use super::document::Document;
use super::form::{InFlightForm, MisplacedForm, Names, WaiverForm, WaiversForm};
use crate::class::Class;
use crate::job::{InFlight, Misplaced, Origin, Setting, Source, Waiver};
use crate::regular_file::{self, TEXT_BYTES_MAX};
use crate::sides::{Side, Sides};

impl FormReader<'_> {
    /// Reads `[in_flight]`.
    pub(super) fn in_flight(&mut self, form: InFlightForm, sources: &Sides<Source>) -> Option<InFlight> {
        let section = self.document.origin(&["in_flight"]);
        for side in Side::BOTH {
            if sources[side].taken_at.is_none() {
                self.wrong(&section, format!("without `taken_at` in [{side}], no discrepancy can be in flight"));
            }
        }
        let InFlightForm { column, old_column, new_column, lag, assume_tz } = form;
        let word = |text: String, key: &str| Setting { text, origin: self.document.origin(&["in_flight", key]) };
        let both = column.map(|text| word(text, "column"));
        let old = old_column.map(|text| word(text, "old_column")).or(both.clone());
        let new = new_column.map(|text| word(text, "new_column")).or(both);
        let assume_tz = assume_tz.map(|text| word(text, "assume_tz"));
        let lag_origin = self.document.origin(&["in_flight", "lag"]);
        let lag = lag.map_or(Some(jiff::SignedDuration::ZERO), |text| self.duration(&text, &lag_origin))?;
        match (old, new) {
            (Some(old), Some(new)) => Some(InFlight { columns: Sides { old, new }, lag, assume_tz }),
            _ => {
                let message = "name the column with the write time of a row: column = \"updated_at\", or old_column \
                             and new_column";
                self.wrong(&section, message);
                None
            }
        }
    }

    /// Reads `[misplaced]`.
    pub(super) fn misplaced(&self, form: MisplacedForm) -> Misplaced {
        let columns = self.settings(form.columns, &["misplaced", "columns"]);
        Misplaced { columns, origin: self.document.origin(&["misplaced"]) }
    }

    /// Reads the waivers from the separate file that `waivers` names.
    pub(super) fn waivers_of_file(&mut self, file: String) -> Vec<Waiver> {
        let origin = self.document.origin(&["waivers"]);
        let file = self.dir.join(self.expand(file, &origin));
        let text = match regular_file::read_text(&file, TEXT_BYTES_MAX) {
            Ok(text) => text,
            Err(error) => {
                self.wrong(&origin, format!("cannot read `{}`: {error}", file.display()));
                return vec![];
            }
        };
        let document = match Document::parse(&file, &text) {
            Ok(document) => document,
            Err(mistakes) => {
                self.mistakes.extend(mistakes);
                return vec![];
            }
        };
        let (mistakes, sound) = check(&document, schemars::schema_for!(WaiversForm).as_value());
        let dir = file.parent().unwrap_or(Path::new(""));
        let mut reader = FormReader { document: &document, file: &file, dir, mistakes };
        let waivers = match serde_json::from_value::<WaiversForm>(sound.to_json()) {
            Ok(form) => reader.waivers(form.waiver),
            // the recorded errors already give the reason
            Err(_) => vec![],
        };
        self.mistakes.extend(reader.mistakes);
        waivers
    }

    /// Reads the `[[waiver]]` sections.
    pub(super) fn waivers(&mut self, forms: Vec<WaiverForm>) -> Vec<Waiver> {
        let (mut waivers, mut names): (Vec<Waiver>, HashSet<String>) = (vec![], HashSet::new());
        for (item, form) in forms.into_iter().enumerate() {
            let origin = self.document.item_origin(&["waiver"], Some(item));
            let name = form.name.clone();
            if names.contains(&name) {
                self.wrong(&origin, format!("duplicate waiver name `{name}`"));
            }
            if let Some(waiver) = self.waiver(form, &origin) {
                names.insert(name);
                waivers.push(waiver);
            }
        }
        waivers
    }

    fn waiver(&mut self, form: WaiverForm, origin: &Origin) -> Option<Waiver> {
        let word = |text: String| Setting { text, origin: origin.clone() };
        let settings = |names: Names| names.into_vec().into_iter().map(word).collect::<Vec<_>>();
        for (key, text) in [("name", &form.name), ("owner", &form.owner), ("reason", &form.reason)] {
            if text.trim().is_empty() {
                self.wrong(origin, format!("a waiver needs `{key}`"));
            }
        }
        let mut classes = vec![];
        for name in form.classes.into_vec() {
            match Class::ALL.into_iter().find(|class| class.field_name() == name || class.name() == name) {
                Some(class) => classes.push(class),
                None => self.wrong(
                    origin,
                    format!("`{name}` is not a class; known: {}", Class::ALL.map(Class::field_name).join(", ")),
                ),
            }
        }
        let columns = settings(form.columns);
        let may_differ = classes.is_empty() || classes.contains(&Class::Mismatch);
        if !columns.is_empty() && !may_differ {
            self.wrong(origin, "`columns` applies to mismatches only, but `classes` excludes them");
        }
        let ids = form.ids.map(|path| self.expand(path, origin));
        let expires = self.expiry(&form.expires.text, origin)?;
        Some(Waiver {
            name: word(form.name),
            classes,
            columns,
            condition: form.condition.map(word),
            ids: ids.map(|path| (self.dir.join(path), word("ids".into()))),
            limit: form.limit,
            owner: form.owner,
            reason: form.reason,
            expires,
        })
    }

    /// Parses a time with a zone, or a day, which counts to its end in UTC.
    fn expiry(&mut self, text: &str, origin: &Origin) -> Option<Timestamp> {
        let time = || text.replacen(' ', "T", 1).parse::<Timestamp>().ok();
        // jiff would parse a time without a zone as its day
        let is_day = text.len() == "2026-12-31".len();
        let day = || text.parse::<Date>().ok().filter(|_| is_day);
        let end_of_day = || day()?.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok();
        let found = time().or_else(|| end_of_day().map(|end| end.timestamp()));
        if found.is_none() {
            self.wrong(origin, format!("`{text}` is neither a day such as 2026-12-31 nor a time with a zone"));
        }
        found
    }
}
