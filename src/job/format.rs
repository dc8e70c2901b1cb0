//! How the files of a source are written.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::setting::Origin;

/// How the files of a source are written. What is not set comes from the preset, or from the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatSettings {
    /// The program that wrote the files.
    pub preset: Option<Preset>,
    /// The format.
    pub format: Option<FileFormat>,
    /// Whether the first record has the names of the columns.
    pub header: Option<bool>,
    /// The names of the columns of files without a header.
    pub columns: Vec<String>,
    /// The character between two fields.
    pub delimiter: Option<char>,
    /// The character around fields; empty if there is none.
    pub quote: Option<Option<char>>,
    /// The character before a character with a special meaning; empty if there is none.
    pub escape: Option<Option<char>>,
    /// The texts that mean NULL if they are not in quotes.
    pub nulls: Option<Vec<String>>,
    /// The character at the beginning of lines that are not data.
    pub comment: Option<char>,
    /// The encoding of the text.
    pub encoding: Option<FileEncoding>,
    /// The position of these settings.
    pub origin: Origin,
}

impl FormatSettings {
    /// Nothing is set.
    pub fn none(origin: Origin) -> Self {
        FormatSettings {
            preset: None,
            format: None,
            header: None,
            columns: vec![],
            delimiter: None,
            quote: None,
            escape: None,
            nulls: None,
            comment: None,
            encoding: None,
            origin,
        }
    }
}

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Fields separated by commas.
    Csv,
    /// Fields separated by tabs.
    Tsv,
    /// JSON: one document after the other, or one array of documents.
    Json,
    /// Apache Avro.
    Avro,
    /// Apache Arrow, as a file or as a stream.
    Arrow,
    /// Apache ORC.
    Orc,
}

impl FileFormat {
    /// The name in a job file.
    pub fn name(self) -> &'static str {
        match self {
            FileFormat::Parquet => "parquet",
            FileFormat::Csv => "csv",
            FileFormat::Tsv => "tsv",
            FileFormat::Json => "json",
            FileFormat::Avro => "avro",
            FileFormat::Arrow => "arrow",
            FileFormat::Orc => "orc",
        }
    }
}

/// The encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileEncoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16; little-endian without a byte order mark.
    #[serde(rename = "utf-16")]
    Utf16,
    /// ISO 8859-1.
    Latin1,
    /// Windows-1252.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

impl FileEncoding {
    /// The name in a job file.
    pub fn name(self) -> &'static str {
        match self {
            FileEncoding::Utf8 => "utf-8",
            FileEncoding::Utf16 => "utf-16",
            FileEncoding::Latin1 => "latin1",
            FileEncoding::Windows1252 => "windows-1252",
        }
    }
}

/// A program that writes exports, and how it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `COPY … TO … (FORMAT csv, HEADER)` of PostgreSQL.
    PostgresCsv,
    /// `COPY … TO …` of PostgreSQL.
    PostgresText,
    /// `mysqldump --tab` and `SELECT … INTO OUTFILE` of MySQL and MariaDB, with the defaults.
    MysqlTab,
    /// `SELECT … INTO OUTFILE` with `FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"'`.
    MysqlOutfile,
    /// `mydumper --csv`.
    Mydumper,
    /// The CSV export of Cloud SQL for MySQL.
    CloudsqlMysql,
    /// The CSV export of Cloud SQL for PostgreSQL.
    CloudsqlPostgres,
    /// `EXPORT DATA` of BigQuery as CSV.
    BigqueryCsv,
    /// `EXPORT DATA` of BigQuery as JSON.
    BigqueryJson,
    /// AWS Database Migration Service to S3 as CSV.
    DmsCsv,
    /// `mongoexport`, relaxed or canonical.
    MongoJson,
    /// The export of DynamoDB to S3.
    DynamodbJson,
    /// The export of Spanner with Dataflow.
    SpannerAvro,
    /// `COPY INTO` of Snowflake as CSV.
    SnowflakeCsv,
    /// `UNLOAD` of Redshift as CSV.
    RedshiftCsv,
    /// CSV of Oracle, in which the empty string is NULL.
    OracleCsv,
    /// The export of an RDS or Aurora snapshot of MySQL.
    RdsMysql,
    /// The export of an RDS or Aurora snapshot of PostgreSQL.
    RdsPostgres,
    /// `COPY INTO` of Snowflake as Parquet.
    Snowflake,
    /// AWS Database Migration Service to S3 as Parquet.
    Dms,
    /// `DataFrame.to_parquet` of pandas.
    Pandas,
    /// `COPY … TO` of DuckDB as Parquet.
    Duckdb,
}

impl Preset {
    /// All presets.
    pub const ALL: [Preset; 22] = [
        Preset::PostgresCsv,
        Preset::PostgresText,
        Preset::MysqlTab,
        Preset::MysqlOutfile,
        Preset::Mydumper,
        Preset::CloudsqlMysql,
        Preset::CloudsqlPostgres,
        Preset::BigqueryCsv,
        Preset::BigqueryJson,
        Preset::DmsCsv,
        Preset::MongoJson,
        Preset::DynamodbJson,
        Preset::SpannerAvro,
        Preset::SnowflakeCsv,
        Preset::RedshiftCsv,
        Preset::OracleCsv,
        Preset::RdsMysql,
        Preset::RdsPostgres,
        Preset::Snowflake,
        Preset::Dms,
        Preset::Pandas,
        Preset::Duckdb,
    ];

    /// Whether it writes times in UTC, without saying so.
    pub fn is_in_utc(self) -> bool {
        matches!(
            self,
            Preset::MysqlTab
                | Preset::Mydumper
                | Preset::CloudsqlMysql
                | Preset::DmsCsv
                | Preset::RdsMysql
                | Preset::Snowflake
                | Preset::Dms
                | Preset::MongoJson
        )
    }

    /// The name in a job file.
    pub fn name(self) -> &'static str {
        match self {
            Preset::PostgresCsv => "postgres-csv",
            Preset::PostgresText => "postgres-text",
            Preset::MysqlTab => "mysql-tab",
            Preset::MysqlOutfile => "mysql-outfile",
            Preset::Mydumper => "mydumper",
            Preset::CloudsqlMysql => "cloudsql-mysql",
            Preset::CloudsqlPostgres => "cloudsql-postgres",
            Preset::BigqueryCsv => "bigquery-csv",
            Preset::BigqueryJson => "bigquery-json",
            Preset::DmsCsv => "dms-csv",
            Preset::MongoJson => "mongo-json",
            Preset::DynamodbJson => "dynamodb-json",
            Preset::SpannerAvro => "spanner-avro",
            Preset::SnowflakeCsv => "snowflake-csv",
            Preset::RedshiftCsv => "redshift-csv",
            Preset::OracleCsv => "oracle-csv",
            Preset::RdsMysql => "rds-mysql",
            Preset::RdsPostgres => "rds-postgres",
            Preset::Snowflake => "snowflake",
            Preset::Dms => "dms",
            Preset::Pandas => "pandas",
            Preset::Duckdb => "duckdb",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
