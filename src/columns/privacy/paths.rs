//! Paths below a column: `person.ssn`, `people[].ssn`, `attributes.value`.

use arrow::datatypes::DataType;

/// Returns the part of a name below a column; `None` if the name is not a path of this column.
pub(super) fn below<'a>(name: &'a str, column: &str) -> Option<&'a str> {
    name.strip_prefix(column).filter(|rest| rest.starts_with(['.', '[']))
}

/// Whether a type has a field at this path. Brackets for the items of a list are optional.
pub(super) fn has_path(data_type: &DataType, path: &str) -> bool {
    if path.is_empty() {
        return true;
    }
    match data_type {
        DataType::Dictionary(_, value) => has_path(value, path),
        DataType::RunEndEncoded(_, value) => has_path(value.data_type(), path),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => has_path(item.data_type(), after_index(path).unwrap_or(path)),
        DataType::Struct(fields) => after_dot(path).is_some_and(|path| {
            fields.iter().any(|field| {
                let rest = path.strip_prefix(field.name().as_str());
                rest.is_some_and(|rest| has_path(field.data_type(), rest))
            })
        }),
        DataType::Map(entries, _) => after_dot(path).is_some_and(|path| {
            let DataType::Struct(parts) = entries.data_type() else { return false };
            ["key", "value"]
                .iter()
                .zip(parts)
                .any(|(name, part)| path.strip_prefix(name).is_some_and(|rest| has_path(part.data_type(), rest)))
        }),
        _ => false,
    }
}

fn after_dot(path: &str) -> Option<&str> {
    path.strip_prefix('.')
}

/// Returns the part after `[]` or `[3]`.
fn after_index(path: &str) -> Option<&str> {
    let (number, rest) = path.strip_prefix('[')?.split_once(']')?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::{below, has_path};

    #[test]
    fn paths_lead_through_structs_lists_and_maps() {
        let person = DataType::Struct(
            vec![Field::new("ssn", DataType::Utf8, true), Field::new("a.b", DataType::Utf8, true)].into(),
        );
        let people = DataType::List(Field::new("item", person.clone(), true).into());
        let entries = DataType::Struct(
            vec![Field::new("k", DataType::Utf8, false), Field::new("v", people.clone(), true)].into(),
        );
        let map = DataType::Map(Field::new("entries", entries, false).into(), false);
        for (data_type, path) in [
            (&person, ".ssn"),
            (&person, ".a.b"),
            (&people, "[].ssn"),
            (&people, "[12].ssn"),
            (&people, ".ssn"),
            (&map, ".key"),
            (&map, ".value"),
            (&map, ".value[].ssn"),
        ] {
            assert!(has_path(data_type, path), "{path}");
        }
        for (data_type, path) in
            [(&person, ".snn"), (&person, ".ss"), (&person, ".ssn.x"), (&people, "[x].ssn"), (&map, ".ssn"), (&map, "")]
        {
            assert_eq!(has_path(data_type, path), path.is_empty(), "{path}");
        }
        assert_eq!((below("person.ssn", "person"), below("personal", "person")), (Some(".ssn"), None));
    }
}
