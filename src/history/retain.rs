//! Takes the large files of old runs away. What they counted, and what they knew, stays.

use std::fs;
use std::path::Path;

use super::past::runs_below;

/// The files of a run that grow with its discrepancies.
const LARGE: [&str; 7] = [
    "discrepancies.parquet",
    "missing.csv",
    "extra.csv",
    "mismatch.csv",
    "duplicate_keys.csv",
    "missing_duplicated.csv",
    "misplaced.csv",
];

/// Keeps the last runs of a job whole, and of the others the reports, the manifest and the history. Only what stands in
/// the job's own directory, where its runs were written, is touched.
pub fn retain(job_dir: &Path, job: &str, whole: usize) {
    let (mut runs, _) = runs_below(job_dir);
    runs.retain(|run| run.told.job == job && run.dir == job_dir.join(&run.told.run.id) && !run.dir.is_symlink());
    for run in &runs[..runs.len().saturating_sub(whole)] {
        // what cannot be taken away now is taken away next time
        LARGE.iter().for_each(|name| drop(fs::remove_file(run.dir.join(name))));
    }
}
