//! `countersign diff`.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{ArgGroup, Args, ValueEnum};

use super::exports::ExportArgs;
use super::limits::WorkArgs;
use super::{Format, print, signal};
use crate::compare;
use crate::error::{Error, Result};
use crate::job::file::read_rules;
use crate::job::{Identity, Job, Origin, Preset, Selection, Setting, Source};
use crate::report::Verdict;
use crate::runtime::options::{Options, Out, Strategy};
use crate::sides::{Side, Sides};

/// Compare two snapshots now
///
/// OLD and NEW are each a file, a directory (all files below it, including Hive partitions), or a quoted
/// glob, in Parquet, CSV, JSON, Avro, or Arrow. Columns are paired by name and compared by value: 5, 5.00, and an unsigned 5 are
/// equal, and so is the same instant in two time zones. Nothing is trimmed, rounded, or case-folded.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("identity").args(["key", "no_key"]).required(true))]
pub(super) struct Diff {
    /// The snapshot of the store that is being left
    old: String,

    /// The snapshot of the store that takes over
    new: String,

    /// The columns that identify a row on both sides
    #[arg(long, short, value_name = "COLUMN,…", value_delimiter = ',')]
    key: Vec<String>,

    /// Compare whole rows as a multiset; reports only missing and extra rows
    #[arg(long)]
    no_key: bool,

    /// Do not compare these columns; a path such as address.zip names a field of a struct
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    ignore: Vec<String>,

    /// Compare only the key and these columns
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns: Vec<String>,

    /// Pair an old column with a new column that has another name
    #[arg(long, value_name = "OLD=NEW,…", value_delimiter = ',', value_parser = parse_map)]
    map: Vec<(String, String)>,

    /// Rules of a column, as in a job: 'amount: as=decimal, round=2'; may be repeated
    #[arg(long = "rule", value_name = "COLUMN: RULE=VALUE")]
    rules: Vec<String>,

    /// A file with the rules of a job: [compare.columns], [[compare.rules]], and [compare.types]
    #[arg(long = "rules", value_name = "FILE.toml")]
    rules_file: Option<PathBuf>,

    /// Accept a side that has no rows
    #[arg(long)]
    allow_empty: bool,

    #[command(flatten)]
    exports: ExportArgs,

    /// Write the run directory here: reports, complete ID lists, every difference, and a manifest
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    /// The format of the report on standard output
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,

    /// The number of examples of each class in the reports
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,

    #[command(flatten)]
    work: WorkArgs,
}

impl ValueEnum for Preset {
    fn value_variants<'a>() -> &'a [Self] {
        &Preset::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl ValueEnum for Strategy {
    fn value_variants<'a>() -> &'a [Self] {
        &[Strategy::Ordered, Strategy::Hashed]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Strategy::Ordered => ("ordered", "Merge join in key order; falls back to hashed if a side is not in order"),
            Strategy::Hashed => ("hashed", "Hash join; rows that the hashes cannot decide are read again"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl Diff {
    /// Compares the snapshots, prints the report, and returns its verdict.
    pub(super) fn run(self) -> Result<Verdict> {
        let options = Options {
            out: self.out.clone().map(Out::At),
            examples: self.examples,
            ..self.work.options(&signal::on_signal())
        };
        let report = compare(&self.job()?, &options).map_err(|error| match is_about_columns(&error) {
            true => Error::Advised { error: error.into(), advice: ADVICE },
            false => error,
        })?;
        self.work.tell_timings(&report.run);
        print(&report, self.format)
    }

    /// Converts the arguments to a job.
    fn job(&self) -> Result<Job> {
        let word = |text: &String| Setting { text: text.clone(), origin: Origin::Flag("--map") };
        let map = self.map.iter().map(|(old, new)| (word(old), word(new))).collect();
        let source = |side: Side, path: &str, name: &'static str| Source {
            allow_empty: self.allow_empty,
            ..self.exports.source(side, path, Origin::Flag(name))
        };
        let sources = Sides { old: source(Side::Old, &self.old, "OLD"), new: source(Side::New, &self.new, "NEW") };
        let identity = match self.no_key {
            true => Identity::WholeRow,
            false => Identity::Key(Setting::flags("--key", &self.key)),
        };
        Ok(Job {
            columns: read_rules(self.rules_file.as_deref(), &self.rules)?,
            selection: Selection {
                columns: Setting::flags("--columns", &self.columns),
                ignore: Setting::flags("--ignore", &self.ignore),
                map,
            },
            ..Job::new("diff", sources, identity)
        })
    }
}

/// What a user without a job can do about columns that cannot be compared as they are.
const ADVICE: &str = "pass a rule as --rule 'COLUMN: RULE=VALUE', or let \
                      `countersign init OLD NEW` write a job with all that are needed";

/// Whether rules would make the columns comparable.
fn is_about_columns(error: &Error) -> bool {
    match error {
        Error::Several(errors) => errors.iter().any(is_about_columns),
        Error::DifferentFamilies { .. } | Error::ZoneUnknown { .. } => true,
        _ => false,
    }
}

fn parse_map(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.into(), new.into())),
        _ => Err("write it as OLD=NEW".into()),
    }
}
