//! The list of candidates as a table that queries can join.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::logical_expr::Expr;
use parquet::bloom_filter::Sbbf;

use super::csv_columns::CsvColumns;
use super::ids::{IdColumns, IdState, digests_where_read, shown};
use crate::columns::DIGEST_BYTES;
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::runtime::engine::Engine;
use crate::runtime::file_identity::InputFile;
use crate::sides::Side;
use crate::snapshot::Snapshot;
use crate::sql::{Catalog, WorkingTable, row_function};

pub(super) struct Candidates {
    /// The columns that identify a candidate, by their names in new.
    pub key: Vec<String>,
    /// One row per candidate; see [`schema`].
    pub table: Arc<Snapshot>,
    pub count: u64,
    /// Bloom filter over the digests of all candidates.
    pub filter: Sbbf,
    pub input: InputFile,
}

/// False positive rate of the Bloom filter.
const FILTER_ERROR: f64 = 0.01;

/// The columns of the table of candidates.
///
/// | column | type | holds |
/// | --- | --- | --- |
/// | `n` | integer | the index in the list, from 0 |
/// | `line` | integer | the line in the list |
/// | `has_null` | boolean | whether a part of the ID is NULL |
/// | `stored` | 16 bytes | the digest of the ID as the side stores it |
/// | `id` | 16 bytes | the digest of the ID under the rules of the comparison |
/// | `c0`, `c1`, … | text | the parts of the ID as written in the list |
fn schema(parts: usize) -> SchemaRef {
    let digest = || DataType::FixedSizeBinary(DIGEST_BYTES);
    let mut fields = vec![
        Field::new("n", DataType::UInt64, false),
        Field::new("line", DataType::UInt64, false),
        Field::new("has_null", DataType::Boolean, false),
        Field::new("stored", digest(), true),
        Field::new("id", digest(), true),
    ];
    fields.extend((0..parts).map(|at| Field::new(format!("c{at}"), DataType::Utf8, true)));
    Arc::new(Schema::new(fields))
}

impl Candidates {
    /// Whether IDs may belong to candidates; `ids` are digests. Has false positives, but no false negatives.
    pub(super) fn may_have(&self, ids: Expr) -> Expr {
        let filter = self.filter.clone();
        let function =
            row_function("may_be_candidate", DataType::Boolean, move |ids| Ok(Arc::new(passed(&filter, &ids[0]))));
        function.call(vec![ids])
    }

    /// Reads a CSV list. `ids` are the columns that identify a candidate, on the side `own` that rows are deleted from.
    ///
    /// # Errors
    /// If the header lacks a key column or repeats it, or if a line has the wrong number of fields, an ID that is not a
    /// value of its column, or a duplicate ID.
    pub(super) fn read(engine: &Engine, path: &Path, key: &[String], ids: &IdColumns, own: Side) -> Result<Self> {
        let mut list = CandidateList::open(path, key, ids, own)?;
        let mut table = WorkingTable::create(engine, "candidates", schema(key.len()))?;
        let mut count = 0;
        while let Some(batch) = list.next_batch(count)? {
            engine.check_stop()?;
            count += batch.num_rows() as u64;
            table.write(&batch)?;
        }
        if count == 0 {
            return Err(Error::unusable(path, "has no candidates"));
        }
        let table = table.finish()?;
        let mut catalog = Catalog::spilling(engine);
        catalog.add("candidates", &table)?;
        list.require_each_once(engine, &catalog)?;
        let mut filter = Sbbf::new_with_ndv_fpp(count, FILTER_ERROR).map_err(Error::internal)?;
        catalog.question("SELECT id FROM candidates")?.for_each_batch(engine, |batch| {
            batch.column(0).as_fixed_size_binary().iter().flatten().for_each(|id| filter.insert(id));
            Ok(())
        })?;
        Ok(Candidates { key: key.to_vec(), table, count, filter, input: list.lines.input })
    }
}

/// A list that is being read.
struct CandidateList<'a> {
    lines: CsvColumns,
    indices: Vec<usize>,
    key: &'a [String],
    ids: &'a IdColumns,
    own: Side,
}

impl<'a> CandidateList<'a> {
    fn open(path: &Path, key: &'a [String], ids: &'a IdColumns, own: Side) -> Result<Self> {
        let lines = CsvColumns::open(path)?;
        match lines.indices(key) {
            Ok(indices) => Ok(CandidateList { lines, indices, key, ids, own }),
            Err(fault) if fault.is_repeated => {
                Err(lines.wrong(1, format!("duplicate column `{}` in the header", fault.column)))
            }
            Err(_) => {
                let (header, key) = (lines.header().names().join(","), key.join(","));
                Err(lines.wrong(1, format!("the header is `{header}`, but candidates are identified by `{key}`")))
            }
        }
    }

