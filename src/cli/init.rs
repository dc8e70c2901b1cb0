//! `countersign init`.

use std::path::PathBuf;

use clap::Args;

use super::{limits, signal, write_out};
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::runtime::options::Limits;
use crate::runtime::progress::Progress;
use crate::sides::Sides;
use crate::tools::init::propose;

/// Propose a job file for two snapshots
///
/// Tests candidate keys on the data, pairs the columns, finds the rules that their types need, and tries
/// rules on values that differ. The result runs without changes; what only you can decide is a line to
/// uncomment. Paths are copied as given, so write the file to the directory that you run this in.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The snapshot of the store that is being left
    old: String,

    /// The snapshot of the store that takes over
    new: String,

    /// Write the job file here instead of to standard output; an existing file is not overwritten
    #[arg(long, short, value_name = "JOB.toml")]
    out: Option<PathBuf>,

    /// Do not show progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

impl Init {
    pub(super) fn run(self) -> Result<u8> {
        let progress = if self.quiet { Progress::quiet() } else { Progress::stderr() };
        let limits = Limits { memory: limits::default_memory(), ..Limits::default() };
        let engine = Engine::start(limits, &std::env::temp_dir(), signal::on_signal(), progress)?;
        let proposal = propose(&engine, Sides { old: self.old, new: self.new })?;
        engine.progress.finish();
        match &self.out {
            None => write_out(&proposal.to_toml())?,
            Some(path) => {
                let file = std::fs::File::create_new(path).map_err(Error::unwritable(path));
                std::io::Write::write_all(&mut file?, proposal.to_toml().as_bytes())
                    .map_err(Error::unwritable(path))?;
            }
        }
        Ok(0)
    }
}
