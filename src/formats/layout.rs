//! How a file is laid out: by its settings, its preset, its name, or its first bytes.

use std::path::Path;

use super::compressed::without_compression;
use crate::job::{FileFormat, FormatSettings, Preset};

/// How a file is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    Parquet,
    /// Records of fields.
    Delimited(Dialect),
    /// JSON documents.
    Documents(Documents),
    Avro,
    Arrow,
    Orc,
}

impl Layout {
    /// The name of the format, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Layout::Parquet => "Parquet",
            Layout::Delimited(_) => "delimited text",
            Layout::Documents(_) => "JSON",
            Layout::Avro => "Avro",
            Layout::Arrow => "Arrow",
            Layout::Orc => "ORC",
        }
    }
}

/// How the fields of a record are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) escapes: Escapes,
    /// The texts that mean NULL, as they are written.
    pub(super) nulls: Vec<Vec<u8>>,
    /// Whether they also mean NULL in quotes.
    pub(super) quoted_nulls: QuotedNulls,
    pub(super) header: Header,
    pub(super) comment: Option<u8>,
}

impl Dialect {
    /// Whether the columns are known only from the first record.
    pub(crate) fn needs_header(&self) -> bool {
        match &self.header {
            Header::FirstRecord => true,
            Header::Given(names) => names.is_empty(),
        }
    }

    /// Whether the program that writes this dialect writes bytes as they are, and not as text.
    pub(crate) fn has_raw_bytes(&self) -> bool {
        matches!(self.escapes, Escapes::Mysql(_))
    }
}

/// What a backslash, or another escape character, means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    None,
    /// As MySQL writes them: `\0`, `\b`, `\n`, `\r`, `\t`, `\Z`; any other character stands for itself.
    Mysql(u8),
    /// As PostgreSQL writes them: `\b`, `\f`, `\n`, `\r`, `\t`, `\v`; any other character stands for itself.
    Postgres,
}

impl Escapes {
    pub(super) fn character(self) -> Option<u8> {
        match self {
            Escapes::None => None,
            Escapes::Mysql(character) => Some(character),
            Escapes::Postgres => Some(b'\\'),
        }
    }
}

/// Whether a text that means NULL does so in quotes as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuotedNulls {
    AreText,
    AreNull,
}

/// Where the names of the columns come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Header {
    FirstRecord,
    /// The names; empty if they are not known.
    Given(Vec<String>),
}

/// What the values of JSON documents stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Documents {
    Plain,
    /// MongoDB's Extended JSON, relaxed or canonical.
    Extended,
    /// The typed attributes of DynamoDB.
    Attributes,
}

/// Returns how a file is laid out; `None` if nothing says so. `beginning` are its first bytes, decompressed.
///
/// # Errors
/// If the settings contradict each other.
pub(crate) fn resolve(settings: &FormatSettings, path: &Path, beginning: &[u8]) -> Result<Option<Layout>, String> {
    let named = settings.format.or_else(|| settings.preset.map(format_of)).or_else(|| by_name(path));
    let Some(format) = named.or_else(|| by_bytes(beginning)) else { return Ok(None) };
    if let (Some(own), Some(preset)) = (settings.format, settings.preset)
        && own != format_of(preset)
    {
        return Err(format!("preset `{preset}` is for another format than `format`; leave one of them out"));
    }
    Ok(Some(match format {
        FileFormat::Parquet => Layout::Parquet,
        FileFormat::Avro => Layout::Avro,
        FileFormat::Arrow => Layout::Arrow,
        FileFormat::Orc => Layout::Orc,
        FileFormat::Json => Layout::Documents(match settings.preset {
            Some(Preset::MongoJson) => Documents::Extended,
            Some(Preset::DynamodbJson) => Documents::Attributes,
            _ => Documents::Plain,
        }),
        FileFormat::Csv | FileFormat::Tsv => Layout::Delimited(dialect(settings, format)?),
    }))
}

fn format_of(preset: Preset) -> FileFormat {
    match preset {
        Preset::PostgresText | Preset::MysqlTab => FileFormat::Tsv,
        Preset::PostgresCsv
        | Preset::MysqlOutfile
        | Preset::Mydumper
        | Preset::CloudsqlMysql
        | Preset::CloudsqlPostgres
        | Preset::BigqueryCsv
        | Preset::DmsCsv
        | Preset::SnowflakeCsv
        | Preset::RedshiftCsv
        | Preset::OracleCsv => FileFormat::Csv,
        Preset::BigqueryJson | Preset::MongoJson | Preset::DynamodbJson => FileFormat::Json,
        Preset::SpannerAvro => FileFormat::Avro,
        Preset::RdsMysql | Preset::RdsPostgres | Preset::Snowflake | Preset::Dms | Preset::Pandas | Preset::Duckdb => {
            FileFormat::Parquet
        }
    }
}

