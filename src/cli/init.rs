//! `countersign init`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::exports::ExportArgs;
use super::{COULD_NOT_VERIFY, limits, signal, write_out};
use crate::error::{Error, Result};
use crate::job::Origin;
use crate::output::destination::Destination;
use crate::runtime::engine::Engine;
use crate::runtime::options::Limits;
use crate::runtime::progress::Progress;
use crate::sides::{Side, Sides};
use crate::tools::init::tables::{FoundTables, pair, tables_in};
use crate::tools::init::{folder, propose};

/// Propose a job for two snapshots, or for every table of two exports
///
/// Tests candidate keys on the data, pairs the columns, finds the rules that their types need, and tries
/// rules on values that differ. The result runs without changes; what only you can decide is a line to
/// uncomment.
///
/// If OLD and NEW are directories with several tables, pairs the tables by name, and writes a directory
/// with a job for each, the settings that they share, and a list of what has no partner.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The snapshot or the export of the store that is being left
    old: String,

    /// The snapshot or the export of the store that takes over
    new: String,

    #[command(flatten)]
    exports: ExportArgs,

    /// Write the job file here instead of to standard output, or the jobs to this directory instead of
    /// jobs/; nothing that exists is overwritten
    #[arg(long, short, value_name = "JOB.toml|DIR")]
    out: Option<PathBuf>,

    /// Do not show progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

impl Init {
    pub(super) fn run(self) -> Result<u8> {
        let progress = if self.quiet { Progress::quiet() } else { Progress::stderr() };
        let limits = Limits { memory: limits::default_memory(), ..Limits::default() };
        let presets = self.exports.presets();
        let tables = Sides { old: tables_in(&self.old, presets.old)?, new: tables_in(&self.new, presets.new)? };
        let engine = |spill: &Path| Engine::start(limits, spill, signal::on_signal(), progress);
        match tables {
            Sides { old: Some(old), new: Some(new) } => self.write_jobs(engine, Sides { old, new }),
            Sides { old: None, new: None } => {
                let engine = engine(&std::env::temp_dir())?;
                self.write_job(&engine)
            }
            Sides { old, .. } => {
                let (database, table) = if old.is_some() { (&self.old, &self.new) } else { (&self.new, &self.old) };
                let reason = format!(
                    "`{database}` has several tables, but `{table}` is one; name the table in it, or the directory of \
                     the other export"
                );
                Err(Error::request("init", reason))
            }
        }
    }

    /// Writes a job for one table.
    fn write_job(&self, engine: &Engine) -> Result<u8> {
        let source = |side: Side, path: &str| self.exports.source(side, path, Origin::Flag("PATH"));
        let sources = Sides { old: source(Side::Old, &self.old), new: source(Side::New, &self.new) };
        let proposal = propose(engine, sources)?;
        engine.progress.finish();
        match &self.out {
            None => write_out(&proposal.to_toml())?,
            Some(path) => {
                let dir = path.parent().unwrap_or(Path::new(""));
                let text = folder::job_text(proposal, dir)?;
                let file = std::fs::File::create_new(path).map_err(Error::unwritable(path));
                std::io::Write::write_all(&mut file?, text.as_bytes()).map_err(Error::unwritable(path))?;
            }
        }
        Ok(0)
    }

    /// Writes a directory with a job for each table.
    fn write_jobs(&self, engine: impl FnOnce(&Path) -> Result<Engine>, tables: Sides<FoundTables>) -> Result<u8> {
        let shown = self.out.clone().unwrap_or_else(|| "jobs".into());
        let destination = Destination::claim(&shown)?;
        let engine = engine(&destination.working())?;
        let folder = folder::write(&engine, pair(tables), destination, &shown)?;
        engine.progress.finish();
        write_out(&folder.summary(&shown))?;
        Ok(if folder.failed.is_empty() { 0 } else { COULD_NOT_VERIFY })
    }
}
