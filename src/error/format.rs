//! Fragments of messages.

pub(super) fn skipped_note(skipped: usize) -> String {
    match skipped {
        0 => String::new(),
        1 => " (1 file whose name begins with `_` or `.` was skipped)".into(),
        n => format!(" ({n} files whose names begin with `_` or `.` were skipped)"),
    }
}

/// Formats a name as a key of a TOML table, without quotes if possible.
pub(super) fn toml_key(name: &str) -> String {
    match name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        true => name.into(),
        false => format!("{name:?}"),
    }
}

/// Removes the prefixes that libraries put before a message, one around the other.
pub(super) fn plain_reason(reason: &str) -> &str {
    let mut plain = reason;
    for prefix in ["Arrow error: ", "Parquet argument error: ", "Parquet error: ", "External: "].repeat(2) {
        plain = plain.strip_prefix(prefix).unwrap_or(plain);
    }
    plain
}

pub(super) fn mistakes_note(number: usize) -> String {
    match number {
        1 => "an error:".into(),
        n => format!("{n} errors:"),
    }
}

pub(super) fn suggestion_note(suggestion: Option<&str>) -> String {
    suggestion.map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}
