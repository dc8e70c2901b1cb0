//! The rows of a cut between the lists and the files: one per ID, with everything that is known about it.
//!
//! | column | type | holds |
//! | --- | --- | --- |
//! | `key` | bytes | the key of the next sort |
//! | `finished` | boolean | whether a list of finished IDs contains it |
//! | `member` | integer | its wave and shard in an earlier cut, see [`Member`] |
//! | … | text | the values of the lists |
//! | `row` | struct | its row in a run, with `--rows` |

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, UInt64Type};

use super::columns::UnitColumns;
use crate::error::Result;
use crate::id_list;

const KEY: usize = 0;
const FINISHED: usize = 1;
const MEMBER: usize = 2;
const TEXTS: usize = 3;

/// A wave and a shard, both counted from 1. Wave 0 means no wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub wave: u32,
    pub shard: u32,
}

impl Member {
    /// In no wave.
    pub(crate) const LEFT_OVER: Member = Member { wave: 0, shard: 0 };

    /// Packs both into one number.
    pub(crate) fn packed(self) -> u64 {
        u64::from(self.wave) << 32 | u64::from(self.shard)
    }

    /// Unpacks both from one number.
    pub(crate) fn unpacked(packed: u64) -> Self {
        Member { wave: (packed >> 32) as u32, shard: packed as u32 }
    }
}

/// The schema of the batches of a cut.
#[derive(Debug, Clone)]
pub(crate) struct EntrySchema {
    schema: SchemaRef,
    width: usize,
}

impl EntrySchema {
    /// For lists with these columns, and rows with these fields.
    pub(crate) fn of(columns: &UnitColumns, rows: Option<&Fields>) -> Self {
        let mut fields = vec![
            Field::new("key", DataType::Binary, false),
            Field::new("finished", DataType::Boolean, false),
            Field::new("member", DataType::UInt64, true),
        ];
        fields.extend(columns.names.iter().map(|name| Field::new(name, DataType::Utf8, true)));
        fields.extend(rows.map(|rows| Field::new("row", DataType::Struct(rows.clone()), true)));
        EntrySchema { schema: Schema::new(fields).into(), width: columns.names.len() }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn batch(
        &self,
        key: BinaryArray,
        finished: BooleanArray,
        member: UInt64Array,
        texts: &[ArrayRef],
        rows: Option<ArrayRef>,
    ) -> Result<RecordBatch> {
        let own: [ArrayRef; 3] = [Arc::new(key), Arc::new(finished), Arc::new(member)];
        let columns = own.into_iter().chain(texts.iter().cloned()).chain(rows).collect();
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The same rows with another key.
    pub(crate) fn keyed(&self, batch: &RecordBatch, key: BinaryArray) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        columns[KEY] = Arc::new(key);
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The same rows with another key and other assignments.
    pub(crate) fn joined(&self, batch: &RecordBatch, key: BinaryArray, member: UInt64Array) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        columns[KEY] = Arc::new(key);
        columns[MEMBER] = Arc::new(member);
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The key that the batch is sorted by.
    pub(crate) fn key<'a>(&self, batch: &'a RecordBatch) -> &'a BinaryArray {
        batch.column(KEY).as_binary()
    }

    pub(crate) fn finished<'a>(&self, batch: &'a RecordBatch) -> &'a BooleanArray {
        batch.column(FINISHED).as_boolean()
    }

    /// The wave and shard of an ID in an earlier cut.
    pub(crate) fn member(&self, batch: &RecordBatch, row: usize) -> Option<Member> {
        let members = batch.column(MEMBER).as_primitive::<UInt64Type>();
        members.is_valid(row).then(|| Member::unpacked(members.value(row)))
    }

    /// The columns of the lists.
    pub(crate) fn texts<'a>(&self, batch: &'a RecordBatch) -> Vec<&'a StringArray> {
        id_list::texts(batch, TEXTS, self.width)
    }

    /// The columns of the lists as a separate batch.
    pub(crate) fn listed(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        Ok(batch.project(&(TEXTS..TEXTS + self.width).collect::<Vec<_>>())?)
    }

    /// The schema of the run's rows, if the cut writes rows.
    pub(crate) fn row_schema(&self) -> Option<SchemaRef> {
        match self.schema.fields().get(TEXTS + self.width)?.data_type() {
            DataType::Struct(fields) => Some(Arc::new(Schema::new(fields.clone()))),
            _ => None,
        }
    }

    /// The rows of the run as a separate batch.
    pub(crate) fn rows(&self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let Some(schema) = self.row_schema() else { return Ok(None) };
        let (_, columns, _) = batch.column(TEXTS + self.width).as_struct().clone().into_parts();
        Ok(Some(RecordBatch::try_new(schema, columns)?))
    }
}

pub(crate) type Entries<'a> = Box<dyn Iterator<Item = Result<RecordBatch>> + 'a>;