/// The format that a file name states.
fn by_name(path: &Path) -> Option<FileFormat> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let (_, extension) = without_compression(&name).rsplit_once('.')?;
    Some(match extension {
        "parquet" => FileFormat::Parquet,
        "csv" => FileFormat::Csv,
        "tsv" | "tab" => FileFormat::Tsv,
        "json" | "jsonl" | "ndjson" => FileFormat::Json,
        "avro" => FileFormat::Avro,
        "arrow" | "arrows" | "feather" | "ipc" => FileFormat::Arrow,
        "orc" => FileFormat::Orc,
        _ => return None,
    })
}

fn by_bytes(beginning: &[u8]) -> Option<FileFormat> {
    let begins = |magic: &[u8]| beginning.starts_with(magic);
    match () {
        () if begins(b"PAR1") => Some(FileFormat::Parquet),
        () if begins(b"Obj\x01") => Some(FileFormat::Avro),
        () if begins(b"ARROW1") || begins(b"\xff\xff\xff\xff") => Some(FileFormat::Arrow),
        () if begins(b"ORC") => Some(FileFormat::Orc),
        () if matches!(beginning.trim_ascii_start().first(), Some(b'{' | b'[')) => Some(FileFormat::Json),
        () => None,
    }
}

fn dialect(settings: &FormatSettings, format: FileFormat) -> Result<Dialect, String> {
    let known = preset_dialect(settings.preset, format);
    let ascii = |setting: &str, character: char| -> Result<u8, String> {
        let byte = u8::try_from(character).ok().filter(u8::is_ascii);
        byte.ok_or_else(|| format!("`{setting}` is `{character}`, but it has to be an ASCII character"))
    };
    let has_header = match (settings.header, &known.header) {
        (Some(header), _) => header,
        (None, header) => *header == Header::FirstRecord && settings.columns.is_empty(),
    };
    let header = match has_header {
        true if !settings.columns.is_empty() => {
            return Err(
                "`columns` names the columns of files without a header; set `header = false`, or leave it out".into()
            );
        }
        true => Header::FirstRecord,
        false => Header::Given(settings.columns.clone()),
    };
    let optional = |setting: &str, chosen: Option<Option<char>>, known: Option<u8>| match chosen {
        Some(character) => character.map(|character| ascii(setting, character)).transpose(),
        None => Ok(known),
    };
    let escape = optional("escape", settings.escape, known.escapes.character())?;
    let escapes = match (escape, known.escapes) {
        (None, _) => Escapes::None,
        (Some(b'\\'), Escapes::Postgres) => Escapes::Postgres,
        (Some(character), _) => Escapes::Mysql(character),
    };
    Ok(Dialect {
        delimiter: settings.delimiter.map_or(Ok(known.delimiter), |delimiter| ascii("delimiter", delimiter))?,
        quote: optional("quote", settings.quote, known.quote)?,
        escapes,
        nulls: match &settings.nulls {
            Some(nulls) => nulls.iter().map(|null| null.clone().into_bytes()).collect(),
            None => known.nulls,
        },
        quoted_nulls: known.quoted_nulls,
        header,
        comment: settings.comment.map(|comment| ascii("comment", comment)).transpose()?,
    })
}

/// How a preset writes records. Without one, fields are quoted as in RFC 4180, and an empty field without quotes is
/// NULL.
fn preset_dialect(preset: Option<Preset>, format: FileFormat) -> Dialect {
    let plain = Dialect {
        delimiter: if format == FileFormat::Tsv { b'\t' } else { b',' },
        quote: Some(b'"'),
        escapes: Escapes::None,
        nulls: vec![vec![]],
        quoted_nulls: QuotedNulls::AreText,
        header: Header::FirstRecord,
        comment: None,
    };
    let no_header = Header::Given(vec![]);
    let backslash_n = || vec![b"\\N".to_vec()];
    match preset {
        Some(Preset::PostgresText) => {
            Dialect { quote: None, escapes: Escapes::Postgres, nulls: backslash_n(), header: no_header, ..plain }
        }
        Some(Preset::MysqlTab) => {
            Dialect { quote: None, escapes: Escapes::Mysql(b'\\'), nulls: backslash_n(), header: no_header, ..plain }
        }
        Some(Preset::MysqlOutfile | Preset::Mydumper) => {
            Dialect { escapes: Escapes::Mysql(b'\\'), nulls: backslash_n(), header: no_header, ..plain }
        }
        // the escape character is the quote, and NULL is the escape character and N
        Some(Preset::CloudsqlMysql) => {
            Dialect { nulls: vec![b"\"N".to_vec(), b"\\N".to_vec()], header: no_header, ..plain }
        }
        Some(Preset::CloudsqlPostgres) => Dialect { header: no_header, ..plain },
        Some(Preset::DmsCsv) => Dialect { nulls: vec![b"NULL".to_vec()], header: no_header, ..plain },
        Some(Preset::SnowflakeCsv) => Dialect { nulls: backslash_n(), ..plain },
        Some(Preset::OracleCsv) => Dialect { quoted_nulls: QuotedNulls::AreNull, ..plain },
        _ => plain,
    }
}
