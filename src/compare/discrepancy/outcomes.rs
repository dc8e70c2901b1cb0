//! The outcomes of requested rows: for each key, whether its rows match, in which tier, and in which versions. The
//! merge records outcomes as it decides, so nothing is decided twice.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBufferBuilder, FixedSizeBinaryArray, Int64Array, RecordBatch, StructArray,
    UInt32Array, UInt64Array, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::bloom_filter::Sbbf;

use super::finding::{Finding, RowRef};
use super::spool::{Spool, Spooled};
use super::table::{Layout, TableColumn};
use super::{Class, Tier};
use crate::columns::{DIGEST_BYTES, Pairing, RowBatch, ValueHasher};
use crate::error::Result;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};

/// The requested rows: those of one side whose columns `names` have one of many IDs.
pub(crate) struct OutcomeRequest {
    /// The side whose rows are requested.
    pub side: Side,
    /// The columns of the ID, as indexes in the pairing.
    pub names: Vec<usize>,
    /// Computes the digests of IDs and keys.
    pub digests: ValueHasher,
    /// A filter for the digests of the IDs. It also accepts a few others.
    pub filter: Sbbf,
    /// Whether the key of the other side is also requested.
    pub with_keys: bool,
}

impl OutcomeRequest {
    /// Returns the digest of the ID in each row of one side.
    fn ids(&self, pairing: &Pairing, raw: &RecordBatch, side: Side) -> Result<FixedSizeBinaryArray> {
        let mut parts = vec![];
        for &at in &self.names {
            parts.extend(pairing.columns[at].key_parts(raw.column(at), side)?);
        }
        self.digests.of(&parts)
    }

    /// Returns which digests may belong to requested IDs.
    pub(crate) fn may_hold(&self, ids: &FixedSizeBinaryArray) -> BooleanBuffer {
        BooleanBuffer::collect_bool(ids.len(), |row| self.filter.check(ids.value(row)))
    }

    /// Returns which rows of one side may be requested; `None` if none is. Rows of the other side never are.
    pub(crate) fn includes(&self, pairing: &Pairing, raw: &RecordBatch, side: Side) -> Result<Option<BooleanBuffer>> {
        if side != self.side {
            return Ok(None);
        }
        let included = self.may_hold(&self.ids(pairing, raw, side)?);
        Ok((included.count_set_bits() > 0).then_some(included))
    }
}

/// The outcome of the rows with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The class of the discrepancy; `None` if the rows match.
    pub class: Option<Class>,
    /// The tier of the match; `None` if they do not match.
    pub tier: Option<Tier>,
    /// The number of rows of each side with the key.
    pub rows: Sides<u64>,
    /// Whether the row of the other side has another ID.
    pub is_moved: bool,
    /// The versions of both rows: microseconds since 1970, or counters.
    pub versions: Sides<Option<i64>>,
}

impl Outcome {
    /// Codes from here on are tiers of matched rows.
    pub(crate) const FIRST_MATCHED_CODE: u32 = 16;

    /// Encodes class and tier as a small number for [`Self::from_code`].
    fn code(class: Option<Class>, tier: Option<Tier>) -> u32 {
        match (class, tier) {
            (Some(class), _) => class as u32,
            (None, tier) => Self::FIRST_MATCHED_CODE + tier.map_or(0, |tier| tier as u32),
        }
    }

    /// Decodes a code of the table.
    pub(crate) fn from_code(code: u32) -> Option<(Option<Class>, Option<Tier>)> {
        match code.checked_sub(Self::FIRST_MATCHED_CODE) {
            None => Class::ALL.into_iter().find(|class| *class as u32 == code).map(|class| (Some(class), None)),
            Some(tier) => Tier::ALL.into_iter().find(|own| *own as u32 == tier).map(|tier| (None, Some(tier))),
        }
    }
}

/// The results of comparing pairs of rows with equal keys.
pub(crate) struct PairOutcomes<'a> {
    /// The start of the pairs on each side.
    pub starts: Sides<(&'a Arc<RowBatch>, usize)>,
    /// The number of pairs.
    pub len: usize,
    /// The pairs that differ; `None` if none does.
    pub mismatch: Option<&'a BooleanBuffer>,
    /// The matched pairs by tier. All other pairs are exact.
    pub tiers: &'a [(Tier, BooleanBuffer)],
}

/// Writes the table of outcomes.
pub(crate) struct Outcomes<'a> {
    asked: &'a OutcomeRequest,
    pairing: &'a Pairing,
    layout: Arc<Layout>,
    spool: Spool,
    looked_at: Sides<Option<RowOutcomes>>,
}

