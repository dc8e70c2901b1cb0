//! A small, realistic migration with an example of every defect: subscriptions that were embedded in customers move to
//! a separate table, while both stores stay live.

pub(crate) mod migration;
pub(crate) mod thirty_nights;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};

use crate::error::{Error, Result};
use crate::job::Job;
use crate::job::file::{JobFile, refusal};
use crate::report::{Counts, Report};
use crate::runtime::parquet_file::{ParquetWriter, Purpose};

/// The number of defects that the demo plants, or that a report contains.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Planted {
    mismatch: u64,
    missing: u64,
    extra: u64,
    duplicate_keys: u64,
    missing_duplicated: u64,
}

impl Planted {
    /// The defects in a report.
    pub(crate) fn of(report: &Report) -> Self {
        let Counts { mismatch, missing, extra, duplicate_keys, .. } = report.counts();
        let missing_duplicated = report.comparison().map_or(0, |found| found.backfill.missing_duplicated);
        Planted { mismatch, missing, extra, duplicate_keys, missing_duplicated }
    }
}

/// The job file and its query, by their names in the demo's directory.
pub(crate) const JOB: &str = "subscriptions.toml";
const QUERY: &str = "explode_subscriptions.sql";
const JOB_TEXT: &str = r#"# Embedded lists of subscriptions, compared with the table that they move to
[old]
path  = "old/customers.parquet"
query = "explode_subscriptions.sql"

[new]
path = "new/subscriptions/"

[compare]
key    = ["subscription_id"]
ignore = ["copied_at"]
"#;

/// One subscription in either store.
#[derive(Debug, Clone)]
struct Subscription {
    id: String,
    customer: i64,
    plan: &'static str,
    seats: i32,
    cents: i64,
    currency: &'static str,
    status: &'static str,
    note: Option<String>,
    renews_ms: i64,
}

const CUSTOMERS: i64 = 2_000;
/// 2026-11-01T00:00:00Z.
const NOVEMBER_MS: i64 = 1_793_491_200_000;
const DAY_MS: i64 = 86_400_000;

/// Writes both snapshots below `dir`, and returns the number of planted defects.
pub(crate) fn write(dir: &Path) -> Result<Planted> {
    let old = subscriptions();
    let (old, new, planted) = plant(old);
    write_file(&dir.join("old/customers.parquet"), &embedded(&old)?)?;
    // the new store exports several files, in no order
    for (part, rows) in new.chunks(new.len().div_ceil(3)).enumerate() {
        write_file(&dir.join(format!("new/subscriptions/part-{part}.parquet")), &own_table(rows)?)?;
    }
    for (name, text) in [(JOB, JOB_TEXT), (QUERY, include_str!("../../../queries/explode_subscriptions.sql"))] {
        let path = dir.join(name);
        fs::write(&path, text).map_err(Error::unwritable(&path))?;
    }
    Ok(planted)
}

/// The job that compares the snapshots of [`write()`], and the directory of its runs.
pub(crate) fn job(dir: &Path) -> Result<(Job, PathBuf)> {
    let path = dir.join(JOB);
    let JobFile { job, runs, mistakes, .. } = JobFile::read(&path, &[])?;
    match job {
        Some(job) if mistakes.is_empty() => Ok((job, runs)),
        _ => Err(refusal(&path, mistakes)),
    }
}

fn subscriptions() -> Vec<Subscription> {
    const PLANS: [(&str, i64); 3] = [("basic", 900), ("team", 2_900), ("enterprise", 14_900)];
    const STATUS: [&str; 4] = ["active", "active", "paused", "canceled"];
    let mut all = vec![];
    for customer in 1..=CUSTOMERS {
        for nth in 0..customer % 4 {
            let at = all.len() as i64;
            let (plan, price) = PLANS[(customer % 3) as usize];
            let seats = 1 + (at * 7 % 23) as i32;
            all.push(Subscription {
                id: format!("sub_{:05}", at * 31 + 1_000),
                customer,
                plan,
                seats,
                cents: price * i64::from(seats),
                currency: if customer % 5 == 0 { "USD" } else { "EUR" },
                status: STATUS[((customer + nth) % 4) as usize],
                note: (at % 9 == 0).then(|| format!("moved by import {}", at % 13)),
                renews_ms: NOVEMBER_MS + at % 28 * DAY_MS + at * 1_000,
            });
        }
    }
    all
}

