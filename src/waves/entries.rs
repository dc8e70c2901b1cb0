//! What a cut knows of each ID on its way from the lists to the files: one row in a batch.
//!
//! | column | type | holds |
//! | --- | --- | --- |
//! | `key` | bytes | what the next sort is by |
//! | `finished` | boolean | whether a list of finished IDs names it |
//! | `member` | integer | the wave and the shard that an earlier cut gave it, see [`Member`] |
//! | … | text | the columns of the lists |
//! | `row` | struct | its row in a run, if rows are wanted |

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

/// A wave and a shard. Both are counted from 1; wave 0 is no wave at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// The wave.
    pub wave: u32,
    /// The shard.
    pub shard: u32,
}

impl Member {
    /// Of no wave.
    pub(crate) const LEFT_OVER: Member = Member { wave: 0, shard: 0 };

    /// Both in one number.
    pub(crate) fn packed(self) -> u64 {
        u64::from(self.wave) << 32 | u64::from(self.shard)
    }

    /// Both from one number.
    pub(crate) fn unpacked(packed: u64) -> Self {
        Member { wave: (packed >> 32) as u32, shard: packed as u32 }
    }
}

/// What the batches of one cut look like.
#[derive(Debug, Clone)]
pub(crate) struct EntrySchema {
    schema: SchemaRef,
    width: usize,
}

impl EntrySchema {
    /// Of lists with these columns, and rows with these fields.
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

    /// The schema.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Puts a batch together.
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

    /// The same rows with another key and other members.
    pub(crate) fn joined(&self, batch: &RecordBatch, key: BinaryArray, member: UInt64Array) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        columns[KEY] = Arc::new(key);
        columns[MEMBER] = Arc::new(member);
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// What the batch is sorted by.
    pub(crate) fn key<'a>(&self, batch: &'a RecordBatch) -> &'a BinaryArray {
        batch.column(KEY).as_binary()
    }

    /// Which IDs are finished.
    pub(crate) fn finished<'a>(&self, batch: &'a RecordBatch) -> &'a BooleanArray {
        batch.column(FINISHED).as_boolean()
    }

    /// Where an earlier cut has put an ID.
    pub(crate) fn member(&self, batch: &RecordBatch, row: usize) -> Option<Member> {
        let members = batch.column(MEMBER).as_primitive::<UInt64Type>();
        members.is_valid(row).then(|| Member::unpacked(members.value(row)))
    }

    /// The columns of the lists.
    pub(crate) fn texts<'a>(&self, batch: &'a RecordBatch) -> Vec<&'a StringArray> {
        id_list::texts(batch, TEXTS, self.width)
    }

    /// The columns of the lists, as a batch of their own.
    pub(crate) fn listed(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        Ok(batch.project(&(TEXTS..TEXTS + self.width).collect::<Vec<_>>())?)
    }

    /// What rows of the run look like, if there are any.
    pub(crate) fn row_schema(&self) -> Option<SchemaRef> {
        match self.schema.fields().get(TEXTS + self.width)?.data_type() {
            DataType::Struct(fields) => Some(Arc::new(Schema::new(fields.clone()))),
            _ => None,
        }
    }

    /// The rows of the run, as a batch of their own.
    pub(crate) fn rows(&self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let Some(schema) = self.row_schema() else { return Ok(None) };
        let (_, columns, _) = batch.column(TEXTS + self.width).as_struct().clone().into_parts();
        Ok(Some(RecordBatch::try_new(schema, columns)?))
    }
}

/// Batches of entries, one after the other.
pub(crate) type Entries<'a> = Box<dyn Iterator<Item = Result<RecordBatch>> + 'a>;
