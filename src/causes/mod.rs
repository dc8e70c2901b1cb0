//! WHY: what mismatches look like they came from.
//!
//! The merge shows every pair of different cells to an [`Observer`] while it has both values in memory. The observer
//! tests them against a catalogue, the finest cause first, and counts what it sees in a [`CauseTally`]. Only when all
//! pairs were seen does `decide` say which observations are causes and which are chance. A cause never changes a
//! verdict.

mod cell;
mod observation;
mod times;
mod numbers;
mod encodings;
mod escapes;
mod texts;
mod bytes;
mod absence;
mod nested;
mod tally;
mod report;
mod hypotheses;
mod describe;
mod decide;
mod keys;

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{Field, TimeUnit};
use certificate::wording::quoted;

use crate::columns::version::Version;
use crate::columns::{ColumnPair, Pairing, Privacy, RowBatch};
use crate::equality::canonical::Domain;
use crate::equality::canonical::domain::unit_of;
use crate::equality::plain_types;
use crate::equality::value_text::Values;
use crate::error::Result;
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use cell::{Cell, Number};
use nested::{Difference, Value, parts};
use observation::{Detail, Observation};
use tally::{CauseExample, PathTally};

pub(crate) use cell::{Trait, trait_of};
pub(crate) use decide::Causes;
pub(crate) use keys::{KeyPair, common_form};
pub(crate) use observation::Cause;
pub(crate) use report::{CauseReport, Trend};
pub(crate) use tally::CauseTally;

/// Looks for causes in mismatches.
#[derive(Debug)]
pub(crate) struct Observer {
    columns: Vec<Column>,
    key_len: usize,
    hides_key: bool,
    /// The version column that the job names, with its index in the scanned batches.
    version: Option<(Version, Sides<usize>)>,
}

#[derive(Debug)]
struct Column {
    name: String,
    /// The position in [`RowBatch::exact`] and the domain, if cells are looked at in the form in which they are compared.
    compared: Option<(usize, Domain)>,
    is_private: bool,
    /// The stored fields; `None` if one of them is computed.
    stored: Option<Sides<Field>>,
    /// Whether the name says that it is the version of a row, or when it was written.
    is_version: bool,
}

/// Whether the name of a column says that it is the version of a row, or when it was last written.
fn says_version(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_version = |word: &str| {
        let is_time = word.starts_with("updated") || word.starts_with("modified") || word.starts_with("lastmodified");
        is_time || matches!(word, "changed" | "version" | "rowversion" | "revision" | "lsn")
    };
    name.split(['_', '-', ' ']).any(is_version)
}

/// Two rows with the same key.
pub(crate) type RowPair<'a> = Sides<(&'a RowBatch, usize)>;

impl Observer {
    pub(crate) fn new(pairing: &Pairing, snapshots: &Sides<Snapshot>, privacy: &Privacy) -> Self {
        let checked: Vec<usize> = pairing.checked().collect();
        let column = |(at, pair): (usize, &ColumnPair)| {
            let position = checked.iter().position(|column| *column == at);
            // what rules read is compared in another form than it is stored
            let has_rules = pair.chain.is_some();
            let field = |side: Side| snapshots[side].schema.field(pair.at[side]);
            let is_stored = Side::BOTH.into_iter().all(|side| !snapshots[side].derives(field(side).name()));
            Column {
                stored: is_stored.then(|| Sides::from_fn(|side| field(side).clone())),
                name: pair.name.clone(),
                compared: position.filter(|_| has_rules).map(|position| (position, pair.domain.clone())),
                is_private: privacy.hides(at),
                is_version: says_version(&pair.name),
            }
        };
        Observer {
            columns: pairing.columns.iter().enumerate().map(column).collect(),
            key_len: if pairing.keyed { pairing.key_len } else { 0 },
            hides_key: (0..pairing.key_len).any(|at| privacy.hides(at)),
            version: pairing.version.clone().and_then(|version| {
                let old = pairing.version_index(Side::Old)?;
                Some((version, Sides { old, new: pairing.version_index(Side::New)? }))
            }),
        }
    }

    /// An empty tally for these columns.
    pub(crate) fn tally(&self) -> CauseTally {
        CauseTally::new(self.columns.len())
    }

