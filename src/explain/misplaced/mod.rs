//! Finds discrepancies whose values are correct, but under another key, or in another column.
//!
//! | kind | meaning |
//! | --- | --- |
//! | swapped | under each of two keys, new has old's value of the other |
//! | rekeyed | a missing row and an extra row have the same values: one row with another key |
//! | copied | new has old's value of another key that also differs, and it is neither of the above |
//! | exchanged | in a mismatch, new has in each of two columns old's value of the other |

mod value_index;
mod evidence;
mod exchange;
mod report;
mod search;
mod annotation;

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StructArray};

use crate::class::Class;
use crate::columns::Pairing;
use crate::compare::discrepancy::{Layout, Spooled, TableColumn, Tally};
use crate::compare::matching::Comparison;
use crate::equality::value_text::{Values, escaped};
use crate::error::Result;
use crate::job::{self, Rule};
pub(crate) use annotation::Misplacements;
use annotation::kinds;
pub(super) use annotation::{Annotation, field};
use evidence::{Digester, Unit, units};
use exchange::Exchange;
pub(crate) use report::{MisplacedExample, MisplacedReport};
use search::{Links, Search};

/// How a value was misplaced.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MisplacedKind")]
pub enum Kind {
    /// Two keys have each other's values.
    Swapped,
    /// A row has another key.
    Rekeyed,
    /// A value is also under another key.
    Copied,
    /// Two columns have each other's values.
    Exchanged,
}

impl Kind {
    /// The code in data.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Swapped => "swapped",
            Kind::Rekeyed => "rekeyed",
            Kind::Copied => "copied",
            Kind::Exchanged => "exchanged",
        }
    }

    /// The name of the tag.
    pub fn tag(self) -> &'static str {
        match self {
            Kind::Swapped => "misplaced:swapped",
            Kind::Rekeyed => "misplaced:rekeyed",
            Kind::Copied => "misplaced:copied",
            Kind::Exchanged => "misplaced:exchanged",
        }
    }
}

/// The maximum number of characters of a key column in a sentence. The list has the complete key.
const SHOWN_CHARACTERS: usize = 60;

/// Formats a key for people.
fn shown_key(keys: &StructArray, row: usize, layout: &Layout) -> Result<String> {
    let columns = keys.columns().iter().zip(keys.fields()).enumerate();
    let parts = columns.map(|(at, (column, field))| {
        let values = Values::of(column, field)?;
        let value = match layout.key_is_text(at) {
            true => values.display(row),
            false => values.to_csv_text(row).map_or("NULL".into(), |text| escaped(&text)),
        };
        let shown: String = value.chars().take(SHOWN_CHARACTERS).collect();
        let cut = if shown.len() < value.len() { "…" } else { "" };
        Ok(format!("{} = {shown}{cut}", field.name()))
    });
    Ok(parts.collect::<Result<Vec<String>>>()?.join(", "))
}

/// Finds misplaced values, piece by piece in key order.
pub(super) struct Misplaced {
    layout: Arc<Layout>,
    digester: Digester,
    units: Vec<Unit>,
    exchange: Exchange,
    links: Links,
    /// The number of rows that were annotated.
    rows: u64,
    examples: usize,
    report: MisplacedReport,
}

impl Misplaced {
    /// Searches for the values that a job configures, among all discrepancies of a run.
    pub(super) fn find(
        wanted: &job::Misplaced,
        comparison: &Comparison,
        findings: &[Spooled],
        tally: &Tally,
        examples: usize,
    ) -> Result<Self> {
        let digester = Digester::new(comparison.pairing)?;
        let units = units(wanted, comparison.pairing)?;
        let search = Search { comparison, digester: &digester, findings, tally };
        let (links, not_searched) = match search.run(&units)? {
            Ok(links) => (links, None),
            Err(reason) => (Links::default(), Some(reason)),
        };
        let columns = wanted.columns.iter().map(|column| column.text.clone()).collect();
        let has_tolerance =
            |at: &usize| comparison.pairing.columns[*at].rules().iter().any(|rule| matches!(rule, Rule::Tolerance(_)));
        let tolerant = units.iter().flat_map(|unit| unit.columns.iter().copied()).filter(has_tolerance);
        let without_tolerance = tolerant.map(|at| comparison.pairing.columns[at].name.clone()).collect();
        Ok(Misplaced {
            layout: comparison.layout.clone(),
            exchange: Exchange::of(&comparison.layout),
            digester,
            units,
            links,
            rows: 0,
            examples,
            report: MisplacedReport { columns, without_tolerance, not_searched, ..MisplacedReport::default() },
        })
    }

    /// Returns the annotations of the rows of the next piece.
    pub(super) fn of(&mut self, piece: &RecordBatch, classes: &[Class]) -> Result<Misplacements> {
        let first = self.rows;
        self.rows += piece.num_rows() as u64;
        let mut rows = vec![vec![]; piece.num_rows()];
        let links = self.links.of(first..self.rows);
        for (number, link) in links.iter().enumerate() {
            let unit = self.units.iter().find(|unit| unit.number == link.unit);
            let columns = unit.map(|unit| unit.name.clone()).unwrap_or_default();
            let annotation = Annotation { kind: link.kind, columns, other: Some(number) };
            rows[(u64::from(link.row) - first) as usize].push(annotation);
        }
        let pairs = self.exchange.pairs(&self.digester, piece, classes)?;
        for (row, pairs) in rows.iter_mut().zip(pairs) {
            let name = |at: usize| self.digester.columns()[at].name.as_str();
            row.extend(pairs.into_iter().map(|[a, b]| Annotation {
                kind: Kind::Exchanged,
                columns: [name(a), name(b)].join(", "),
                other: None,
            }));
        }
        Ok(Misplacements { rows, others: self.links.keys(links)? })
    }

    /// Counts the annotations of a piece, and collects examples. `shown` are the redacted annotations.
    pub(super) fn take(&mut self, piece: &RecordBatch, classes: &[Class], shown: &Misplacements) -> Result<()> {
        let first = self.rows - piece.num_rows() as u64;
        let keys = TableColumn::Key.of(piece).as_struct();
        let others = self.links.of(first..self.rows);
        for (row, annotations) in shown.rows.iter().enumerate() {
            kinds(annotations).into_iter().for_each(|kind| self.report.count(kind));
            for annotation in annotations {
                // two keys that refer to each other are one example
                let is_second =
                    annotation.other.is_some_and(|other| u64::from(others[other].other) < first + row as u64);
                let examples = &self.report.examples;
                let taken = examples.iter().filter(|example| example.kind == annotation.kind).count();
                if taken >= self.examples || is_second && annotation.kind != Kind::Copied {
                    continue;
                }
                let other = match (annotation.other, &shown.others) {
                    (Some(other), Some(keys)) => Some(shown_key(keys, other, &self.layout)?),
                    _ => None,
                };
                let key = shown_key(keys, row, &self.layout)?;
                let is_owner = classes[row] == Class::Missing;
                self.report.examples.push(MisplacedExample::new(
                    annotation.kind,
                    &annotation.columns,
                    key,
                    other,
                    is_owner,
                ));
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> MisplacedReport {
        self.report.examples.sort_by_key(|example| example.kind);
        self.report
    }
}

/// Checks the settings of a job.
pub(super) fn require_sound(wanted: &job::Misplaced, pairing: &Pairing) -> Result<()> {
    units(wanted, pairing).map(drop)
}
