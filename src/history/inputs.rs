//! Validates the snapshots: one that is too old, too small, or the same as before proves nothing.

use jiff::{SignedDuration, Timestamp};

use super::History;
use crate::error::{Error, Result};
use crate::job::{Allowance, Job};
use crate::run::Session;
use crate::sides::{Side, Sides};

/// Fails if a snapshot was taken in the future.
pub(crate) fn require_past(job: &Job, now: Timestamp) -> Result<()> {
    for side in Side::BOTH {
        let Some(taken_at) = &job.sources[side].taken_at else { continue };
        if parsed(&taken_at.from).is_none_or(|from| from > now) {
            return Err(Error::TakenInFuture { side, from: taken_at.from.clone(), now: format!("{now:.0}") });
        }
    }
    Ok(())
}

/// What is wrong with the snapshots themselves, a line each.
pub(crate) fn failures(session: &Session, rows: Sides<u64>, history: Option<&History>) -> Vec<String> {
    let (job, now) = (session.job, session.clock.started);
    let mut failures = vec![];
    for side in Side::BOTH {
        let source = &job.sources[side];
        let taken = source.taken_at.as_ref().and_then(|taken_at| parsed(&taken_at.from));
        if let (Some(max_age), Some(taken)) = (source.expects.max_age, taken) {
            let age = now.duration_since(taken);
            if age > max_age {
                let age = SignedDuration::from_mins(age.as_mins());
                failures.push(format!("the {side} snapshot is {age:#} old; max_age is {max_age:#}"));
            }
        }
        let Some(history) = history else { continue };
        if let Some(last) = &history.last {
            let before = last.summary.rows[side];
            let allowed = source.expects.max_drop.clone().unwrap_or_else(Allowance::usual_drop);
            let dropped = before.saturating_sub(rows[side]);
            if !allowed.allows(dropped, before) {
                failures.push(format!(
                    "the {side} snapshot has {} rows, {} fewer than in run {}; max_drop is {allowed}",
                    rows[side], dropped, last.summary.run.id
                ));
            }
        }
        if let (true, None, Some(same)) = (source.expects.must_change, &history.retry_of, &history.same_files[side]) {
            failures.push(format!(
                "the {side} snapshot must change, but its files are those of run {}",
                same.summary.run.id
            ));
        }
    }
    failures
}

fn parsed(time: &str) -> Option<Timestamp> {
    time.parse().ok()
}