/// The outcomes of a batch.
struct RowOutcomes {
    batch: Arc<RowBatch>,
    ids: Option<FixedSizeBinaryArray>,
    included: BooleanBuffer,
    keys: Option<FixedSizeBinaryArray>,
}

impl<'a> Outcomes<'a> {
    /// Creates an empty table. What does not fit in memory spills to disk.
    pub(crate) fn new(asked: &'a OutcomeRequest, pairing: &'a Pairing, layout: Arc<Layout>, engine: &Engine) -> Self {
        let spool = Spool::new(schema(&layout, asked.with_keys), engine.spill_dir());
        Outcomes { asked, pairing, layout, spool, looked_at: Sides::default() }
    }

    pub(crate) fn close(self) -> Result<Spooled> {
        self.spool.close()
    }

    /// Records pairs of rows with unique keys.
    pub(crate) fn pairs(&mut self, pairs: &PairOutcomes) -> Result<()> {
        let own = self.asked.side;
        let (batch, start) = pairs.starts[own];
        let included = self.look(own, batch)?.included.slice(start, pairs.len);
        if included.count_set_bits() == 0 {
            return Ok(());
        }
        let rows: Vec<usize> = included.set_indices().collect();
        let code = |&row: &usize| {
            if pairs.mismatch.is_some_and(|mismatch| mismatch.value(row)) {
                return Outcome::code(Some(Class::Mismatch), None);
            }
            let tier = pairs.tiers.iter().find(|(_, rows)| rows.value(row)).map_or(Tier::Exact, |(tier, _)| *tier);
            Outcome::code(None, Some(tier))
        };
        let codes: UInt32Array = rows.iter().map(code).collect();
        let positions = Sides::from_fn(|side| {
            let (batch, start) = pairs.starts[side];
            Some((batch, rows.iter().map(|row| (start + row) as u32).collect::<UInt32Array>()))
        });
        let counts = Sides { old: 1, new: 1 };
        self.push(codes, counts, positions)
    }

    /// Records a discrepancy that is not a pair of rows.
    pub(crate) fn finding(&mut self, finding: &Finding) -> Result<()> {
        let own = self.asked.side;
        let row = match finding {
            Finding::Missing { old } => (Side::Old, old),
            Finding::Extra { new } => (Side::New, new),
            Finding::DuplicateKey { key, side, .. } => (*side, key),
            // already recorded with its pair
            Finding::Mismatch { .. } => return Ok(()),
        };
        let (side, RowRef { batch, row }) = row;
        let is_duplicate = finding.class() == Class::DuplicateKey;
        if !is_duplicate && (side != own || !self.look(own, batch)?.included.value(*row)) {
            return Ok(());
        }
        let codes = UInt32Array::from(vec![Outcome::code(Some(finding.class()), None)]);
        let position = || Some((batch, UInt32Array::from(vec![*row as u32])));
        let positions = Sides::from_fn(|of| if of == side { position() } else { None });
        self.push(codes, finding.rows(), positions)
    }

    /// Adds rows to the table. `positions` are the positions of the rows in their batches, for the sides that have the
    /// rows.
    fn push(
        &mut self,
        codes: UInt32Array,
        counts: Sides<u64>,
        positions: Sides<Option<(&Arc<RowBatch>, UInt32Array)>>,
    ) -> Result<()> {
        let len = codes.len();
        let shown = if positions.old.is_some() { Side::Old } else { Side::New };
        let mut keys: ArrayRef = new_null_array(&DataType::FixedSizeBinary(DIGEST_BYTES), len);
        let mut ids = Sides { old: None, new: None };
        for side in Side::BOTH {
            let Some((batch, rows)) = &positions[side] else { continue };
            if side == shown {
                keys = take(&self.keys(side, batch)?, rows, None)?;
            }
            ids[side] = Some(take(&self.ids(side, batch)?, rows, None)?);
        }
        let moved = match (&ids.old, &ids.new) {
            (Some(old), Some(new)) => {
                let mut moved = BooleanBufferBuilder::new(len);
                let (old, new) = (as_digests(old), as_digests(new));
                (0..len).for_each(|row| moved.append(old.value(row) != new.value(row)));
                moved.finish()
            }
            _ => BooleanBuffer::new_unset(len),
        };
        let versions = Sides::try_from_fn(|side| self.versions(side, &positions[side], len))?;
        let mut columns: Vec<ArrayRef> = vec![
            keys,
            Arc::new(codes),
            Arc::new(UInt64Array::from_value(counts.old, len)),
            Arc::new(UInt64Array::from_value(counts.new, len)),
            Arc::new(BooleanArray::new(moved, None)),
            versions.old,
            versions.new,
        ];
        let schema = schema(&self.layout, self.asked.with_keys);
        if self.asked.with_keys {
            let other = self.asked.side.other();
            columns.push(match &positions[other] {
                Some((batch, rows)) => self.other_keys(other, batch, rows)?,
                None => new_null_array(schema.field(columns.len()).data_type(), len),
            });
        }
        self.spool.push(RecordBatch::try_new(schema, columns)?)
    }

