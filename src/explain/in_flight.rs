//! Finds discrepancies that the times of the snapshots explain. Rows change during the exports, and between them. A row
//! whose newer version was written after the other side's export began may differ for this reason alone.

use jiff::Timestamp;

use crate::class::{ByClass, Class};
use crate::columns::version::VersionKind;
use crate::history::FindingHistory;
use crate::job::{Job, TakenAt};
use crate::sides::Sides;

/// A conclusion from the versions of a discrepancy's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeTag {
    /// The newer version was written after the other side's export began.
    InFlight,
    /// New has an older version than old.
    LostUpdate,
    /// New has a newer version, but the values that old had in an earlier run.
    StaleOverwrite,
    /// A version is later than its snapshot.
    ClockSkew,
}

impl TimeTag {
    /// The name of the tag.
    pub(super) fn name(self) -> &'static str {
        match self {
            TimeTag::InFlight => "in_flight",
            TimeTag::LostUpdate => "lost_update",
            TimeTag::StaleOverwrite => "stale_overwrite",
            TimeTag::ClockSkew => "clock_skew",
        }
    }
}

/// The times that were used, and the discrepancies that they explain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct InFlightReport {
    /// The version columns.
    pub columns: Sides<String>,
    /// When each snapshot was taken. Without both times, no discrepancy is in flight.
    pub taken_at: Sides<Option<TakenAt>>,
    /// The longest time that a change may take to get from one store to the other.
    pub lag: String,
    /// Discrepancies in flight.
    pub counts: ByClass<u64>,
    /// The discrepancies in flight that were also in flight in the previous run. They count against the gates.
    pub twice: u64,
    /// Mismatches in which new is older than old.
    pub lost_updates: u64,
    /// Mismatches in which new is newer, but has the values that old had in an earlier run.
    pub stale_overwrites: u64,
    /// Discrepancies with a version that is later than its snapshot.
    pub clock_skew: u64,
}

/// The start and end of an export, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Times {
    from: i64,
    to: i64,
}

/// Explains discrepancies by versions and times.
pub(super) struct InFlight {
    /// `None` if versions are not times, or if the time of a snapshot is not known.
    times: Option<Sides<Times>>,
    lag_micros: i64,
    report: InFlightReport,
}

impl InFlight {
    /// Uses the times of a job's snapshots; `None` if the job does not configure `[in_flight]`.
    pub(super) fn of(job: &Job, kind: Option<&VersionKind>) -> Option<Self> {
        let settings = job.in_flight.as_ref()?;
        let taken = job.sources.as_ref().map(|source| source.taken_at.as_ref());
        let times = match (taken, kind) {
            (Sides { old: Some(old), new: Some(new) }, Some(VersionKind::Time)) => times(Sides { old, new }),
            _ => None,
        };
        let report = InFlightReport {
            columns: settings.columns.as_ref().map(|column| column.text.clone()),
            taken_at: taken.map(|taken| taken.cloned()),
            lag: format!("{:#}", settings.lag),
            counts: ByClass::default(),
            twice: 0,
            lost_updates: 0,
            stale_overwrites: 0,
            clock_skew: 0,
        };
        Some(InFlight { times, lag_micros: settings.lag_micros(), report })
    }

    /// Returns the causes for a discrepancy whose rows have these versions: either in flight, or all others that apply.
    pub(super) fn time_tags(
        &self,
        class: Class,
        versions: Sides<Option<i64>>,
        seen: Option<&FindingHistory>,
    ) -> Vec<TimeTag> {
        let Sides { old, new } = versions;
        // written after the other side's export began
        let is_late = |version: i64, other: fn(&Sides<Times>) -> Times| {
            self.times.as_ref().is_some_and(|times| version > other(times).from - self.lag_micros)
        };
        let is_skewed = |version: i64, own: fn(&Sides<Times>) -> Times| {
            self.times.as_ref().is_some_and(|times| version > own(times).to)
        };
        let in_flight = match (class, old, new) {
            (Class::Mismatch, Some(old), Some(new)) if new > old => is_late(new, |times| times.old),
            (Class::Mismatch, Some(old), Some(new)) if old > new => is_late(old, |times| times.new),
            (Class::Missing, Some(old), _) => is_late(old, |times| times.new),
            (Class::Extra, _, Some(new)) => is_late(new, |times| times.old),
            _ => false,
        };
        if in_flight {
            return vec![TimeTag::InFlight];
        }
        let order = match (class, old, new) {
            (Class::Mismatch, Some(old), Some(new)) if new < old => Some(TimeTag::LostUpdate),
            (Class::Mismatch, Some(old), Some(new)) if new > old && seen.is_some_and(holds_what_old_held) => {
                Some(TimeTag::StaleOverwrite)
            }
            _ => None,
        };
        let skewed = old.is_some_and(|old| is_skewed(old, |times| times.old))
            || new.is_some_and(|new| is_skewed(new, |times| times.new));
        order.into_iter().chain(skewed.then_some(TimeTag::ClockSkew)).collect()
    }

