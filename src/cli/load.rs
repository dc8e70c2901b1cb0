//! `countersign load`.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::limits::MachineArgs;
use super::{signal, write_out};
use crate::error::Result;
use crate::job::{ColumnType, FileEncoding, FileFormat, FormatSettings, Origin, Preset, Setting, Source};
use crate::output::destination::Destination;
use crate::runtime::engine::Engine;
use crate::runtime::log::escaped;
use crate::tools::load::{LoadRequest, LoadSummary, load};

/// Write an export of any format as typed Parquet
///
/// SRC is a file, a directory, a quoted glob, or - for standard input, in CSV, JSON, Avro, Arrow, or
/// Parquet, compressed or not. A column gets the type of all its cells: integer, decimal, boolean, date,
/// timestamp, UUID, bytes, JSON, or text. With --type, a cell that is not of the type is kept as text, and
/// the column stays text that later comparisons read as that type.
#[derive(Debug, Args)]
pub(super) struct Load {
    /// The files to load, or - for standard input
    source: String,

    /// The new directory
    dest: PathBuf,

    /// The program that wrote the files; see docs/exporting.md
    #[arg(long, value_enum, value_name = "PRESET", hide_possible_values = true)]
    preset: Option<Preset>,

    /// The format of the files [default: that of the preset, or what their names or first bytes show]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FileFormat>,

    /// The character between two fields
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,

    /// The character around fields; empty if there is none
    #[arg(long, value_name = "CHARACTER", value_parser = parse_character)]
    quote: Option<Character>,

    /// The character before characters with a special meaning; empty if there is none
    #[arg(long, value_name = "CHARACTER", value_parser = parse_character)]
    escape: Option<Character>,

    /// The text that means NULL when it is not in quotes; may be repeated
    #[arg(long = "null", value_name = "TEXT")]
    nulls: Option<Vec<String>>,

    /// The encoding of the text
    #[arg(long, value_enum, value_name = "ENCODING")]
    encoding: Option<FileEncoding>,

    /// The names of the columns, if the files are text without a header
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns: Vec<String>,

    /// The type of a column, such as 'amount=decimal(12,2)'; may be repeated
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = parse_type)]
    types: Vec<(String, ColumnType)>,

    /// Sort by these columns, so that a diff by them uses a merge join
    #[arg(long, short, value_name = "COLUMN,…", value_delimiter = ',')]
    key: Vec<String>,

    /// When the rows were exported, such as 2026-11-20T02:00:00Z; `init` writes it into the job
    #[arg(long, value_name = "TIME")]
    taken_at: Option<jiff::Timestamp>,

    #[command(flatten)]
    machine: MachineArgs,
}

impl Load {
    /// Loads the files, and prints what was loaded.
    pub(super) fn run(self) -> Result<u8> {
        let origin = Origin::Flag("SRC");
        let format = FormatSettings {
            preset: self.preset,
            format: self.format,
            columns: self.columns,
            delimiter: self.delimiter,
            quote: self.quote.map(|quote| quote.0),
            escape: self.escape.map(|escape| escape.0),
            nulls: self.nulls,
            encoding: self.encoding,
            ..FormatSettings::none(origin.clone())
        };
        let source = Source { format, ..Source::of(Setting { text: self.source, origin }) };
        let request = LoadRequest { source, types: self.types, key: self.key, taken_at: self.taken_at };
        let stop = signal::on_signal();
        let destination = Destination::claim(&self.dest)?;
        let spill = self.machine.temp.clone().unwrap_or_else(|| destination.working());
        let mut engine = Engine::start(self.machine.limits(), &spill, stop, self.machine.progress())?;
        let summary = load(&mut engine, &request, destination)?;
        engine.progress.finish();
        write_out(&text(&summary))?;
        Ok(0)
    }
}

fn text(summary: &LoadSummary) -> String {
    let width = summary.columns.iter().map(|column| escaped(&column.name).chars().count()).max().unwrap_or(0);
    let files = if summary.files == 1 { "file" } else { "files" };
    let mut text = format!("{} rows from {} {files}\n\n", summary.rows, summary.files);
    for column in &summary.columns {
        let name = escaped(&column.name);
        let note = match &column.unreadable {
            Some((1, first)) => format!("; 1 cell is not of the type, in {first}"),
            Some((cells, first)) => format!("; {cells} cells are not of the type, the first in {first}"),
            None => String::new(),
        };
        text.push_str(&format!("  {name:width$}  {}{note}\n", column.type_name));
    }
    text
}

/// A character, or none.
#[derive(Debug, Clone)]
struct Character(Option<char>);

fn parse_character(text: &str) -> Result<Character, String> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (first, None) => Ok(Character(first)),
        _ => Err("expected one character, or an empty text".into()),
    }
}

impl ValueEnum for FileFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            FileFormat::Csv,
            FileFormat::Tsv,
            FileFormat::Json,
            FileFormat::Avro,
            FileFormat::Arrow,
            FileFormat::Orc,
            FileFormat::Parquet,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl ValueEnum for FileEncoding {
    fn value_variants<'a>() -> &'a [Self] {
        &[FileEncoding::Utf8, FileEncoding::Utf16, FileEncoding::Latin1, FileEncoding::Windows1252]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

fn parse_type(text: &str) -> Result<(String, ColumnType), String> {
    match text.split_once('=') {
        Some((column, stated)) if !column.is_empty() => Ok((column.into(), stated.parse()?)),
        _ => Err("write it as COLUMN=TYPE".into()),
    }
}
