//! The groups that move as a whole, as text.

use std::fmt::Write;

use super::{cut, nested, plain_table, right_align};
use crate::checks::groups::GroupReport;
use crate::equality::value_text::escaped;
use crate::report::{count, grouped};

/// The section on groups; nothing, where the job has none.
pub fn render(groups: Option<&GroupReport>) -> String {
    let Some(groups) = groups else { return String::new() };
    let mut table = plain_table();
    for (state, found, description) in [
        ("ready", groups.ready, "nothing at all is wrong with them"),
        ("partial", groups.partial, "new has some of it, and not all of it is right"),
        ("untouched", groups.untouched, "new has nothing of it"),
    ] {
        table.add_row([state, &grouped(found), description]);
    }
    right_align(&mut table, &[1]);
    let mut out = format!("  groups by {}\n{}", escaped(&groups.by.join(", ")), nested(&table));
    for doubt in &groups.doubts {
        let _ = writeln!(out, "    none is called ready: {}", escaped(doubt));
    }
    let mut table = plain_table();
    for group in &groups.first {
        let values =
            group.values.iter().map(|value| value.as_deref().map_or("NULL".into(), |value| cut(&escaped(value))));
        let rows = format!("{} in old, {} in new", count(group.rows.old, "row"), grouped(group.rows.new));
        let mut wrong = vec![];
        if group.discrepancies > 0 {
            wrong.push(match group.discrepancies {
                1 => "1 discrepancy".into(),
                many => format!("{} discrepancies", grouped(many)),
            });
        }
        if group.violations > 0 {
            wrong.push(count(group.violations, "violation"));
        }
        table.add_row([values.collect::<Vec<_>>().join(", "), rows, wrong.join(", ")]);
    }
    if !groups.first.is_empty() {
        let shown = match groups.first.len() as u64 {
            all if all == groups.partial => "all".to_string(),
            few => format!("first {few}"),
        };
        out += &format!("\n  partial ({shown} of {})\n{}", grouped(groups.partial), nested(&table));
    }
    out
}