    /// Counts what a mismatch shows. Returns a label for each observation, by which [`Causes`] finds it again.
    pub(crate) fn observe(&self, rows: &RowPair, changed: &[usize], tally: &mut CauseTally) -> Result<Vec<u64>> {
        let order = tally.mismatches;
        tally.mismatches += 1;
        let cells: Vec<Sides<Value>> = changed.iter().map(|&at| self.values(rows, at)).collect();
        let stale_side = match self.age_of_new(rows, changed, &cells)? {
            Some(Ordering::Less) => Some(Side::New),
            // what was written since is in flight, and no one's mistake
            Some(Ordering::Greater) if self.version.is_none() => Some(Side::Old),
            _ => None,
        };
        stale_side.into_iter().for_each(|side| tally.staleness[side] += 1);
        let mut labels = vec![];
        for (number, &at) in changed.iter().enumerate() {
            let exchanged = exchanged_with(&cells, number)
                .map(|other| Observation::new(Cause::ColumnsExchanged, Side::New, Detail::Column(changed[other])));
            let mut place =
                Place { observer: self, rows, at, order, tally: &mut tally.columns[at], labels: &mut labels };
            match (exchanged, &cells[number]) {
                (Some(seen), Sides { old: Value::Single(old), new: Value::Single(new) }) => {
                    place.record("", Some(seen), old, new, None);
                }
                (_, Sides { old: Value::Single(old), new: Value::Single(new) }) => {
                    place.single("", old, new, stale_side)
                }
                (_, Sides { old, new }) => place.nested(old, new, stale_side),
            }
        }
        Ok(labels)
    }

    /// The values of both sides in one column.
    fn values<'a>(&self, rows: &RowPair<'a>, at: usize) -> Sides<Value<'a>> {
        let stored = |side: Side| {
            let (batch, row) = rows[side];
            let array = batch.raw.column(at);
            match array.data_type().is_nested() {
                true => Value::stored(array, row),
                false => Value::Single(Cell::stored(array, row)),
            }
        };
        let compared = |side: Side| {
            let (position, domain) = self.columns[at].compared.as_ref()?;
            let (batch, row) = rows[side];
            let form = &batch.exact[*position];
            if form.unreadable.as_ref().is_some_and(|unreadable| unreadable.is_valid(row)) {
                return Some(Value::Single(Cell::Other));
            }
            let unit = unit_of(batch.raw.column(at).data_type()).unwrap_or(TimeUnit::Microsecond);
            Cell::compared(&form.value, row, domain, unit).map(Value::Single)
        };
        match (compared(Side::Old), compared(Side::New)) {
            (Some(old), Some(new)) => Sides { old, new },
            _ => Sides::from_fn(stored),
        }
    }

    /// Whether the row of new is older or newer: by the version that the job names, else by columns whose names say so.
    fn age_of_new(&self, rows: &RowPair, changed: &[usize], cells: &[Sides<Value>]) -> Result<Option<Ordering>> {
        let Some((version, at)) = &self.version else { return Ok(self.age_by_names(changed, cells)) };
        let of_side = |side: Side| {
            let (batch, row) = rows[side];
            version.numbers(&batch.raw.column(at[side]).slice(row, 1), side)
        };
        let Sides { old, new } = Sides::try_from_fn(of_side)?;
        Ok(old[0].zip(new[0]).map(|(old, new)| new.cmp(&old)))
    }

    fn age_by_names(&self, changed: &[usize], cells: &[Sides<Value>]) -> Option<Ordering> {
        changed.iter().zip(cells).filter(|(at, _)| self.columns[**at].is_version).find_map(|(_, cells)| match cells {
            Sides { old: Value::Single(Cell::Timestamp(old)), new: Value::Single(Cell::Timestamp(new)) } => {
                Some(new.cmp(old))
            }
            Sides { old: Value::Single(Cell::Number(old)), new: Value::Single(Cell::Number(new)) } => {
                old.aligned(*new).map(|(old, new, _)| new.cmp(&old))
            }
            _ => None,
        })
    }

    /// The key of a row as text.
    fn key(&self, rows: &RowPair) -> Option<String> {
        if self.hides_key {
            return None;
        }
        let (batch, row) = rows.old;
        let parts: Option<Vec<String>> = (0..self.key_len).map(|at| display(batch, at, row)).collect();
        let parts = parts?;
        let named = parts.iter().zip(&self.columns).map(|(part, column)| format!("{}={part}", column.name));
        Some(named.collect::<Vec<_>>().join(", "))
    }
}