    fn versions(&self, side: Side, rows: &Option<(&Arc<RowBatch>, UInt32Array)>, len: usize) -> Result<ArrayRef> {
        let version = self.pairing.version.as_ref().zip(self.pairing.version_index(side));
        match (version, rows) {
            (Some((version, at)), Some((batch, rows))) => {
                let numbers = version.numbers(&take(batch.raw.column(at), rows, None)?, side)?;
                Ok(Arc::new(Int64Array::from(numbers)))
            }
            _ => Ok(new_null_array(&DataType::Int64, len)),
        }
    }

    fn other_keys(&self, side: Side, batch: &RowBatch, rows: &UInt32Array) -> Result<ArrayRef> {
        let fields = self.layout.fields(TableColumn::Key);
        let columns = self.layout.key_columns(batch.raw.columns(), side)?;
        let columns = columns.iter().map(|column| take(column, rows, None)).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(StructArray::try_new(fields, columns, None)?))
    }

    fn ids(&mut self, side: Side, batch: &Arc<RowBatch>) -> Result<ArrayRef> {
        let (asked, pairing) = (self.asked, self.pairing);
        let looked = self.look(side, batch)?;
        let ids = match looked.ids.take() {
            Some(ids) => ids,
            None => asked.ids(pairing, &batch.raw, side)?,
        };
        looked.ids = Some(ids.clone());
        Ok(Arc::new(ids))
    }

    fn keys(&mut self, side: Side, batch: &Arc<RowBatch>) -> Result<ArrayRef> {
        let digests = self.asked.digests.clone();
        let looked = self.look(side, batch)?;
        let keys = match looked.keys.take() {
            Some(keys) => keys,
            None => digests.of(&batch.keys)?,
        };
        looked.keys = Some(keys.clone());
        Ok(Arc::new(keys))
    }

    /// Returns the cached information about a batch, as long as rows of the same batch follow each other.
    fn look(&mut self, side: Side, batch: &Arc<RowBatch>) -> Result<&mut RowOutcomes> {
        let kept = self.looked_at[side].take().filter(|looked| Arc::ptr_eq(&looked.batch, batch));
        let looked = match kept {
            Some(kept) => kept,
            None => {
                let is_own = side == self.asked.side;
                let ids = is_own.then(|| self.asked.ids(self.pairing, &batch.raw, side)).transpose()?;
                let len = batch.raw.num_rows();
                let included =
                    ids.as_ref().map_or_else(|| BooleanBuffer::new_unset(len), |ids| self.asked.may_hold(ids));
                RowOutcomes { batch: batch.clone(), ids, included, keys: None }
            }
        };
        Ok(self.looked_at[side].insert(looked))
    }
}

fn as_digests(array: &ArrayRef) -> &FixedSizeBinaryArray {
    arrow::array::AsArray::as_fixed_size_binary(array)
}

/// The schema of the table.
///
/// | column | type | contents |
/// | --- | --- | --- |
/// | `key` | 16 bytes | the digest of the key |
/// | `outcome` | integer | class or tier, see [`Outcome::from_code`] |
/// | `old_rows`, `new_rows` | integer | the number of rows of each side with the key |
/// | `moved` | boolean | whether the row of the other side has another ID |
/// | `old_version`, `new_version` | integer | the versions, if known |
/// | `other_key` | struct | the key of the other side, if requested |
fn schema(layout: &Layout, with_keys: bool) -> SchemaRef {
    let mut fields = vec![
        Field::new("key", DataType::FixedSizeBinary(DIGEST_BYTES), false),
        Field::new("outcome", DataType::UInt32, false),
        Field::new("old_rows", DataType::UInt64, false),
        Field::new("new_rows", DataType::UInt64, false),
        Field::new("moved", DataType::Boolean, false),
        Field::new("old_version", DataType::Int64, true),
        Field::new("new_version", DataType::Int64, true),
    ];
    if with_keys {
        let keys: Fields = layout.fields(TableColumn::Key);
        fields.push(Field::new("other_key", DataType::Struct(keys), true));
    }
    Arc::new(Schema::new(fields))
}
