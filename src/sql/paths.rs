//! Fields of structs that have rules of their own: each becomes a column beside that of the struct.

use super::quoted;
use crate::job::{ColumnSettings, Setting};
use crate::snapshot::{FieldPath, Snapshot};

/// The settings that name a field of a struct, such as `address.geo.lat`, with the expression for it.
pub(super) fn expressions<'a>(
    columns: &'a [ColumnSettings],
    snapshot: &Snapshot,
) -> impl Iterator<Item = (&'a str, Setting)> {
    columns.iter().filter_map(move |settings| {
        let [name] = settings.names.as_slice() else { return None };
        if settings.has_own_columns() {
            return None;
        }
        Some((name.text.as_str(), Setting { text: expression(snapshot, &name.text)?, origin: name.origin.clone() }))
    })
}

/// The field at a path as an expression; `None` if there is a column of that name, or no such field.
fn expression(snapshot: &Snapshot, path: &str) -> Option<String> {
    let FieldPath { column, fields } = snapshot.field_path(path)?;
    let field = |inner: String, name: &String| format!("get_field({inner}, '{}')", name.replace('\'', "''"));
    Some(fields.iter().fold(quoted(&column), field))
}