/// The characters of a value that examples show.
const SHOWN_CHARS: usize = 120;
/// Longer texts are not parsed as documents.
const DOCUMENT_MAX: usize = 1 << 20;

/// A stored value for people, cut if it is long.
fn display(batch: &RowBatch, at: usize, row: usize) -> Option<String> {
    let array = batch.raw.column(at);
    let cut = |text: &str| text.chars().take(SHOWN_CHARS).collect::<String>();
    if !array.data_type().is_nested() {
        match Cell::stored(array, row) {
            Cell::Text(text) if text.len() > SHOWN_CHARS => return Some(format!("{}…", quoted(&cut(&text)))),
            Cell::Bytes(bytes) if bytes.len() > SHOWN_CHARS => {
                return Some(format!("{}…", hex::encode(&bytes[..SHOWN_CHARS])));
            }
            _ => {}
        }
    }
    let field = plain_types::field("", batch.raw.schema().field(at));
    let one: ArrayRef = plain_types::array(&array.slice(row, 1)).ok()?;
    let shown = Values::of(&one, &field).ok()?.display(0);
    Some(if shown.chars().nth(2 * SHOWN_CHARS).is_some() { cut(&shown) + "…" } else { shown })
}

/// The number of the other changed column that has these values the other way round.
fn exchanged_with(cells: &[Sides<Value>], number: usize) -> Option<usize> {
    /// Columns with fewer values exchange them by chance.
    fn says_much(value: &Value) -> bool {
        match value {
            Value::Single(Cell::Text(text)) => text.len() >= 3,
            Value::Single(Cell::Number(number)) => number.digits.unsigned_abs() >= 100_000,
            Value::Single(Cell::Bytes(bytes)) => bytes.len() >= 3,
            Value::Single(Cell::Timestamp(time)) => time % cell::DAY != 0,
            _ => false,
        }
    }
    /// Rows in which more columns differ are compared with too many others.
    const COLUMNS_MAX: usize = 16;
    let own = &cells[number];
    if cells.len() > COLUMNS_MAX || !says_much(&own.old) || !says_much(&own.new) {
        return None;
    }
    (0..cells.len()).find(|&other| other != number && cells[other].old == own.new && cells[other].new == own.old)
}

/// Where observations of one cell are counted.
struct Place<'a, 'b> {
    observer: &'a Observer,
    rows: &'a RowPair<'b>,
    at: usize,
    order: u64,
    tally: &'a mut tally::ColumnTally,
    labels: &'a mut Vec<u64>,
}

impl Place<'_, '_> {
    fn nested(&mut self, old: &Value, new: &Value, stale: Option<Side>) {
        // names of fields and keys of maps are values, too
        if self.observer.columns[self.at].is_private {
            return self.record("", None, &Cell::Other, &Cell::Other, stale);
        }
        let mut seen_paths: Vec<String> = vec![];
        for part in parts(old, new) {
            // several items of a list count once
            if seen_paths.contains(&part.path) {
                continue;
            }
            seen_paths.push(part.path.clone());
            let none = Cell::Other;
            match &part.difference {
                Difference::Cells(old, new) => self.single(&part.path, old, new, stale),
                Difference::Order => {
                    let seen = Observation::plain(Cause::ListOrder, Side::New);
                    self.record(&part.path, Some(seen), &none, &none, None);
                }
                Difference::Shape => self.record(&part.path, None, &none, &none, stale),
            }
        }
        if seen_paths.is_empty() {
            self.record("", None, &Cell::Other, &Cell::Other, stale);
        }
    }

    fn single(&mut self, path: &str, old: &Cell, new: &Cell, stale: Option<Side>) {
        if let (Cell::Text(old_text), Cell::Text(new_text)) = (old, new)
            && path.is_empty()
            && old_text.len().max(new_text.len()) <= DOCUMENT_MAX
            && let (Some(old_value), Some(new_value)) = (Value::parsed(old_text), Value::parsed(new_text))
        {
            return match parts(&old_value, &new_value).is_empty() {
                true => self.record("", Some(Observation::plain(Cause::JsonOrder, Side::New)), old, new, None),
                false => self.nested(&old_value, &new_value, stale),
            };
        }
        self.record(path, observe_cells(old, new), old, new, stale);
    }

