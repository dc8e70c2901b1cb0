//! The strategy of a diff, the reason for it, and its memory.

use bytesize::ByteSize;

use super::columns::nulls;
use super::has_many_groups;
use crate::compare::matching::MemoryEstimate;
use crate::equality::value_text::escaped;
use crate::report::text::{indented, plain_table};
use crate::report::{MatchingWay, count};
use crate::tools::inspect::{FirstKeys, InspectedKey, Inspection, listed};

/// The prediction of a diff by the key, or the columns that could be one.
pub(super) fn render(inspection: &Inspection) -> String {
    match &inspection.key {
        Some(key) => way_of(key, inspection),
        None if inspection.rows == 0 => String::new(),
        None => format!("  key  {}\n", candidates(inspection)),
    }
}

fn candidates(inspection: &Inspection) -> String {
    let names: Vec<String> = inspection.key_candidates.iter().map(|name| format!("`{}`", escaped(name))).collect();
    let message = match (names.len(), has_many_groups(inspection)) {
        (0, false) => "there is one row group, so the footers do not show the order of the rows".into(),
        (0, true) => "according to the footers, row groups ascend by no column, so a diff would use a hash join".into(),
        (1, _) => format!("row groups ascend by {}, so a diff by it may use a merge join", names[0]),
        (_, _) => {
            format!("row groups ascend by {}; a diff by one of them may use a merge join", listed(names.into_iter()))
        }
    };
    format!("{message}\n       --key COLUMN,… shows the strategy and the memory of a diff by that key")
}

fn way_of(key: &InspectedKey, inspection: &Inspection) -> String {
    let mut table = plain_table();
    let strategy = match key.way {
        None | Some(MatchingWay::None) => "none",
        Some(MatchingWay::Ordered) => "ordered",
        Some(MatchingWay::Hashed | MatchingWay::Multiset) => "hashed",
    };
    table.add_row(["strategy", &format!("{strategy}: {}", escaped(&key.reason))]);
    if key.first_keys == FirstKeys::Ascend {
        table.add_row(["order", "verified row by row while reading; if it is violated, the strategy becomes hashed"]);
    }
    if strategy != "none" {
        table.add_row(["memory", &memory(strategy, &key.memory)]);
        table.add_row(["NULLs", &null_keys(key, inspection)]);
    }
    let title = format!("diff by {}, with a snapshot of the same layout", escaped(&key.columns.join(", ")));
    format!("  {title}\n{}", indented(&table).lines().map(|line| format!("  {line}\n")).collect::<String>())
}

fn memory(strategy: &str, memory: &MemoryEstimate) -> String {
    let threads = count(memory.threads as u64, "thread");
    if strategy == "ordered" {
        return format!("about {} with {threads}, regardless of the number of rows", ByteSize(memory.ordered_bytes));
    }
    let hashed = format!("about {} with {threads}", ByteSize(memory.hashed_bytes));
    let spilled = memory.hashed_spilled_bytes;
    let entries = ByteSize(memory.hashed_bytes.saturating_sub(memory.ordered_bytes) + spilled);
    match spilled {
        0 => format!("{hashed}, {entries} of it for the rows of one side; more if many rows differ"),
        _ => format!("{hashed}; the rows of both sides take {entries}, of which {} spill to disk", ByteSize(spilled)),
    }
}

fn null_keys(key: &InspectedKey, inspection: &Inspection) -> String {
    let columns = inspection.columns.iter().filter(|column| key.columns.contains(&column.name));
    let with_nulls = columns.filter(|column| column.nulls != Some(0));
    let described: Vec<String> =
        with_nulls.map(|column| format!("{} in `{}`", nulls(column), escaped(&column.name))).collect();
    match described.as_slice() {
        [] => "none in the key".into(),
        _ => format!("{}; NULL in a key matches NULL", described.join(", ")),
    }
}
