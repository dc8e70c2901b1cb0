//! Arguments that limit memory and threads, and their defaults for this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytesize::ByteSize;
use clap::Args;

use crate::report::Run;
use crate::runtime::options::{Limits, Options, Strategy};
use crate::runtime::progress::Progress;

/// Arguments of commands that compare. None of them changes a result.
#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    /// Use this strategy instead of letting the planner choose; the result is the same
    #[arg(long, value_enum, alias = "way")]
    pub strategy: Option<Strategy>,

    #[command(flatten)]
    pub machine: MachineArgs,

    /// Print the time of each stage to standard error
    #[arg(long)]
    timings: bool,
}

/// Limits for all commands that process data. None of them changes a result.
#[derive(Debug, Args)]
pub(super) struct MachineArgs {
    /// Memory limit, such as 1GiB; beyond it, data is spilled to disk [default: 3/5 of the free memory]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<ByteSize>,

    /// Directory for temporary files [default: beside the run, or the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    pub temp: Option<PathBuf>,

    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Do not show progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

impl MachineArgs {
    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        Limits {
            threads: self.threads.map_or(defaults.threads, usize::from),
            memory: self.memory.map_or_else(default_memory, |size| size.as_u64()),
            ..defaults
        }
    }

    pub(super) fn options(&self, stop: &Arc<AtomicBool>) -> Options {
        Options {
            limits: self.limits(),
            temp: self.temp.clone(),
            stop: stop.clone(),
            progress: self.progress(),
            ..Options::default()
        }
    }

    pub(super) fn progress(&self) -> Progress {
        if self.quiet { Progress::quiet() } else { Progress::stderr() }
    }
}

impl WorkArgs {
    pub(super) fn options(&self, stop: &Arc<AtomicBool>) -> Options {
        Options { strategy: self.strategy, ..self.machine.options(stop) }
    }

    /// Prints the time of each stage if `--timings` is set.
    pub(super) fn tell_timings(&self, run: &Run) {
        if !self.timings {
            return;
        }
        let total: f64 = run.stages.iter().map(|stage| stage.seconds).sum();
        let line = |name: &str, seconds: f64| {
            let share = if total > 0.0 { 100.0 * seconds / total } else { 0.0 };
            format!("  {name:8} {seconds:9.3} s {share:6.1} %\n")
        };
        let stages: String = run.stages.iter().map(|stage| line(&stage.stage, stage.seconds)).collect();
        let threads = self.machine.limits().threads;
        let sum = line("total", total);
        eprint!("time of {threads} threads, {:.3} s of wall time\n{stages}{sum}", run.seconds);
    }
}

/// The default memory limit as a share of the free memory: three fifths.
const SHARE: (u64, u64) = (3, 5);
/// The default memory limit if the free memory is unknown.
const FALLBACK_BYTES: u64 = 4 << 30;

/// A memory limit that leaves room for the rest of the machine, in bytes.
pub(super) fn default_memory() -> u64 {
    let free = [available(), cgroup_limit()].into_iter().flatten().min();
    free.map_or(FALLBACK_BYTES, |bytes| bytes / SHARE.1 * SHARE.0)
}

fn available() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The lowest memory limit, in bytes, of this process's control groups and their ancestors.
fn cgroup_limit() -> Option<u64> {
    limit_of_groups(&fs::read_to_string("/proc/self/cgroup").ok()?, Path::new("/sys/fs/cgroup"))
}

/// `groups` is the content of `/proc/self/cgroup`: per line, the number of a hierarchy, its controllers, and the path
/// of the group. See <https://docs.kernel.org/admin-guide/cgroup-v2.html> (memory.max) and the manual of version 1.
fn limit_of_groups(groups: &str, root: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let (top, file) = match controllers {
            "" => (root.to_path_buf(), "memory.max"),
            _ if controllers.split(',').any(|each| each == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
            _ => return None,
        };
        // in a container, the path may be that of the host
        let group = top.join(group.trim_start_matches('/'));
        let limit = |dir: &Path| fs::read_to_string(dir.join(file)).ok()?.trim().parse::<u64>().ok();
        group.ancestors().take_while(|dir| dir.starts_with(&top)).filter_map(limit).min()
    });
    limits.min()
}

/// No run works with less. Most need more, and their error reports how much.
const MEMORY_MIN: ByteSize = ByteSize::mib(128);

fn parse_memory(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|_| "write it as a number and a unit, such as 512MiB or 8GiB")?;
    match size >= MEMORY_MIN {
        true => Ok(size),
        false => Err(format!("a run needs at least {MEMORY_MIN}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let set = |file: &str, limit: &str| {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, limit).unwrap();
        };
        let limit = |groups: &str| limit_of_groups(groups, root.path());
        assert_eq!(limit("0::/a/b\n"), None);
        set("a/b/memory.max", "max\n");
        set("a/memory.max", "1000\n");
        assert_eq!(limit("0::/a/b\n"), Some(1000));
        set("memory.max", "500\n");
        assert_eq!(limit("0::/somewhere/else\n"), Some(500));
        set("memory/limited/memory.limit_in_bytes", "300\n");
        assert_eq!(limit("5:cpu,memory:/limited\n1:name=x:/\n0::/a\n"), Some(300));
        assert_eq!(limit("5:cpu:/limited\n"), None);
    }
}
