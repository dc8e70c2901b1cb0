//! `countersign inspect`.

use clap::{Args, ValueEnum};

use super::{limits, signal, style, write_out};
use crate::error::Result;
use crate::report::Verdict;
use crate::runtime::options::Limits;
use crate::tools::inspect::{Inspection, Looks, json, text};

/// Look at a snapshot before it is compared
///
/// PATH is a Parquet file, a directory (all files below it, hive partitions included), or a quoted
/// glob, as for `diff`. Footers and page headers are read, data is not, so thousands of files are
/// quick, and values and NULLs are what the footers say of them. Every file that looks broken is
/// listed, where `diff` stops at the first; the exit code is then 2, and 0 otherwise.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The snapshot
    path: String,

    /// Say which way a diff by this key would take, why, and what it would cost in memory; reads a
    /// few first keys, too
    #[arg(long, short, value_name = "COLUMN,…", value_delimiter = ',')]
    key: Vec<String>,

    /// How the findings are written to standard output
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,
}

/// How the findings are written to standard output.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs; described by schemas/inspect.v1.json
    Json,
}

impl Inspect {
    /// Looks, prints, and returns what stands for the exit code.
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
