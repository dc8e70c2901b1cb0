//! Reads a job file: TOML becomes a [`Job`], resolved and checked once.
//!
//! Parsing records the position of every value. The document is checked against the JSON Schema of its form, and then
//! resolved. All errors are reported together, each with its line.

mod document;
mod check;
mod environment;
mod form;
mod source;
mod explain;
mod header;
mod library;
mod checks;
mod private;
mod signoff_form;
mod signoff;
mod job_form;
mod rules;

use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};

use bigdecimal::BigDecimal;

use crate::class::ByClass;
use crate::error::{Error, Result};
use crate::job::rule::RuleSettings;
use crate::job::{
    Allowance, Check, ColumnSettings, ColumnType, Gate, Identity, Job, Origin, Scope, Selection, Setting, SignOff,
    Source, number,
};
use crate::regular_file::{self, TEXT_BYTES_MAX};
use crate::sides::Sides;
use document::Document;
pub use document::JobMistake;
use form::{AllowanceForm, ColumnForm, CompareForm, GateForm, Names, SharedRules, SourceForm, TypesForm};
use job_form::JobForm;
pub(crate) use rules::read_rules;

/// The longest name of a directory on most file systems, in bytes.
const NAME_MAX: usize = 255;

/// The directory, beside those of the jobs, with the groups of several jobs.
pub const GROUPS: &str = "groups";

/// The default directory of runs.
const RUNS: &str = "runs";

/// The contents of a job file, as far as it could be read.
pub struct JobFile {
    /// The job, if enough of the file is valid.
    pub job: Option<Job>,
    /// The directory of the runs of all jobs.
    pub runs: PathBuf,
    /// The number of runs that keep all their files; `None` keeps all runs.
    pub retain: Option<usize>,
    /// All errors in the file.
    pub mistakes: Vec<JobMistake>,
}

impl JobFile {
    /// Reads a job file and applies `key=value` overrides.
    ///
    /// # Errors
    /// If the file cannot be read. Errors in its contents are part of the result.
    pub fn read(file: &Path, set: &[String]) -> Result<Self> {
        let text = regular_file::read_text(file, TEXT_BYTES_MAX).map_err(Error::unreadable(file))?;
        let failed = |mistakes| JobFile { job: None, runs: PathBuf::new(), retain: None, mistakes };
        let mut document = match Document::parse(file, &text) {
            Ok(document) => document,
            Err(mistakes) => return Ok(failed(mistakes)),
        };
        if let Err(mistakes) = add_defaults(&mut document, file).and_then(|()| document.lay_over_all(set)) {
            return Ok(failed(mistakes));
        }
        let schema = schemars::schema_for!(JobForm);
        let (mut mistakes, sound) = check::check(&document, schema.as_value());
        let form: JobForm = match serde_json::from_value(sound.to_json()) {
            Ok(form) => form,
            Err(error) => {
                if mistakes.is_empty() {
                    mistakes.push(JobMistake { origin: file.display().to_string(), message: error.to_string() });
                }
                return Ok(failed(mistakes));
            }
        };
        let mut reader =
            FormReader { document: &document, file, dir: file.parent().unwrap_or(Path::new("")), mistakes };
        let runs = reader.runs(&form);
        let retain = form.retain.as_ref().map(|retain| retain.whole as usize);
        let job = reader.job(form);
        Ok(JobFile { job: Some(job), runs, retain, mistakes: reader.mistakes })
    }
}

/// Adds the settings of the file that `defaults` names.
fn add_defaults(document: &mut Document, file: &Path) -> Result<(), Vec<JobMistake>> {
    let Some(named) = document.text("defaults") else { return Ok(()) };
    let path = file.parent().unwrap_or(Path::new("")).join(named);
    match regular_file::read_text(&path, TEXT_BYTES_MAX) {
        Ok(text) => document.lay_under(&path, &text),
        Err(error) => {
            let origin = document.origin(&["defaults"]).to_string();
            Err(vec![JobMistake { origin, message: format!("`{}` cannot be read: {error}", path.display()) }])
        }
    }
}

/// The files that a job file names and that are no jobs themselves: its defaults, and its waivers.
pub fn files_named_by(file: &Path) -> Vec<PathBuf> {
    let document =
        regular_file::read_text(file, TEXT_BYTES_MAX).ok().and_then(|text| Document::parse(file, &text).ok());
    let named = |key: &str| Some(file.parent()?.join(document.as_ref()?.text(key)?));
    ["defaults", "waivers"].into_iter().filter_map(named).collect()
}

/// The JSON Schema of job files.
pub fn schema() -> String {
    let schema = schemars::schema_for!(JobForm);
    let json = serde_json::to_string_pretty(&schema);
    json.unwrap_or_else(|error| unreachable!("a schema is always JSON: {error}")) + "\n"
}

