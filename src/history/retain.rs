//! Takes the large files of old runs away. What they counted, and what they knew, stays.

use std::fs;
use std::path::Path;

use super::past::runs_below;

/// Keeps the last runs whole, and of the others the reports, the manifest and the history.
pub fn retain(job_dir: &Path, whole: usize) {
    let (runs, _) = runs_below(job_dir);
    let old = runs.len().saturating_sub(whole);
    for run in &runs[..old] {
        let large = run.files().filter(|name| is_large(name));
        // what cannot be taken away now is taken away next time
        large.for_each(|name| drop(fs::remove_file(run.dir.join(name))));
    }
}

fn is_large(name: &str) -> bool {
    name == "discrepancies.parquet" || name.ends_with(".csv") && name != "segments.csv"
}
