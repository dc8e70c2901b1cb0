//! Why a snapshot is not admitted: problems with its files that are found before any row is compared.

use std::path::PathBuf;

use super::format::plain_reason;
use crate::sides::{Owner, Side};

/// Why files are refused although they are not damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// The files belong to a table whose log determines which of them are current.
    #[error(
        "{owner} `{path}` {} (`{}`)\n  nothing was verified; {}",
        format.what(), log.display(), format.advice()
    )]
    TableFormat {
        /// The role of the path.
        owner: Owner,
        /// The path as given.
        path: String,
        /// The table format.
        format: TableFormat,
        /// The log.
        log: PathBuf,
    },

    /// A URL instead of a path on a local disk.
    #[error(
        "{owner} `{url}` is a URL, but countersign reads only local files\n  \
         copy the files to a local disk, and pass that path"
    )]
    Url {
        /// The role of the path.
        owner: Owner,
        /// The URL as given.
        url: String,
    },

    /// A record of a text file that cannot be read.
    #[error("`{}` line {line}: {what}\n  nothing was verified; {remedy}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The line on which the record begins, counted from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: String,
    },

    /// Files of one side in different formats.
    #[error(
        "the files of one side have different formats: `{}` is {}, `{}` is {}\n  \
         nothing was verified; select the data files with a glob such as 'dir/*.csv'",
        files[0].0.display(), files[0].1, files[1].0.display(), files[1].1
    )]
    Formats {
        /// Two files that differ, each with its format.
        files: Box<[(PathBuf, &'static str); 2]>,
    },

    /// A value that cannot be represented in the common type of the files of a side.
    #[error(
        "column `{column}` of `{}` contains {value}, which cannot be represented as {shared}, the common type of the \
         files of the {side} snapshot\n  nothing was verified; export all files of a side with the same types",
        path.display()
    )]
    FilesDoNotFit {
        /// The side.
        side: Side,
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The value, or the message of the conversion.
        value: String,
        /// The common type of the files.
        shared: String,
    },

    /// A footer that cannot be decoded, because the file is damaged or the decoder cannot handle it.
    #[error(
        "`{}` has a Parquet footer that cannot be read: {}\n  nothing was verified; if other tools read the file, \
         rewrite it with one of them; otherwise it is damaged: export or copy it again",
        path.display(), plain_reason(.reason)
    )]
    Footer {
        /// The file.
        path: PathBuf,
        /// The message of the decoder.
        reason: String,
    },

    /// A file that may be intact but has an unsupported format.
    #[error("`{}` {what}\n  nothing was verified; {remedy}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, to follow the name of the file in a sentence.
        what: String,
        /// What to do.
        remedy: String,
    },
}

/// The software that records which files belong to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Delta Lake: `_delta_log/`.
    Delta,
    /// Apache Iceberg: `metadata/*.metadata.json`.
    Iceberg,
    /// Apache Hudi: `.hoodie/`.
    Hudi,
    /// Apache Paimon: `snapshot/` beside `manifest/`.
    Paimon,
    /// Spark's streaming file sink: `_spark_metadata/`.
    SparkSink,
    /// Databricks' transactional commit of plain files: `_committed_*` and `_started_*`.
    DatabricksCommit,
    /// Hive's transactional tables: directories `base_*`, `delta_*` and `delete_delta_*`.
    HiveAcid,
    /// A Hadoop or Spark job that has not committed its output: `_temporary/`.
    Unfinished,
}

impl TableFormat {
    /// Describes the format, to follow a path in a sentence.
    pub fn what(self) -> &'static str {
        match self {
            TableFormat::Delta => "belongs to a Delta Lake table, whose log determines which files are current",
            TableFormat::Iceberg => {
                "belongs to an Apache Iceberg table, whose metadata determines which files are current"
            }
            TableFormat::Hudi => "belongs to an Apache Hudi table, whose timeline determines which files are current",
            TableFormat::Paimon => {
                "belongs to an Apache Paimon table, whose snapshots determine which files are current"
            }
            TableFormat::SparkSink => {
                "is the output of a Spark stream, whose metadata determines which files are current"
            }
            TableFormat::DatabricksCommit => "has Databricks commit files, which determine which files are current",
            TableFormat::HiveAcid => "belongs to a transactional Hive table, whose directories replace each other",
            TableFormat::Unfinished => "is the output of a job that has not finished",
        }
    }

    /// What to do instead, to end the error message.
    pub fn advice(self) -> &'static str {
        match self {
            TableFormat::Delta => {
                "export the table's rows to a separate folder, and pass that; with DuckDB, for example: \
                 COPY (FROM delta_scan('TABLE')) TO 'export.parquet'"
            }
            TableFormat::Iceberg => {
                "export the table's rows to a separate folder, and pass that; with DuckDB, for example: \
                 COPY (FROM iceberg_scan('TABLE')) TO 'export.parquet'"
            }
            TableFormat::Hudi | TableFormat::Paimon | TableFormat::HiveAcid => {
                "export the table's rows to a separate folder with an engine that reads the format, and pass that"
            }
            TableFormat::SparkSink | TableFormat::DatabricksCommit => {
                "read the folder with Spark, write its rows to a separate folder, and pass that"
            }
            TableFormat::Unfinished => {
                "wait until the job has committed its output; if it has failed, export again to an empty folder"
            }
        }
    }
}
