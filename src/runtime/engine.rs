//! The environment of a run: a rayon pool for CPU work, a tokio runtime that only reads, DataFusion's memory limit and
//! spill directory, and the stop flag.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

use crate::error::{Error, Result};
use crate::runtime::memory::{Demand, Division};
use crate::runtime::options::Limits;
use crate::runtime::progress::Progress;
use crate::runtime::spilling::{RunsWith, SpillingPool};
use crate::runtime::timings::Timings;
use crate::runtime::work_dir::WorkDir;

/// Stack size in bytes. Expressions may be nested deeply; only the part that is used takes memory.
const STACK_BYTES: usize = 16 << 20;

/// The environment of one run. It is borrowed everywhere and never global.
pub struct Engine {
    limits: Limits,
    division: Division,
    footer_bytes: u64,
    workers: rayon::ThreadPool,
    reader: tokio::runtime::Runtime,
    environment: Arc<RuntimeEnv>,
    spill_dir: WorkDir,
    stop: Arc<AtomicBool>,
    /// The costs of the work so far.
    pub timings: Arc<Timings>,
    /// The progress that the user sees.
    pub progress: Progress,
}

/// Settings for scans.
#[derive(Debug, Clone)]
pub struct ScanConfig {
    pub timings: Arc<Timings>,
    pub batch_rows: usize,
}

impl Engine {
    /// Starts the pools. Working files go to a new directory below `spill_parent`, which is removed when the engine is
    /// dropped.
    pub fn start(limits: Limits, spill_parent: &Path, stop: Arc<AtomicBool>, progress: Progress) -> Result<Self> {
        let spilling =
            |error: std::io::Error| Error::Spill { dir: spill_parent.to_path_buf(), reason: error.to_string() };
        let spill_dir = WorkDir::create(spill_parent).map_err(spilling)?;
        let division = Demand::default().divide(&limits)?;
        Ok(Engine {
            workers: workers(&division)?,
            environment: environment(&division, &spill_dir).map_err(|error| spilling_failed(error, &spill_dir))?,
            reader: reader(&division)?,
            limits,
            division,
            footer_bytes: 0,
            spill_dir,
            stop,
            timings: Arc::default(),
            progress,
        })
    }

    /// Divides the memory again, once the footers have shown how much reading takes.
    pub fn fit(&mut self, demand: &Demand) -> Result<()> {
        self.division = demand.divide(&self.limits)?;
        self.footer_bytes = demand.footer_bytes;
        if self.threads() < self.limits.threads {
            let (threads, of) = (self.threads(), self.limits.threads);
            self.progress.note(&format!("--memory leaves room for only {threads} of {of} workers"));
        }
        self.workers = workers(&self.division)?;
        self.reader = reader(&self.division)?;
        self.environment =
            environment(&self.division, &self.spill_dir).map_err(|error| spilling_failed(error, &self.spill_dir))?;
        Ok(())
    }

    /// Divides the memory for a stage that reads other files than the current ones, whose footers stay in memory.
    pub fn divide(&self, demand: &Demand) -> Result<Division> {
        let footer_bytes = demand.footer_bytes.max(self.footer_bytes);
        Demand { footer_bytes, ..*demand }.divide(&self.limits)
    }

    /// The configured limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The number of workers, which may be lower than configured.
    pub fn threads(&self) -> usize {
        self.division.threads
    }

    /// The number of rows per batch.
    pub fn batch_rows(&self) -> usize {
        self.division.batch_rows
    }

    /// The part of the memory limit for entries and sorts, in bytes. They use it one after the other.
    pub fn working_memory(&self) -> u64 {
        self.division.working_bytes
    }

    /// The number of partitions of a sort, chosen so that each has enough memory.
    pub fn sort_partitions(&self) -> usize {
        self.division.sort_partitions
    }

