//! The JSON form of a report. It is one flat object for both scopes, because every version of the program has to read what
//! any other has written.

use serde::{Deserialize, Serialize};

use super::{Backfill, ColumnReport, Comparison, Counts, GateReport, MatchingWay, Report, Run, Scope, Verdict};
use crate::causes::CauseReport;
use crate::checks::CheckReport;
use crate::checks::groups::GroupReport;
use crate::columns::Coverage;
use crate::compare::discrepancy::Tiers;
use crate::explain::{
    InFlightReport, MisplacedReport, PrivateReport, SegmentReport, SliceReport, UnreadableCells, WaiverReport,
};
use crate::history::HistoryReport;
use crate::lists::Example;
use crate::sides::Sides;

/// The version of the form.
const SCHEMA: &str = "countersign/report/v1";

/// Everything a run has to say. Its JSON form is versioned and described by `schemas/report.v1.json`.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Report")]
pub(super) struct Document {
    /// The version of this form.
    schema: String,
    /// The job's name.
    job: String,
    /// The one-word answer.
    verdict: Verdict,
    /// The answer in one line: the verdict, in how many columns it holds, and what was left out.
    #[serde(default)]
    headline: String,
    /// What makes the whole comparison doubtful, before anything else is looked at.
    suspicion: Option<String>,
    /// Why the verdict is not `match`, a line each.
    reasons: Vec<String>,
    /// What is wrong with the snapshots themselves, a line each; then nothing is verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    input_failures: Vec<String>,
    /// Rows of each side.
    rows: Sides<u64>,
    /// Rows, pairs of rows and keys by class.
    counts: Counts,
    /// The rows of duplicate keys, which no other class counts.
    duplicate_rows: Sides<u64>,
    /// What has to be copied from old to new.
    backfill: Backfill,
    /// How the matched pairs came to be equal; adds up to `counts.matched`.
    tiers: Tiers,
    /// What was allowed, and what was found of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gates: Vec<GateReport>,
    /// What has become of the discrepancies since the run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    history: Option<HistoryReport>,
    /// What the snapshots' times explain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_flight: Option<InFlightReport>,
    /// Values that are correct but under another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    misplaced: Option<MisplacedReport>,
    /// What has become of the waivers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waivers: Vec<WaiverReport>,
    /// Where the discrepancies are, by what the job groups rows by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    segments: Vec<SegmentReport>,
    /// What mismatches look like they came from, the most frequent first.
    #[serde(default)]
    causes: Vec<CauseReport>,
    /// The parts of the rows with far more discrepancies than their share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slices: Vec<SliceReport>,
    /// The results of the checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckReport>,
    /// What moves as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<GroupReport>,
    /// Whose values are not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private: Option<PrivateReport>,
    /// The columns that identify a row; empty where rows were compared whole.
    key: Vec<String>,
    /// Every compared column.
    columns: Vec<ColumnReport>,
    /// What took part and what did not.
    coverage: Coverage,
    /// The cells of loaded files that are not what their columns should have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unreadable_cells: Vec<UnreadableCells>,
    /// The first few findings of each class, in key order.
    examples: Vec<Example>,
    /// The circumstances. Everything else in a report depends on the data alone.
    run: Run,
}

impl From<Report> for Document {
    fn from(report: Report) -> Self {
        let Report { job, verdict, headline, reasons, input_failures, rows, checks, run, scope } = report;
        let Comparison {
            suspicion,
            counts,
            duplicate_rows,
            backfill,
            tiers,
            gates,
            history,
            in_flight,
            misplaced,
            waivers,
            segments,
            causes,
            slices,
            groups,
            private,
            key,
            columns,
            coverage,
            unreadable_cells,
            examples,
        } = match scope {
            Scope::Comparison(found) => *found,
            Scope::OldAlone => Comparison::default(),
        };
        Document {
            schema: SCHEMA.into(),
            job,
            verdict,
            headline,
            suspicion,
            reasons,
            input_failures,
            rows,
            counts,
            duplicate_rows,
            backfill,
            tiers,
            gates,
            history,
            in_flight,
            misplaced,
            waivers,
            segments,
            causes,
            slices,
            checks,
            groups,
            private,
            key,
            columns,
            coverage,
            unreadable_cells,
            examples,
            run,
        }
    }
}

