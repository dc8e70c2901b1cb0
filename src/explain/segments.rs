//! Counts rows and discrepancies by segment, such as a region or a month, and finds segments with unusually many
//! discrepancies.

use std::collections::BTreeMap;
use std::io::Write;

use arrow::array::{AsArray, RecordBatch, StructArray};
use arrow::datatypes::{Schema, SchemaRef};

use crate::class::{ByClass, Class};
use crate::columns::{Pairing, Privacy};
use crate::compare::discrepancy::{Layout, TableColumn};
use crate::csv;
use crate::error::{Error, Result};
use crate::job::Setting;
use crate::output::run_dir::RunDir;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::{self, RowExpression};

/// The maximum number of segments. More would not be readable, and would fill the memory.
const SEGMENTS_MAX: usize = 100_000;
/// The maximum number of segments of each kind in a report. `segments.csv` has all segments.
const SHOWN: usize = 10;
/// A segment is highlighted if it has this many times the discrepancies expected for its rows, and if the probability
/// of this by chance is less than 1 in 10,000: four standard deviations of a Poisson distribution.
const STANDS_OUT_TIMES: f64 = 2.0;
const STANDS_OUT_DEVIATIONS: f64 = 4.0;

/// The rows and discrepancies of the segments of one kind.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct SegmentReport {
    /// The expression that the rows are grouped by, as in the job.
    pub by: String,
    /// The number of segments.
    pub segments: usize,
    /// The first few segments, sorted by whether they stand out, and then by the number of discrepancies.
    pub first: Vec<Segment>,
}

/// The rows with one value of the expression.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Segment {
    /// The value of the expression; NULL if it is absent.
    pub value: Option<String>,
    /// The number of rows on each side.
    pub rows: Sides<u64>,
    /// Discrepancies by class.
    pub counts: ByClass<u64>,
    /// Discrepancies per row of the larger side.
    pub rate: f64,
    /// Whether the segment has far more discrepancies than expected for its rows.
    pub stands_out: bool,
}

type Counts = BTreeMap<Option<String>, (Sides<u64>, ByClass<u64>)>;

/// Counts discrepancies by segment.
pub(super) struct Segments {
    kinds: Vec<Kind>,
}

struct Kind {
    by: Setting,
    expressions: Sides<RowExpression>,
    counts: Counts,
}

impl Segments {
    /// Counts the rows of each segment on both sides.
    ///
    /// # Errors
    /// If an expression cannot be planned over the compared columns, or has too many different values.
    pub(super) fn of(
        engine: &Engine,
        by: &[Setting],
        snapshots: &Sides<Snapshot>,
        pairing: &Pairing,
        layout: &Layout,
        privacy: &Privacy,
    ) -> Result<Self> {
        let mut segments = Segments::plan(engine, by, layout, privacy)?;
        for kind in &mut segments.kinds {
            let like = kind.expressions.new.field().clone();
            for side in Side::BOTH {
                let columns: Vec<(&str, usize)> =
                    pairing.columns.iter().map(|column| (column.name.as_str(), column.at[side])).collect();
                let counts = sql::count_by(engine, &snapshots[side], &columns, &kind.by, &like, SEGMENTS_MAX)?;
                for (value, rows) in counts {
                    kind.counts.entry(value).or_default().0[side] += rows;
                }
            }
            require_few(&kind.counts, &kind.by)?;
        }
        Ok(segments)
    }

    /// Plans the expressions without counting.
    pub(super) fn plan(engine: &Engine, by: &[Setting], layout: &Layout, privacy: &Privacy) -> Result<Self> {
        let kinds = by.iter().map(|by| {
            let expressions = Sides::try_from_fn(|side| RowExpression::plan(engine, &row_schema(layout, side), by))?;
            if let Some(column) = expressions.new.columns().iter().find(|column| privacy.hides_pair(column)) {
                return Err(Error::request(
                    &by.origin,
                    format!("`{}` would show values of `{column}`, which is private", by.text),
                ));
            }
            Ok(Kind { by: by.clone(), expressions, counts: Counts::new() })
        });
        Ok(Segments { kinds: kinds.collect::<Result<_>>()? })
    }