    /// Counts a cause. `twice` is whether the discrepancy was also in flight in the previous run.
    pub(super) fn count(&mut self, class: Class, cause: TimeTag, twice: bool) {
        let report = &mut self.report;
        match cause {
            TimeTag::InFlight => {
                report.counts[class] += 1;
                report.twice += u64::from(twice);
            }
            TimeTag::LostUpdate => report.lost_updates += 1,
            TimeTag::StaleOverwrite => report.stale_overwrites += 1,
            TimeTag::ClockSkew => report.clock_skew += 1,
        }
    }

    pub(super) fn finish(self) -> InFlightReport {
        self.report
    }
}

fn holds_what_old_held(seen: &FindingHistory) -> bool {
    let before = seen.before.as_ref().and_then(|known| known.state.values.old);
    before.is_some() && before == seen.identity.state.values.new
}

fn times(taken: Sides<&TakenAt>) -> Option<Sides<Times>> {
    let parsed = |time: &str| time.parse::<Timestamp>().ok().map(Timestamp::as_microsecond);
    let of = |taken: &TakenAt| Some(Times { from: parsed(&taken.from)?, to: parsed(&taken.to)? });
    Some(Sides { old: of(taken.old)?, new: of(taken.new)? })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::job::{self, Identity, Origin, Setting, Source};

    /// Old taken at second 1,000, new at 1,600, a lag of 60 seconds.
    fn in_flight() -> InFlight {
        let word = || Setting { text: "updated_at".into(), origin: Origin::Flag("test") };
        let source = |second: i64| {
            let time = Timestamp::from_second(second).unwrap().to_string();
            Source { taken_at: Some(TakenAt { from: time.clone(), to: time }), ..Source::of(word()) }
        };
        let sources = Sides { old: source(1_000), new: source(1_600) };
        let settings = job::InFlight {
            columns: Sides { old: word(), new: word() },
            lag: SignedDuration::from_secs(60),
            assume_tz: None,
        };
        let job = Job { in_flight: Some(settings), ..Job::new("test", sources, Identity::WholeRow) };
        InFlight::of(&job, Some(&VersionKind::Time)).unwrap()
    }

    #[test]
    fn only_what_is_later_than_the_other_sides_start_less_the_lag_is_in_flight() {
        let causes = |class, old: Option<i64>, new: Option<i64>| {
            let versions = Sides { old, new }.map(|second| second.map(|second| second * 1_000_000));
            in_flight().time_tags(class, versions, None)
        };
        const IN_FLIGHT: [TimeTag; 1] = [TimeTag::InFlight];
        // new is newer, and later than 940
        assert_eq!(causes(Class::Mismatch, Some(10), Some(940)), []);
        assert_eq!(causes(Class::Mismatch, Some(10), Some(941)), IN_FLIGHT);
        // old is newer, and later than 1,540
        assert_eq!(causes(Class::Mismatch, Some(1_541), Some(10)), IN_FLIGHT);
        assert_eq!(causes(Class::Mismatch, Some(1_540), Some(10)), [TimeTag::LostUpdate, TimeTag::ClockSkew]);
        assert_eq!(causes(Class::Mismatch, Some(1_000), Some(10)), [TimeTag::LostUpdate]);
        // NULL and equal times explain nothing
        assert_eq!(causes(Class::Mismatch, None, Some(999)), []);
        assert_eq!(causes(Class::Mismatch, Some(999), Some(999)), []);
        assert_eq!(causes(Class::Missing, Some(1_540), None), [TimeTag::ClockSkew]);
        assert_eq!(causes(Class::Missing, Some(1_541), None), IN_FLIGHT);
        assert_eq!(causes(Class::Missing, Some(500), None), []);
        assert_eq!(causes(Class::Extra, None, Some(941)), IN_FLIGHT);
        assert_eq!(causes(Class::Extra, None, Some(940)), []);
        assert_eq!(causes(Class::DuplicateKey, Some(999), Some(1_500)), []);
    }

    #[test]
    fn without_times_only_the_order_of_versions_counts() {
        let counter = InFlight { times: None, ..in_flight() };
        let causes = |old, new| counter.time_tags(Class::Mismatch, Sides { old: Some(old), new: Some(new) }, None);
        assert_eq!(causes(3, 2), [TimeTag::LostUpdate]);
        assert_eq!(causes(2, 3), []);
    }
}
