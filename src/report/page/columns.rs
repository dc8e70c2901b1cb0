//! The columns: what differs in each, what its rules did, and which were not compared.

use super::{Block, Column, Format, Headers, Inline, Page, Span, Table};
use crate::compare::discrepancy::Tier;
use crate::report::{Comparison, grouped};

/// The compared columns.
pub(super) fn add_columns(found: &Comparison, page: &mut Page) {
    if found.key.is_empty() {
        // without a key there are no pairs to count by column
        return;
    }
    let is_found = |tier: &Tier| found.columns.iter().any(|column| column.equal_by(*tier) > 0);
    let tiers: Vec<Tier> = Tier::ALL.into_iter().filter(is_found).collect();
    let has_unreadable = found.columns.iter().any(|column| column.unreadable > 0);
    let detail = |name: &str| Column::number(name).only(Format::Text);
    let columns = [Column::text("column"), Column::text("old"), Column::text("new"), Column::number("mismatches")];
    let columns = columns.into_iter().chain(has_unreadable.then(|| detail("unreadable")));
    let columns = columns.chain(tiers.iter().map(|tier| detail(tier.label())));
    let mut table = Table { headers: Headers::Needed, ..Table::new(columns) };
    for column in &found.columns {
        let is_key = found.key.contains(&column.name);
        let cells: [Inline; 4] = [
            Span::Name(column.name.clone()).into(),
            Span::Type(column.old_type.clone()).into(),
            Span::Type(column.new_type.clone()).into(),
            if is_key { "key".into() } else { grouped(column.mismatches).into() },
        ];
        let cells = cells.into_iter().chain(has_unreadable.then(|| grouped(column.unreadable).into()));
        table.row(cells.chain(tiers.iter().map(|tier| grouped(column.equal_by(*tier)).into())));
    }
    page.section().add(table);
}

/// The rules, and the pairs of rows that are equal in a column only by each.
pub(super) fn add_rules(found: &Comparison, page: &mut Page) {
    let mut table = Table::new([Column::text("column"), Column::text("rule"), Column::text("rows")]).titled("rules");
    for column in &found.columns {
        for rule in &column.rules {
            table.row([
                Span::Name(column.name.clone()).into(),
                Span::Value(rule.rule.clone()).into(),
                Span::Verbatim(column.describe(rule)).into(),
            ]);
        }
    }
    if !table.rows.is_empty() {
        page.section().add(table);
    }
}

/// The columns that took no part.
pub(super) fn add_not_compared(found: &Comparison, page: &mut Page) {
    let coverage = &found.coverage;
    let mut table = Table::new([Column::text("not compared"), Column::text("columns")]).titled("not compared");
    for (reason, names) in [
        ("no defined equality", &coverage.incomparable),
        ("only in old", &coverage.old_only),
        ("only in new", &coverage.new_only),
        ("ignored", &coverage.ignored),
    ] {
        if !names.is_empty() {
            table.row([reason.into(), Inline::names(names)]);
        }
    }
    let section = page.section();
    match table.rows.is_empty() {
        // only text says so
        true => section.add_for(Format::Text, Block::sentence("not compared: nothing; every column took part")),
        false => section.add(table),
    };
}
