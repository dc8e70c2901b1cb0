//! Fields of structs that have rules of their own: each becomes a column beside that of the struct.

use arrow::datatypes::{DataType, Field};

use super::quoted;
use crate::job::{ColumnSettings, Setting};
use crate::snapshot::Snapshot;

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
    let columns = snapshot.stored_fields();
    if named(columns.iter().map(|field| field.as_ref()), path).is_some() {
        return None;
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let column = named(columns.iter().map(|field| field.as_ref()), &path[..dot])?;
        let (mut field, mut text) = (column, quoted(column.name()));
        for name in path[dot + 1..].split('.') {
            let DataType::Struct(fields) = field.data_type() else { return None };
            field = named(fields.iter().map(|field| field.as_ref()), name)?;
            text = format!("get_field({text}, '{}')", field.name().replace('\'', "''"));
        }
        Some(text)
    })
}

/// The field of a name, or the only one that differs from it in capitals.
fn named<'a>(fields: impl Iterator<Item = &'a Field> + Clone, name: &str) -> Option<&'a Field> {
    let mut folded = fields.clone().filter(|field| field.name().to_lowercase() == name.to_lowercase());
    match (fields.clone().find(|field| field.name() == name), folded.next(), folded.next()) {
        (Some(exact), ..) => Some(exact),
        (None, Some(only), None) => Some(only),
        _ => None,
    }
}
