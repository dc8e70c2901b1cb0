//! Which way a diff would take, why, and what it would cost.

use bytesize::ByteSize;

use super::columns::nulls;
use super::has_many_groups;
use crate::compare::matching::MemoryEstimate;
use crate::equality::value_text::escaped;
use crate::report::text::{indented, plain_table};
use crate::report::{MatchingWay, count};
use crate::tools::inspect::{FirstKeys, InspectedKey, Inspection, listed};

/// What a diff by the key would do, or which key to ask for.
pub(super) fn render(inspection: &Inspection) -> String {
    match &inspection.key {
        Some(key) => way_of(key, inspection),
        None if inspection.rows == 0 => String::new(),
        None => format!("  key  {}\n", candidates(inspection)),
    }
}

fn candidates(inspection: &Inspection) -> String {
    let names: Vec<String> = inspection.key_candidates.iter().map(|name| format!("`{}`", escaped(name))).collect();
    let told = match (names.len(), has_many_groups(inspection)) {
        (0, false) => "there is one row group, so the footers do not tell the order of the rows".into(),
        (0, true) => "by the footers, row groups ascend by no column, so a diff would take the hashed way".into(),
        (1, _) => format!("row groups ascend by {}, so a diff by it may take the ordered way", names[0]),
        (_, _) => format!(
            "row groups ascend by {}; a diff by one of them may take the ordered way",
            listed(names.into_iter())
        ),
    };
    format!("{told}\n       --key COLUMN,… says which way a diff by that key would take, and what it would cost")
}

fn way_of(key: &InspectedKey, inspection: &Inspection) -> String {
    let mut table = plain_table();
    let way = match key.way {
        None | Some(MatchingWay::None) => "none",
        Some(MatchingWay::Ordered) => "ordered",
        Some(MatchingWay::Hashed | MatchingWay::Multiset) => "hashed",
    };
    table.add_row(["way", &format!("{way}: {}", escaped(&key.reason))]);
    if key.first_keys == FirstKeys::Ascend {
        table.add_row(["order", "verified row by row while reading; a break in it makes the way hashed"]);
    }
    if way != "none" {
        table.add_row(["memory", &memory(way, &key.memory)]);
        table.add_row(["NULLs", &null_keys(key, inspection)]);
    }
    let title = format!("diff by {}, against a snapshot laid out alike", escaped(&key.columns.join(", ")));
    format!("  {title}\n{}", indented(&table).lines().map(|line| format!("  {line}\n")).collect::<String>())
}

fn memory(way: &str, memory: &MemoryEstimate) -> String {
    let threads = count(memory.threads as u64, "thread");
    if way == "ordered" {
        return format!("about {} with {threads}, whatever the number of rows", ByteSize(memory.ordered_bytes));
    }
    let hashed = format!("about {} with {threads}", ByteSize(memory.hashed_bytes));
    let spilled = memory.hashed_spilled_bytes;
    let entries = ByteSize(memory.hashed_bytes.saturating_sub(memory.ordered_bytes) + spilled);
    match spilled {
        0 => format!("{hashed}, {entries} of it for the rows of one side; more where many rows differ"),
        _ => format!("{hashed}; the rows of both sides take {entries}, of which {} go to disk", ByteSize(spilled)),
    }
}

fn null_keys(key: &InspectedKey, inspection: &Inspection) -> String {
    let columns = inspection.columns.iter().filter(|column| key.columns.contains(&column.name));
    let told = columns.filter(|column| column.nulls != Some(0));
    let told: Vec<String> = told.map(|column| format!("{} in `{}`", nulls(column), escaped(&column.name))).collect();
    match told.as_slice() {
        [] => "none in the key".into(),
        _ => format!("{}; NULL in a key matches NULL", told.join(", ")),
    }
}
