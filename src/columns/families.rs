//! Columns whose types cannot be compared: the error, and the rule that would make them comparable.

use super::Role;
use crate::equality::canonical::domain::Family;
use crate::error::{Error, ErrorKind};
use crate::sides::Sides;

/// Builds the error, with the types of both sides and what the user can do.
pub(super) fn different_families(
    column: &str,
    types: &Sides<String>,
    path: String,
    families: Sides<Family>,
    role: Role,
) -> Error {
    let kind =
        |data_type: &String, family: Family| ErrorKind { data_type: data_type.clone(), family: family.to_string() };
    let kinds = Sides { old: kind(&types.old, families.old), new: kind(&types.new, families.new) };
    let otherwise = match role {
        Role::Key => "choose another key".into(),
        Role::Value => {
            let column = ignorable(&path);
            format!("ignore it: --ignore {column}, in a job ignore = [\"{column}\"]")
        }
    };
    // rules apply to whole columns; a part of one needs an expression
    let line = if path == column { bridge(column, families) } else { expression(column) };
    Error::DifferentFamilies { column: path, pair: column.into(), kinds: kinds.into(), line, otherwise }
}

/// Returns the part of a path that can be ignored. Items of lists and maps cannot be ignored by themselves.
fn ignorable(path: &str) -> &str {
    let shorter = ["[]", ".key", ".value"].iter().find_map(|end| path.strip_suffix(end));
    shorter.map_or(path, ignorable)
}

/// Returns the rule that would make two families comparable, as a line of a job file.
fn bridge(column: &str, families: Sides<Family>) -> String {
    use Family::*;
    let other = if families.old == Text { families.new } else { families.old };
    let reading = match (families.old, families.new) {
        (ZonedTimestamp, NaiveTimestamp) | (NaiveTimestamp, ZonedTimestamp) => return "assume_tz = \"UTC\"".into(),
        (Text, _) | (_, Text) => match other {
            Number => "decimal",
            Boolean => "boolean",
            Binary => "hex",
            Uuid => "uuid",
            Json => "json",
            Date => "date",
            ZonedTimestamp | NaiveTimestamp => "timestamp",
            Text | Time => "text",
            Duration | List | Struct | Map => return expression(column),
        },
        (Uuid, Binary) | (Binary, Uuid) => "uuid",
        (Date, ZonedTimestamp | NaiveTimestamp) | (ZonedTimestamp | NaiveTimestamp, Date) => "date",
        (Boolean, Number) | (Number, Boolean) => "boolean",
        _ => return expression(column),
    };
    format!("as = \"{reading}\"")
}

fn expression(column: &str) -> String {
    format!("old_expr = \"… {column} …\"")
}