impl From<Document> for Report {
    fn from(document: Document) -> Self {
        let Document { job, verdict, headline, reasons, input_failures, rows, checks, run, .. } = document;
        let scope = match run.way {
            MatchingWay::None => Scope::OldAlone,
            MatchingWay::Ordered | MatchingWay::Hashed | MatchingWay::Multiset => {
                Scope::Comparison(Box::new(Comparison {
                    suspicion: document.suspicion,
                    counts: document.counts,
                    duplicate_rows: document.duplicate_rows,
                    backfill: document.backfill,
                    tiers: document.tiers,
                    gates: document.gates,
                    history: document.history,
                    in_flight: document.in_flight,
                    misplaced: document.misplaced,
                    waivers: document.waivers,
                    segments: document.segments,
                    causes: document.causes,
                    slices: document.slices,
                    groups: document.groups,
                    private: document.private,
                    key: document.key,
                    columns: document.columns,
                    coverage: document.coverage,
                    unreadable_cells: document.unreadable_cells,
                    examples: document.examples,
                }))
            }
        };
        Report { job, verdict, headline, reasons, input_failures, rows, checks, run, scope }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A report as the first version wrote it: without the fields that later versions added.
    fn first_version(way: &str) -> Value {
        let nothing = json!({ "path": "", "files": 0, "bytes": 0, "skipped_files": 0 });
        json!({
            "schema": SCHEMA,
            "job": "orders",
            "verdict": "discrepant",
            "suspicion": "this key looks wrong",
            "reasons": ["1 missing row"],
            "rows": { "old": 3, "new": 2 },
            "counts": { "matched": 2, "mismatch": 0, "missing": 1, "extra": 0, "duplicate_keys": 0 },
            "duplicate_rows": { "old": 0, "new": 0 },
            "backfill": { "missing": 1, "missing_duplicated": 0 },
            "tiers": { "exact": 2, "by_reading": 0, "by_rule": 0, "tolerated": 0 },
            "key": ["id"],
            "columns": [],
            "coverage": {
                "compared": ["id"], "ignored": ["note"], "old_only": [], "new_only": [], "incomparable": []
            },
            "examples": [],
            "run": {
                "id": "1", "started": "2026-11-28T00:00:00Z", "version": "0.1.0", "way": way, "way_reason": "",
                "seconds": 1.0, "stages": [], "peak_memory_bytes": null, "bytes_read": 0, "spilled_bytes": 0,
                "inputs": { "old": nothing, "new": nothing }, "out": null
            }
        })
    }

    #[test]
    fn a_comparison_keeps_everything_on_its_way_through_json() {
        let report: Report = serde_json::from_value(first_version("hashed")).unwrap();
        assert_eq!((report.counts().missing, report.tiers().exact), (1, 2));
        assert_eq!(report.coverage().ignored, ["note"]);
        let Scope::Comparison(found) = &report.scope else { panic!("{report:?}") };
        assert_eq!(found.suspicion.as_deref(), Some("this key looks wrong"));
        let written = serde_json::to_value(&report).unwrap();
        let mut expected = first_version("hashed");
        // of what later versions added, only this is written even if it is empty: no causes are not unknown ones
        expected["headline"] = "".into();
        expected["causes"] = json!([]);
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<Report>(written).unwrap(), report);
    }

    #[test]
    fn old_alone_is_written_as_a_comparison_of_nothing() {
        let report: Report = serde_json::from_value(first_version("none")).unwrap();
        assert_eq!(report.scope, Scope::OldAlone);
        assert_eq!((report.comparison(), report.counts()), (None, Counts::default()));
        let written = serde_json::to_value(&report).unwrap();
        assert_eq!(written["suspicion"], Value::Null);
        assert_eq!(written["counts"]["missing"], 0);
        assert_eq!((&written["key"], &written["coverage"]["compared"]), (&json!([]), &json!([])));
        assert_eq!(serde_json::from_value::<Report>(written).unwrap(), report);
    }
}
