//! The causes of single rows of the table of discrepancies, and what has become of causes since the run before.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use certificate::wording::count;

use crate::causes::{Cause, CauseReport, CauseTally, Causes, KeyPair, Trend, common_form};
use crate::class::Class;
use crate::compare::discrepancy::{TableColumn, Tally, classes, texts};
use crate::equality::value_text::Values;
use crate::error::Result;
use crate::job::{Origin, Setting};
use crate::run::Run;
use crate::sql::count_by;

/// The causes of each row, by their numbers among the reports. The table has the labels of the merge.
pub(super) fn of_rows(causes: &Causes, table: &RecordBatch) -> Vec<Vec<usize>> {
    let labels = TableColumn::Causes.of(table).as_list::<i32>();
    let of_row = |row: usize| {
        let labels = labels.value(row);
        causes.of_labels(labels.as_string::<i32>().iter().flatten().filter_map(|label| label.parse().ok()))
    };
    (0..table.num_rows()).map(of_row).collect()
}

/// Replaces labels by the names of the causes for which they speak.
pub(super) fn named(causes: &Causes, table: &RecordBatch) -> Result<RecordBatch> {
    let tags: Vec<String> = causes.reports.iter().map(CauseReport::tag).collect();
    let of_rows = of_rows(causes, table);
    let named = of_rows.iter().map(|causes| causes.iter().map(|number| tags[*number].as_str()).collect());
    let mut columns = table.columns().to_vec();
    columns[TableColumn::Causes as usize] = Arc::new(texts(named));
    Ok(RecordBatch::try_new(table.schema(), columns)?)
}

/// Decides which causes the mismatches have, and the missing and extra keys of a sample.
pub(crate) fn decide(run: &Run, causes: &CauseTally, sample: Option<&RecordBatch>, tally: &Tally) -> Result<Causes> {
    let mismatches: Vec<u64> = tally.columns.iter().map(|column| column.mismatches).collect();
    let mut causes = Causes::of(&run.observer, causes, &mismatches, tally.matched() + tally.mismatch);
    let of_keys = sample.map_or(Ok(vec![]), |sample| of_keys(run, sample, tally))?;
    causes.reports.extend(of_keys);
    let codes = causes.reports.iter_mut().filter(|cause| !cause.codes.is_empty() && cause.path.is_none());
    codes.into_iter().try_for_each(|cause| judge_codes(run, cause))?;
    Ok(causes)
}

/// Offers a translation of codes only if all rows with these codes differ in this way: others would differ by it.
fn judge_codes(run: &Run, cause: &mut CauseReport) -> Result<()> {
    /// A column with more values has no codes.
    const VALUES_MAX: usize = 10_000;
    let Run { session, snapshots, pairing, .. } = run;
    let Some(pair) = pairing.columns.iter().find(|pair| pair.name == cause.column) else { return Ok(()) };
    let like = snapshots.old.schema.field(pair.at.old).clone().into();
    let by = Setting { text: "code".into(), origin: Origin::Flag("code_map") };
    let counts = count_by(&session.engine, &snapshots.old, &[("code", pair.at.old)], &by, &like, VALUES_MAX)?;
    let rows = |code: &String| counts.get(&Some(code.clone())).copied().unwrap_or_default();
    let all: u64 = cause.codes.iter().map(|(code, _)| rows(code)).sum();
    if cause.codes.iter().any(|(code, count)| rows(code) != *count) {
        cause.accept = None;
        if !cause.detail.is_empty() {
            cause.detail += &format!("; old has {} with these values", count(all, "row"));
        }
    }
    Ok(())
}

/// The causes for which rows of a sample are missing under one key and extra under another.
fn of_keys(run: &Run, sample: &RecordBatch, tally: &Tally) -> Result<Vec<CauseReport>> {
    let classes = classes(sample);
    let keys = TableColumn::Key.of(sample).as_struct();
    let values: Vec<Values> = keys
        .columns()
        .iter()
        .zip(keys.fields())
        .map(|(column, field)| Values::of(column, field))
        .collect::<Result<_>>()?;
    let mut alike: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    let is_only = |row: &usize| matches!(classes[*row], Class::Missing | Class::Extra);
    for row in (0..classes.len()).filter(is_only) {
        let mut form = vec![];
        values.iter().for_each(|part| common_form(part.to_csv_text(row).unwrap_or_default().as_bytes(), &mut form));
        alike.entry(form).or_default().push(row);
    }
    let pair = |rows: &Vec<usize>| {
        let [one, two] = rows.as_slice() else { return None };
        let (old, new) = match (classes[*one], classes[*two]) {
            (Class::Missing, Class::Extra) => (*one, *two),
            (Class::Extra, Class::Missing) => (*two, *one),
            _ => return None,
        };
        let differ = |column: &usize| values[*column].to_csv_text(old) != values[*column].to_csv_text(new);
        let mut differing = (0..values.len()).filter(differ);
        let (Some(column), None) = (differing.next(), differing.next()) else { return None };
        let shown = |row: usize| values.iter().map(|part| part.display(row)).collect::<Vec<_>>().join(", ");
        let text = |row: usize| values[column].to_csv_text(row);
        Some(KeyPair { column, key: shown(old), old: text(old)?, new: text(new)? })
    };
    let mut pairs: Vec<KeyPair> = alike.values().filter_map(pair).collect();
    pairs.sort_by(|one, two| one.key.cmp(&two.key));
    let times = tally.discrepancies() as f64 / classes.len().max(1) as f64;
    Ok(run.observer.causes_of_keys(&pairs, tally.missing, times))
}

/// Compares the causes with those of the run before. Returns those that are gone.
pub(super) fn relate(causes: &mut [CauseReport], before: &[CauseReport]) -> Vec<String> {
    // another distance or factor is another cause; the counts of codes are not
    let name = |cause: &CauseReport| match cause.cause {
        Cause::CodeMap => cause.tag(),
        _ => format!("{}: {}", cause.tag(), cause.detail),
    };
    let counts = |causes: &[CauseReport], name: &dyn Fn(&CauseReport) -> String| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        causes.iter().for_each(|cause| *counts.entry(name(cause)).or_default() += cause.count);
        counts
    };
    let (now, before) = (counts(causes, &name), counts(before, &name));
    for cause in causes.iter_mut() {
        let tag = name(cause);
        cause.trend = Some(match before.get(&tag) {
            None => Trend::New,
            Some(count) if *count < now[&tag] => Trend::Growing,
            Some(count) if *count > now[&tag] => Trend::Shrinking,
            Some(_) => Trend::Steady,
        });
    }
    before.into_keys().filter(|tag| !now.contains_key(tag)).collect()
}