    /// Gives each partition of a sort its own memory pool. `partitions` counts the partitions of all sorts that are
    /// open at the same time; rows of `waiting_bytes` in total wait to be sorted.
    pub fn with_own_memory(
        &self,
        sort: Arc<dyn ExecutionPlan>,
        partitions: usize,
        waiting_bytes: u64,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let bytes = self.division.sort_bytes(partitions as u64, waiting_bytes);
        RunsWith::own_pools(sort, bytes, &self.task())
    }

    /// Gives a sort with a single partition an even share of the memory of all open sorts.
    pub fn with_even_share(&self, sort: Arc<dyn ExecutionPlan>) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        self.with_own_memory(sort, self.division.sorts as usize, 0)
    }

    /// The pool for all CPU work.
    pub fn workers(&self) -> &rayon::ThreadPool {
        &self.workers
    }

    /// The runtime that polls streams.
    pub fn reader(&self) -> tokio::runtime::Handle {
        self.reader.handle().clone()
    }

    /// The directory for working files.
    pub fn spill_dir(&self) -> PathBuf {
        self.spill_dir.path().to_path_buf()
    }

    /// The path of a working file that does not exist yet.
    pub fn free_path(&self, name: &str) -> PathBuf {
        let paths = (1..).map(|number| self.spill_dir().join(format!("{name}-{number}.parquet")));
        paths.into_iter().find(|path| !path.exists()).unwrap_or_default()
    }

    /// DataFusion's shared environment: object stores, caches, and the memory pool.
    pub fn environment(&self) -> Arc<RuntimeEnv> {
        self.environment.clone()
    }

    /// The context to run a DataFusion plan.
    pub fn task(&self) -> Arc<TaskContext> {
        Arc::new(TaskContext::default().with_session_config(self.config()).with_runtime(self.environment()))
    }

    /// The context to run a DataFusion plan with a different division of memory.
    pub fn task_of(&self, division: &Division) -> datafusion::error::Result<Arc<TaskContext>> {
        let environment = environment(division, &self.spill_dir)?;
        Ok(Arc::new(TaskContext::default().with_session_config(config(division)).with_runtime(environment)))
    }

    /// The DataFusion configuration for plans.
    pub fn config(&self) -> SessionConfig {
        config(&self.division)
    }

    /// Scan settings for plans that outlive a borrow of the engine.
    pub fn scan_config(&self) -> ScanConfig {
        ScanConfig { timings: self.timings.clone(), batch_rows: self.division.batch_rows }
    }

    /// Returns [`Error::Interrupted`] once the stop flag is set. Called between batches.
    pub fn check_stop(&self) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}

fn config(division: &Division) -> SessionConfig {
    SessionConfig::new()
        .with_batch_size(division.batch_rows)
        .with_target_partitions(division.threads)
        .with_sort_in_place_threshold_bytes(division.in_place_bytes() as usize)
}

fn workers(division: &Division) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(division.threads)
        .stack_size(STACK_BYTES)
        .thread_name(|n| format!("worker-{n}"))
        .build()
        .map_err(Error::internal)
}

fn reader(division: &Division) -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(division.threads)
        .thread_stack_size(STACK_BYTES)
        // these threads read spilled runs; the allocator keeps some freed memory per thread
        .max_blocking_threads(division.threads)
        .enable_all()
        .build()
        .map_err(Error::internal)
}

/// Maps an error from building the environment: its directory may be on a full disk.
fn spilling_failed(error: DataFusionError, spill_dir: &WorkDir) -> Error {
    Error::of_plan(error, spill_dir.path(), Error::internal)
}

fn environment(division: &Division, spill_dir: &WorkDir) -> datafusion::error::Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![spill_dir.path().to_path_buf()]))
        .with_max_temp_directory_size(u64::MAX)
        .with_max_spill_merge_fan_in(division.runs_merged);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(SpillingPool::shared(division.working_bytes, division.threads)))
        .with_disk_manager_builder(disk)
        .build_arc()
}