    /// Reads the next candidates, which are numbered from `first`.
    fn next_batch(&mut self, first: u64) -> Result<Option<RecordBatch>> {
        let lines = self.lines.next_batch(&self.indices)?;
        lines.map(|lines| self.batch(first, &lines.numbers, lines.columns)).transpose()
    }

    fn batch(&self, first: u64, lines: &[u64], texts: Vec<ArrayRef>) -> Result<RecordBatch> {
        self.require_as_written(lines, &texts)?;
        let ids = self.ids.read(&texts, self.own)?;
        if let Some(row) = ids.states.iter().position(|state| *state == IdState::Unreadable) {
            let id: Vec<Option<String>> = texts.iter().map(|texts| text(texts, row)).collect();
            let types: Vec<String> =
                (0..self.ids.len()).map(|at| self.ids.field(at, self.own).data_type().to_string()).collect();
            let reason = format!("`{}` is not a value of {} ({})", shown(&id), self.key.join(", "), types.join(", "));
            return Err(self.lines.wrong(lines[row], reason));
        }
        let len = lines.len();
        let has_null = |row: usize| Some(texts.iter().any(|texts| texts.is_null(row)));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(first..first + len as u64)),
            Arc::new(UInt64Array::from(lines.to_vec())),
            Arc::new((0..len).map(has_null).collect::<BooleanArray>()),
            digests_where_read(&self.ids.stored(&ids.columns, self.own)?, &ids.states)?,
            digests_where_read(&self.ids.compared(&ids.columns, self.own)?, &ids.states)?,
        ];
        columns.extend(texts);
        Ok(RecordBatch::try_new(schema(self.indices.len()), columns)?)
    }

    /// Requires integers in the list to be written as on the side, because the delete job uses the text.
    fn require_as_written(&self, lines: &[u64], texts: &[ArrayRef]) -> Result<()> {
        for (at, texts) in texts.iter().enumerate() {
            let data_type = self.ids.field(at, self.own).data_type();
            let written = |text: &str| match data_type {
                DataType::UInt64 => text.parse::<u64>().map(|number| number.to_string()).ok(),
                _ => text.parse::<i64>().map(|number| number.to_string()).ok(),
            };
            let is_wrong = |text: &str| data_type.is_integer() && written(text).is_none_or(|written| written != text);
            if let Some(row) = texts.as_string::<i32>().iter().position(|text| text.is_some_and(is_wrong)) {
                let text = text(texts, row).unwrap_or_default();
                let reason = format!("`{text}` is not a value of {}: values are integers ({data_type})", self.key[at]);
                return Err(self.lines.wrong(lines[row], reason));
            }
        }
        Ok(())
    }

    /// Refuses a list that contains an ID twice, even in different spellings.
    fn require_each_once(&self, engine: &Engine, catalog: &Catalog) -> Result<()> {
        let texts: Vec<String> = (0..self.key.len()).map(|at| format!("c{at}")).collect();
        // IDs that the column type cannot represent have no digest and are distinguished by their text
        let foreign: Vec<String> =
            texts.iter().map(|text| format!("CASE WHEN stored IS NULL THEN {text} END")).collect();
        let sql = format!(
            "SELECT line, {texts} FROM (SELECT line, {texts}, \
             row_number() OVER (PARTITION BY stored, {} ORDER BY line) AS copy FROM candidates) \
             WHERE copy = 2 ORDER BY line LIMIT 1",
            foreign.join(", "),
            texts = texts.join(", ")
        );
        let mut repeated = None;
        catalog.question(&sql)?.for_each_batch(engine, |batch| {
            for (row, texts) in value_text::rows(batch)?.into_iter().enumerate() {
                repeated = Some((batch.column(0).as_primitive::<UInt64Type>().value(row), shown(&texts[1..])));
            }
            Ok(())
        })?;
        repeated.map_or(Ok(()), |(line, id)| Err(self.lines.wrong(line, format!("duplicate ID {id}"))))
    }
}

fn text(texts: &ArrayRef, row: usize) -> Option<String> {
    let texts = texts.as_string::<i32>();
    texts.is_valid(row).then(|| texts.value(row).to_string())
}

/// Which digests may be in a filter; NULL never is.
pub(super) fn passed(filter: &Sbbf, digests: &ArrayRef) -> BooleanArray {
    digests.as_fixed_size_binary().iter().map(|digest| Some(digest.is_some_and(|own| filter.check(own)))).collect()
}
