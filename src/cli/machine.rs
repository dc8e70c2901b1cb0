//! What this machine has to give, for the defaults of the limits.

use std::fs;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;

use crate::job::{Limits, Way};
use crate::progress::Progress;
use crate::report::Run;

/// How the work is done, for commands that compare. None of it changes an answer.
#[derive(Debug, Args)]
pub struct Work {
    /// Match this way instead of letting the planner choose; the answer is the same
    #[arg(long, value_enum)]
    pub way: Option<Way>,

    /// Memory for all of it, such as 1GiB; beyond it the work spills to disk [default: 3/5 of what is free]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<ByteSize>,

    /// Where working files go [default: beside the run, or the system's directory for such files]
    #[arg(long, value_name = "DIR")]
    pub temp: Option<PathBuf>,

    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Say on standard error where the time went, stage by stage
    #[arg(long)]
    timings: bool,

    /// No progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

impl Work {
    /// What the work may cost.
    pub fn limits(&self) -> Limits {
        let defaults = Limits::default();
        Limits {
            threads: self.threads.map_or(defaults.threads, usize::from),
            memory: self.memory.map_or_else(default_memory, |size| size.as_u64()),
            ..defaults
        }
    }

    /// Says where the time of a run went, if that was asked for.
    pub fn tell_timings(&self, run: &Run) {
        if !self.timings {
            return;
        }
        let total: f64 = run.stages.iter().map(|stage| stage.seconds).sum();
        let line = |name: &str, seconds: f64| {
            let share = if total > 0.0 { 100.0 * seconds / total } else { 0.0 };
            format!("  {name:8} {seconds:9.3} s {share:6.1} %\n")
        };
        let stages: String = run.stages.iter().map(|stage| line(&stage.stage, stage.seconds)).collect();
        let threads = self.limits().threads;
        let sum = line("together", total);
        eprint!("time of {threads} threads, {:.3} s by the clock\n{stages}{sum}", run.seconds);
    }

    /// What the user sees meanwhile.
    pub fn progress(&self) -> Progress {
        if self.quiet { Progress::quiet() } else { Progress::stderr() }
    }
}

/// The share of the memory that is free for us to take: three fifths.
const SHARE: (u64, u64) = (3, 5);
/// Where the system does not say.
const FALLBACK_BYTES: u64 = 4 << 30;

/// A memory limit that leaves room for the rest of the machine, in bytes.
pub fn default_memory() -> u64 {
    let free = [available(), cgroup_limit()].into_iter().flatten().min();
    free.map_or(FALLBACK_BYTES, |bytes| bytes / SHARE.1 * SHARE.0)
}

fn available() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn cgroup_limit() -> Option<u64> {
    fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?.trim().parse().ok()
}

/// Less than this no run can work in; most need more, and say so.
const MEMORY_MIN: ByteSize = ByteSize::mib(128);

/// Reads the memory limit of the command line.
fn parse_memory(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|_| "write it as a number and a unit, such as 512MiB or 8GiB")?;
    match size >= MEMORY_MIN {
        true => Ok(size),
        false => Err(format!("a run needs at least {MEMORY_MIN}")),
    }
}