    /// Counts the discrepancies of a piece. Duplicate keys have no row to show, and are not in any segment.
    pub(super) fn take(&mut self, piece: &RecordBatch, classes: &[Class]) -> Result<()> {
        for kind in &mut self.kinds {
            let like = kind.expressions.new.field().clone();
            let values = Sides::try_from_fn(|side| {
                let rows = TableColumn::of_side(side).of(piece).as_struct();
                kind.expressions[side].texts(&RecordBatch::from(without_nulls(rows)), &like)
            })?;
            for (row, &class) in classes.iter().enumerate().filter(|(_, class)| **class != Class::DuplicateKey) {
                let side = if class == Class::Extra { Side::New } else { Side::Old };
                kind.counts.entry(values[side][row].clone()).or_default().1[class] += 1;
            }
            require_few(&kind.counts, &kind.by)?;
        }
        Ok(())
    }

    /// The reports, and `segments.csv` if a run is written.
    pub(super) fn finish(self, run_dir: Option<&RunDir>) -> Result<Vec<SegmentReport>> {
        let all: Vec<(Setting, Vec<Segment>)> = self.kinds.into_iter().map(Kind::finish).collect();
        if let Some(run_dir) = run_dir.filter(|_| !all.is_empty()) {
            write(run_dir, &all)?;
        }
        let reports = all.into_iter().map(|(by, mut first)| {
            let segments = first.len();
            first.truncate(SHOWN);
            SegmentReport { by: by.text, segments, first }
        });
        Ok(reports.collect())
    }
}

impl Kind {
    fn finish(self) -> (Setting, Vec<Segment>) {
        let population = |rows: &Sides<u64>| rows.old.max(rows.new);
        let all_rows: u64 = self.counts.values().map(|(rows, _)| population(rows)).sum();
        let all_found: u64 = self.counts.values().map(|(_, counts)| counts.total()).sum();
        let segment = |(value, (rows, counts)): (Option<String>, (Sides<u64>, ByClass<u64>))| {
            let found = counts.total() as f64;
            let expected = all_found as f64 * population(&rows) as f64 / all_rows.max(1) as f64;
            let stands_out = found > STANDS_OUT_TIMES * expected
                && found - expected > STANDS_OUT_DEVIATIONS * expected.sqrt()
                && found > STANDS_OUT_DEVIATIONS;
            let rate = found / population(&rows).max(1) as f64;
            Segment { value, rows, counts, rate, stands_out }
        };
        let mut segments: Vec<Segment> = self.counts.into_iter().map(segment).collect();
        // the sort is stable, so equal segments stay in the order of their values
        segments.sort_by_key(|segment| std::cmp::Reverse((segment.stands_out, segment.counts.total())));
        (self.by, segments)
    }
}

fn require_few(counts: &Counts, by: &Setting) -> Result<()> {
    match counts.len() <= SEGMENTS_MAX {
        true => Ok(()),
        false => Err(Error::request(
            &by.origin,
            format!("`{}` has more than {SEGMENTS_MAX} segments; use a coarser expression", by.text),
        )),
    }
}

/// The schema of a side's rows in the discrepancy table.
fn row_schema(layout: &Layout, side: Side) -> SchemaRef {
    Schema::new(layout.fields(TableColumn::of_side(side))).into()
}

/// Removes the NULLs of whole rows, which a record batch cannot have. The columns are NULL there.
fn without_nulls(rows: &StructArray) -> StructArray {
    let (fields, columns, _) = rows.clone().into_parts();
    StructArray::new(fields, columns, None)
}

fn write(run_dir: &RunDir, all: &[(Setting, Vec<Segment>)]) -> Result<()> {
    let mut text = vec![];
    let header = ["by", "value", "old_rows", "new_rows", "mismatch", "missing", "extra", "rate", "stands_out"];
    csv::record(&mut text, header.map(Some));
    for (by, segments) in all {
        for segment in segments {
            let Segment { value, rows, counts, rate, stands_out } = segment;
            let numbers = [rows.old, rows.new, counts.mismatch, counts.missing, counts.extra].map(|n| n.to_string());
            let (rate, stands_out) = (rate.to_string(), stands_out.to_string());
            let fields = [Some(by.text.as_str()), value.as_deref()].into_iter();
            let fields = fields.chain(numbers.iter().map(|number| Some(number.as_str())));
            csv::record(&mut text, fields.chain([Some(rate.as_str()), Some(stands_out.as_str())]));
        }
    }
    let mut file = run_dir.create("segments.csv")?;
    file.write_all(&text).map_err(|error| file.error(error))?;
    file.finish().map(drop)
}
