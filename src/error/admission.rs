//! Why a snapshot is not admitted: what is wrong with its files before any row is compared.

use std::path::PathBuf;

use super::format::plain_reason;
use crate::sides::{Owner, Side};

/// Why files are refused that are whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// Files of a table whose log says which of them count.
    #[error(
        "{owner} `{path}` {} (`{}`)\n  nothing was verified; {}",
        format.what(), log.display(), format.advice()
    )]
    TableFormat {
        /// What the path is for.
        owner: Owner,
        /// The path as given.
        path: String,
        /// Who keeps the log.
        format: TableFormat,
        /// The log.
        log: PathBuf,
    },

    /// A place that is not on a disk of this machine.
    #[error("{owner} `{url}` is a URL, and countersign reads local files\n  copy the files to a disk, and name that")]
    Url {
        /// What it is for.
        owner: Owner,
        /// The URL as given.
        url: String,
    },

    /// A value that does not fit the type that the files of a side share.
    #[error(
        "column `{column}` of `{}` holds {value}, which is no {shared}, the type that the files of the {side} snapshot \
         share\n  nothing was verified; export all files of a side with the same types",
        path.display()
    )]
    FilesDoNotFit {
        /// The side.
        side: Side,
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The value, or what the conversion said.
        value: String,
        /// The type that the files share.
        shared: String,
    },

    /// A footer that cannot be decoded, whoever is to blame.
    #[error(
        "`{}` has a Parquet footer that cannot be read: {}\n  nothing was verified; if other tools read the file, \
         write it anew with one of them; otherwise it is damaged: export or copy it again",
        path.display(), plain_reason(.reason)
    )]
    Footer {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },

    /// A file that may be whole and is of a form that is not read.
    #[error("`{}` {what}\n  nothing was verified; {remedy}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, as the end of a sentence that begins with its name.
        what: String,
        /// What to do.
        remedy: String,
    },
}

/// Who keeps a record of the files that count.
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
    /// What the folder is, and what its log says, to follow the name of a path in it.
    pub fn what(self) -> &'static str {
        match self {
            TableFormat::Delta => "belongs to a Delta Lake table, whose log says which files count",
            TableFormat::Iceberg => "belongs to an Apache Iceberg table, whose metadata says which files count",
            TableFormat::Hudi => "belongs to an Apache Hudi table, whose timeline says which files count",
            TableFormat::Paimon => "belongs to an Apache Paimon table, whose snapshots say which files count",
            TableFormat::SparkSink => "is the output of a Spark stream, whose metadata says which files count",
            TableFormat::DatabricksCommit => "has commit files of Databricks, which say which files count",
            TableFormat::HiveAcid => "belongs to a transactional Hive table, whose directories replace each other",
            TableFormat::Unfinished => "is the output of a job that has not finished",
        }
    }

    /// What to do instead, as a sentence.
    pub fn advice(self) -> &'static str {
        match self {
            TableFormat::Delta => {
                "export the table's rows to a folder of their own and name that, for one with DuckDB: \
                 COPY (FROM delta_scan('TABLE')) TO 'export.parquet'"
            }
            TableFormat::Iceberg => {
                "export the table's rows to a folder of their own and name that, for one with DuckDB: \
                 COPY (FROM iceberg_scan('TABLE')) TO 'export.parquet'"
            }
            TableFormat::Hudi | TableFormat::Paimon | TableFormat::HiveAcid => {
                "export the table's rows with an engine that reads the format, to a folder of their own, and name that"
            }
            TableFormat::SparkSink | TableFormat::DatabricksCommit => {
                "read the folder with Spark, write its rows to a folder of their own, and name that"
            }
            TableFormat::Unfinished => {
                "wait until the job has committed its output; if it has failed, export again to an empty folder"
            }
        }
    }
}