    /// Counts an observation, or without one what the pair may show together with others.
    fn record(&mut self, path: &str, seen: Option<Observation>, old: &Cell, new: &Cell, stale: Option<Side>) {
        let Place { observer, rows, at, order, tally, labels } = self;
        let (at, order) = (*at, *order);
        let is_private = observer.columns[at].is_private;
        let mut sample = || {
            let value = |side: Side, cell: &Cell| match (path, cell) {
                ("", _) => display(rows[side].0, at, rows[side].1),
                (_, Cell::Null) => Some("NULL".into()),
                (_, Cell::Text(text)) => Some(quoted(&text.chars().take(SHOWN_CHARS).collect::<String>())),
                (_, cell) => cell.to_short_text().map(String::from).or_else(|| display(rows[side].0, at, rows[side].1)),
            };
            let key = observer.key(rows).filter(|_| !is_private)?;
            let (old, new) = (value(Side::Old, old)?, value(Side::New, new)?);
            Some(CauseExample { key, old, new, order })
        };
        let tally = tally.path(path);
        tally.cells += 1;
        match (old, new) {
            (Cell::Null, _) => tally.absent.old += 1,
            (_, Cell::Null) => tally.absent.new += 1,
            _ => {}
        }
        let mut label = |seen: &Observation| labels.push(label_of(at, path, seen));
        if !path.is_empty() {
            label(&Observation::plain(Cause::JsonPath, Side::New));
        }
        let seen = seen.or_else(|| stale.map(|side| Observation::plain(Cause::Stale, side)));
        if let Some(seen) = seen {
            label(&seen);
            return tally.find(seen, &mut sample);
        }
        tally.pass(&mut sample);
        patterns(old, new, tally, &mut |seen, tally| {
            label(&seen);
            tally.suspect(seen, &mut sample);
        });
    }
}

/// Identifies an observation of a column at a path.
fn label_of(at: usize, path: &str, seen: &Observation) -> u64 {
    let mut hasher = DefaultHasher::new();
    (at, path, seen).hash(&mut hasher);
    hasher.finish()
}

/// What two cells show.
fn observe_cells(old: &Cell, new: &Cell) -> Option<Observation> {
    match (old, new) {
        (Cell::Null, value) => absence::observe(value, Side::Old),
        (value, Cell::Null) => absence::observe(value, Side::New),
        (Cell::Number(old), Cell::Number(new)) => numbers::observe(*old, *new),
        (Cell::Text(old), Cell::Text(new)) => texts::observe(old, new),
        (Cell::Bytes(old), Cell::Bytes(new)) => bytes::observe(old, new),
        (Cell::Date(old), Cell::Date(new)) => times::observe_dates(*old, *new),
        (Cell::Time(old), Cell::Time(new)) => times::observe_times_of_day(*old, *new),
        (Cell::Timestamp(old), Cell::Timestamp(new)) => times::observe(*old, *new),
        // a number in text
        (Cell::Text(old), Cell::Number(new)) => numbers::observe(Number::parse(old)?, *new),
        (Cell::Number(old), Cell::Text(new)) => numbers::observe(*old, Number::parse(new)?),
        _ => None,
    }
}

/// What two cells may show together with others.
fn patterns(old: &Cell, new: &Cell, tally: &mut PathTally, suspect: &mut dyn FnMut(Observation, &mut PathTally)) {
    let mut add = |cause, on, detail: &dyn Fn() -> Option<Detail>| {
        // of too many to be counted, none is a cause
        if tally.counts_each(cause, on)
            && let Some(detail) = detail()
        {
            suspect(Observation::new(cause, on, detail), tally);
        }
    };
    let value = |cell: &Cell| cell.to_short_text().map(Detail::Value);
    match (old, new) {
        (Cell::Null, new) => add(Cause::DefaultForNull, Side::New, &|| value(new)),
        (old, Cell::Null) => add(Cause::DefaultForNull, Side::Old, &|| value(old)),
        (old, new) => {
            add(Cause::Constant, Side::New, &|| value(new));
            add(Cause::CodeMap, Side::New, &|| Some(Detail::Pair(old.to_short_text()?, new.to_short_text()?)));
            match (old, new) {
                (Cell::Number(old), Cell::Number(new)) => {
                    add(Cause::Scaled, Side::New, &|| numbers::ratio(*old, *new));
                }
                (Cell::Timestamp(old), Cell::Timestamp(new)) => {
                    add(Cause::TimeOffset, Side::New, &|| Some(Detail::Distance { ticks: new - old, scale: None }));
                }
                _ => {}
            }
        }
    }
}
