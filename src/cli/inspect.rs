//! `countersign inspect`.

use clap::{Args, ValueEnum};

use super::{limits, signal, style, write_out};
use crate::error::Result;
use crate::report::Verdict;
use crate::runtime::options::Limits;
use crate::tools::inspect::{Inspection, Looks, json, text};

/// Inspect a snapshot before you compare it
///
/// PATH is a Parquet file, a directory (all files below it, including Hive partitions), or a quoted
/// glob, as for `diff`. Only footers and page headers are read, so thousands of files are fast, and
/// values and NULL counts are those in the footers. Every broken file is listed, whereas `diff` stops
/// at the first. The exit code is 2 if a file is broken, and 0 otherwise.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The files of the snapshot
    path: String,

    /// Report which strategy a diff by this key would use, why, and how much memory it would need; this
    /// also reads the first few keys
    #[arg(long, short, value_name = "COLUMN,…", value_delimiter = ',')]
    key: Vec<String>,

    /// The format of the findings on standard output
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Human-readable
    #[default]
    Text,
    /// Machine-readable; see schemas/inspect.v1.json
    Json,
}

impl Inspect {
    /// Prints the findings, and returns the verdict that gives the exit code.
    pub(super) fn run(self) -> Result<Verdict> {
        let limits = Limits { memory: limits::default_memory(), ..Limits::default() };
        let inspection = Inspection::of(&self.path, &self.key, &limits, signal::on_signal())?;
        match self.format {
            Format::Text => write_out(&text::render(&inspection, style()))?,
            Format::Json => write_out(&json(&inspection)?)?,
        }
        Ok(match inspection.looks {
            Looks::Whole => Verdict::Match,
            Looks::Broken => Verdict::Unverified,
        })
    }
}