/// Turns the form into a job, and collects the errors.
struct FormReader<'a> {
    document: &'a Document,
    file: &'a Path,
    dir: &'a Path,
    mistakes: Vec<JobMistake>,
}

impl FormReader<'_> {
    fn wrong(&mut self, origin: &Origin, message: impl Into<String>) {
        self.mistakes.push(JobMistake { origin: origin.to_string(), message: message.into() });
    }

    fn runs(&mut self, form: &JobForm) -> PathBuf {
        let origin = self.document.origin(&["output", "dir"]);
        let dir = form.output.dir.clone().unwrap_or_else(|| RUNS.into());
        let dir = self.expand(dir, &origin);
        self.beside(&dir)
    }

    /// A path relative to the job file. `..` after a directory that is not a link is left out with that directory.
    fn beside(&self, path: &str) -> PathBuf {
        let mut clean = PathBuf::new();
        for part in self.dir.join(path).components() {
            let is_way_back = part == Component::ParentDir
                && matches!(clean.components().next_back(), Some(Component::Normal(_)))
                && !clean.is_symlink();
            match is_way_back {
                true => drop(clean.pop()),
                false => clean.push(part),
            }
        }
        if path.ends_with('/') {
            clean.push("");
        }
        clean
    }

    fn job(&mut self, form: JobForm) -> Job {
        let name = self.name(form.job.name);
        let old = self.source(form.old, &["old"]);
        let scope = if form.new.is_some() { Scope::Both } else { Scope::OldAlone };
        let new = match form.new {
            Some(new) => self.source(new, &["new"]),
            None => Source::of(Setting { text: String::new(), origin: self.document.origin(&["old"]) }),
        };
        let compare = self.compare_section(form.compare, scope, !form.check.is_empty());
        let tables = self.tables(form.tables);
        let sources = Sides { old, new };
        let checks = self.checks(form.check, &sources);
        let sign_off = form.signoff.and_then(|form| self.sign_off(form, scope, &sources, &tables));
        self.require_own_lists(&checks, sign_off.as_ref());
        let in_flight = form.in_flight.filter(|_| scope == Scope::Both).and_then(|form| self.in_flight(form, &sources));
        let misplaced = form.misplaced.map(|form| self.misplaced(form));
        let mut waivers = self.waivers(form.waiver);
        waivers.extend(form.waivers.map_or(vec![], |file| self.waivers_of_file(file)));
        let private = form.private.and_then(|form| self.private(form));
        let segments = self.settings(form.segments.by, &["segments", "by"]);
        let group = self.settings(form.group.by, &["group", "by"]);
        if scope == Scope::OldAlone {
            self.require_no_comparison(group.first());
        }
        let list_columns = self.settings(form.lists.columns, &["lists", "columns"]);
        if let (Some(_), Some(_)) = (form.gate.new_violations, &sign_off) {
            let origin = self.document.origin(&["gate", "new_violations"]);
            self.wrong(&origin, "a sign-off judges all violations, not only new ones; use another job for it");
        }
        let shards = sources.iter().filter(|source| source.shard.is_some()).map(|source| source.path.origin.clone());
        if let (Some(origin), Some(_)) = (shards.collect::<Vec<_>>().first(), &sign_off) {
            self.wrong(origin, "`shard` cannot be used in a job with [signoff]; `path` may still be a list");
        }
        let gate = self.gate(form.gate);
        let identity = self.identity(&compare);
        let ignore = self.settings(compare.ignore.clone(), &["compare", "ignore"]);
        let selection =
            Selection { columns: self.settings(compare.only.clone(), &["compare", "only"]), ignore, map: vec![] };
        let columns = self.columns(compare.types, compare.rules, compare.columns);
        let job = Job { scope, ..Job::new(&name, sources, identity) };
        Job {
            tables,
            selection,
            columns,
            in_flight,
            misplaced,
            waivers,
            segments,
            checks,
            group,
            private,
            sign_off,
            gate,
            list_columns,
            lists_causes: form.lists.causes,
            ..job
        }
    }

    /// The section `[compare]`. After an error, one without settings, so that the rest can be checked.
    fn compare_section(&mut self, form: Option<CompareForm>, scope: Scope, has_checks: bool) -> CompareForm {
        let problem = match (form, scope) {
            (Some(compare), Scope::Both) => return compare,
            (Some(_), Scope::OldAlone) => Some("the job lacks the section [new], which [compare] needs"),
            (None, Scope::Both) => Some("the job lacks the section [compare]"),
            (None, Scope::OldAlone) if !has_checks => Some("the job has neither the section [new] nor a [[check]]"),
            (None, Scope::OldAlone) => None,
        };
        if let Some(problem) = problem {
            self.wrong(&self.document.origin(&[]), problem);
        }
        CompareForm { no_key: true, ..CompareForm::default() }
    }

    /// The additional tables.
    fn tables(&mut self, forms: BTreeMap<String, SourceForm>) -> BTreeMap<String, Source> {
        let mut tables = BTreeMap::new();
        for (name, form) in forms {
            let table = self.source(form, &["tables", &name]);
            if let Some(query) = &table.query {
                let problem = "an additional table cannot have a `query`; transform it in the query that reads it";
                self.wrong(&query.origin, problem);
            }
            let owner = match name.as_str() {
                "snapshot" => Some("the files of a side"),
                "old" | "new" => Some("a side"),
                "discrepancies" => Some("the table of discrepancies"),
                _ => None,
            };
            if let Some(owner) = owner {
                let origin = self.document.origin(&["tables", &name]);
                self.wrong(&origin, format!("the name `{name}` is reserved for {owner}; choose another"));
            }
            tables.insert(name, table);
        }
        tables
    }

    /// Refuses a check of `[signoff]` that would write the list of another check.
    fn require_own_lists(&mut self, checks: &[Check], sign_off: Option<&SignOff>) {
        let names: HashSet<String> = checks.iter().map(|check| check.name.text.to_ascii_lowercase()).collect();
        for check in sign_off.iter().flat_map(|terms| &terms.checks) {
            if names.contains(&check.name.text.to_ascii_lowercase()) {
                let name = &check.name.text;
                let problem = format!("a [[check]] also has the name `{name}`; give one of them another `name`");
                self.wrong(&check.name.origin, problem);
            }
        }
    }

    /// Refuses the sections that need both sides.
    fn require_no_comparison(&mut self, group: Option<&Setting>) {
        for section in ["gate", "waiver", "waivers", "segments", "lists", "misplaced", "in_flight"] {
            if self.document.root.get(section).is_some() {
                let origin = self.document.origin(&[section]);
                self.wrong(&origin, format!("[{section}] needs a comparison, but the job lacks the section [new]"));
            }
        }
        if let Some(column) = group {
            self.wrong(&column.origin, "groups need both sides, but the job lacks the section [new]");
        }
    }

    fn name(&mut self, configured: Option<String>) -> String {
        let origin = self.document.origin(&["job", "name"]);
        let stem = self.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = configured.map_or(stem, |name| self.expand(name, &origin));
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
        if name.len() > NAME_MAX {
            self.wrong(&origin, format!("the name has {} bytes; the maximum is {NAME_MAX}", name.len()));
        }
        let is_taken = ["latest", GROUPS].contains(&name.as_str());
        let is_odd = name.is_empty() || name.trim() != name || name.starts_with(['.', '-']) || !name.chars().all(plain);
        if is_taken || is_odd {
            let message = format!(
                "`{}` cannot be the name of a directory; use letters, digits, `-`, `_`, and `.`, \
                 starting with a letter or digit",
                name.escape_debug()
            );
            self.wrong(&origin, message);
        }
        name
    }

    fn expand(&mut self, text: String, origin: &Origin) -> String {
        environment::expand(&text, |name| std::env::var(name).ok()).unwrap_or_else(|message| {
            self.wrong(origin, message);
            text
        })
    }

    /// Resolves the key. After an error it returns an empty key, so that the rest can still be checked.
    fn identity(&mut self, compare: &CompareForm) -> Identity {
        let origin = self.document.origin(&["compare", "key"]);
        let key = compare.key.clone().map_or(vec![], Names::into_vec);
        match (key.is_empty(), compare.no_key) {
            (true, true) => return Identity::WholeRow,
            (false, true) => self.wrong(&origin, "`key` and `no_key` contradict each other"),
            (true, false) if !self.mistakes.iter().any(|mistake| mistake.message.contains("`compare.key`")) => {
                self.wrong(&origin, "the columns that identify a row are missing: key = [\"id\"], or no_key = true");
            }
            _ => {}
        }
        Identity::Key(self.settings(Names::Many(key), &["compare", "key"]))
    }

    fn settings(&self, names: Names, at: &[&str]) -> Vec<Setting> {
        let names = names.into_vec().into_iter().enumerate();
        names.map(|(item, text)| Setting { text, origin: self.document.item_origin(at, Some(item)) }).collect()
    }

    fn columns(
        &mut self,
        types: TypesForm,
        shared: Vec<SharedRules>,
        own: BTreeMap<String, ColumnForm>,
    ) -> Vec<ColumnSettings> {
        let mut all = vec![];
        for (family, rules) in types.into_rules() {
            let origin = self.document.origin(&["compare", "types", family.name()]);
            let (names, expressions) = (vec![], Sides::default());
            let of_type = Some(family);
            all.push(ColumnSettings { names, of_type, old: None, expressions, column_type: None, rules, origin });
        }
        for (item, SharedRules { columns, rules }) in shared.into_iter().enumerate() {
            let origin = self.document.item_origin(&["compare", "rules"], Some(item));
            let names = columns.into_vec().into_iter().map(|text| Setting { text, origin: origin.clone() }).collect();
            let expressions = Sides::default();
            let of_type = None;
            all.push(ColumnSettings { names, of_type, old: None, expressions, column_type: None, rules, origin });
        }
        for (name, form) in own {
            let at = |key: &str| self.document.origin(&["compare", "columns", &name, key]);
            let word = |text: Option<String>, key: &str| text.map(|text| Setting { text, origin: at(key) });
            let origin = self.document.origin(&["compare", "columns", &name]);
            let expressions = Sides { old: word(form.old_expr, "old_expr"), new: word(form.new_expr, "new_expr") };
            let old = word(form.old, "old").filter(|_| expressions.old.is_none());
            let stated = form.column_type.map(|text| text.parse::<ColumnType>());
            let column_type = stated.transpose().unwrap_or_else(|reason| {
                self.wrong(&at("type"), reason);
                None
            });
            all.push(ColumnSettings {
                names: vec![Setting { text: name.clone(), origin: origin.clone() }],
                of_type: None,
                old,
                expressions,
                column_type,
                rules: form.rules,
                origin,
            });
        }
        for settings in &mut all {
            if let Err(message) = settings.rules.rules() {
                self.wrong(&settings.origin.clone(), message);
                // continue to check the other settings
                settings.rules = RuleSettings::default();
            }
        }
        all
    }

    fn gate(&mut self, form: GateForm) -> Gate {
        let mut class = |allowance: Option<AllowanceForm>, name: &str| {
            let origin = self.document.origin(&["gate", name]);
            allowance.and_then(|allowance| self.allowance(allowance, &origin))
        };
        let classes = ByClass {
            mismatch: class(form.mismatch, "mismatch"),
            missing: class(form.missing, "missing"),
            extra: class(form.extra, "extra"),
            duplicate_keys: class(form.duplicate_keys, "duplicate_keys"),
        };
        let new = ByClass {
            mismatch: class(form.new_mismatch, "new_mismatch"),
            missing: class(form.new_missing, "new_missing"),
            extra: class(form.new_extra, "new_extra"),
            duplicate_keys: class(form.new_duplicate_keys, "new_duplicate_keys"),
        };
        let mut columns = vec![];
        for (text, allowance) in form.columns {
            let origin = self.document.origin(&["gate", "columns", &text]);
            if let Some(allowance) = self.allowance(allowance, &origin) {
                columns.push((Setting { text, origin }, allowance));
            }
        }
        Gate { classes, new, persisting_for: form.persisting_for, new_violations: form.new_violations, columns }
    }

    fn allowance(&mut self, form: AllowanceForm, origin: &Origin) -> Option<Allowance> {
        let share = match &form {
            AllowanceForm::Count(count) => return Some(Allowance::Count(*count)),
            AllowanceForm::Rate(rate) if *rate >= 1.0 => {
                self.wrong(origin, format!("{rate:?} is ambiguous; write {rate} for rows, or \"100 %\" for all"));
                return None;
            }
            AllowanceForm::Rate(rate) => number(&rate.to_string()),
            AllowanceForm::Percent(text) => {
                let percent = text.trim().strip_suffix('%').and_then(|percent| number(percent.trim()));
                percent.map(|percent| percent / BigDecimal::from(100))
            }
        };
        let in_range = |share: &BigDecimal| *share >= 0 && *share <= 1;
        match share.filter(in_range) {
            Some(share) => Some(Allowance::Rate(share)),
            None => {
                self.wrong(origin, "expected a number of rows such as 10, or a share such as \"0.1 %\"");
                None
            }
        }
    }
}

/// Returns the errors as one error, sorted by line.
pub fn refusal(file: &Path, mut mistakes: Vec<JobMistake>) -> Error {
    let start = format!("{}:", file.display());
    let line = |mistake: &JobMistake| -> usize {
        let digits = mistake.origin.strip_prefix(&start).unwrap_or_default();
        digits.split(':').next().and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX)
    };
    mistakes.sort_by_key(line);
    let mut seen = HashSet::new();
    // the same message at different positions is the same error
    mistakes.retain(|mistake| seen.insert(mistake.message.clone()));
    Error::BadJob {
        file: file.into(),
        mistakes: mistakes.into_iter().map(|mistake| format!("{}: {}", mistake.origin, mistake.message)).collect(),
    }
}