/// Copies old to new, with typical errors of such copies.
fn plant(mut old: Vec<Subscription>) -> (Vec<Subscription>, Vec<Subscription>, Planted) {
    let mut new = old.clone();
    // the copy job skipped a page of customers
    new.drain(700..712);
    // a currency conversion truncated the cents
    new[40].cents += 1;
    new[41].cents -= 40;
    // a status event came out of order
    new[1_500].status = "active";
    new[1_500].renews_ms -= 30 * DAY_MS;
    // the new store has the empty string instead of NULL, and a blank was typed after a note
    new[18].note = Some(String::new());
    new[90].note = new[90].note.take().map(|note| note + " ");
    // created in the new store after the export of the old one
    for (number, seats) in [(1, 3), (2, 1), (3, 12)] {
        let like = old[number * 100].clone();
        let cents = like.cents / i64::from(like.seats) * i64::from(seats);
        new.push(Subscription { id: format!("sub_9900{number}"), seats, cents, ..like });
    }
    // a retried batch was inserted twice
    new.extend_from_within(300..302);
    // a key that old has twice has never arrived in new
    let twice = Subscription { id: "sub_98000".into(), ..old[55].clone() };
    old.extend([twice.clone(), Subscription { status: "paused", ..twice }]);
    new.reverse();
    (old, new, Planted { mismatch: 5, missing: 12, extra: 3, duplicate_keys: 3, missing_duplicated: 1 })
}

/// The old store: customers with embedded subscriptions.
fn embedded(subscriptions: &[Subscription]) -> Result<RecordBatch> {
    let mut rows: Vec<&Subscription> = subscriptions.iter().collect();
    rows.sort_by_key(|row| row.customer);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("subscription_id", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.id)))),
        ("plan", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.plan)))),
        ("seats", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.seats)))),
        ("amount", Arc::new(decimals(&rows, 10)?)),
        ("currency", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.currency)))),
        ("status", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.status)))),
        ("note", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.note.as_deref())))),
        (
            "renews_at",
            Arc::new(
                TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.renews_ms)).with_timezone("UTC"),
            ),
        ),
    ];
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let items = StructArray::new(fields.collect(), columns.into_iter().map(|(_, column)| column).collect(), None);
    let lengths = (1..=CUSTOMERS).map(|customer| rows.iter().filter(|row| row.customer == customer).count());
    let item = Field::new("item", items.data_type().clone(), true).into();
    let lists = ListArray::new(item, OffsetBuffer::from_lengths(lengths), Arc::new(items), None);
    let ids = Int64Array::from_iter_values(1..=CUSTOMERS);
    let names = StringArray::from_iter_values((1..=CUSTOMERS).map(|id| format!("Customer {id}")));
    Ok(RecordBatch::try_from_iter([
        ("customer_id", Arc::new(ids) as ArrayRef),
        ("name", Arc::new(names)),
        ("subscriptions", Arc::new(lists)),
    ])?)
}

/// The new store: a table of subscriptions, with independently chosen types.
fn own_table(rows: &[Subscription]) -> Result<RecordBatch> {
    let rows: Vec<&Subscription> = rows.iter().collect();
    let renews = rows.iter().map(|row| row.renews_ms * 1_000);
    let copied = rows.iter().map(|row| (row.renews_ms % DAY_MS + NOVEMBER_MS) * 1_000);
    Ok(RecordBatch::try_from_iter([
        ("subscription_id", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.id))) as ArrayRef),
        ("customer_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.customer)))),
        (
            "plan",
            arrow::compute::cast(
                &StringArray::from_iter_values(rows.iter().map(|row| row.plan)),
                &DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
            )?,
        ),
        ("seats", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| i64::from(row.seats))))),
        ("amount", Arc::new(decimals(&rows, 18)?)),
        ("currency", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.currency)))),
        ("status", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.status)))),
        ("note", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.note.as_deref())))),
        ("renews_at", Arc::new(TimestampMicrosecondArray::from_iter_values(renews).with_timezone("+09:00"))),
        ("copied_at", Arc::new(TimestampMicrosecondArray::from_iter_values(copied).with_timezone("UTC"))),
    ])?)
}

fn decimals(rows: &[&Subscription], precision: u8) -> Result<Decimal128Array> {
    let cents = Decimal128Array::from_iter_values(rows.iter().map(|row| i128::from(row.cents)));
    Ok(cents.with_precision_and_scale(precision, 2)?)
}

/// Writes a snapshot of one file.
pub(crate) fn write_file(path: &Path, batch: &RecordBatch) -> Result<()> {
    let dir = path.parent().map(PathBuf::from).unwrap_or_default();
    fs::create_dir_all(&dir).map_err(Error::unwritable(&dir))?;
    let purpose = Purpose::Export { path: path.into(), is_compressed: false };
    let mut writer = ParquetWriter::create(path, batch.schema(), purpose)?;
    writer.write(batch)?;
    writer.finish().map(drop)
}
