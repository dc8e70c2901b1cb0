//! Finds the part of a source's path that decides which rows it has. The path is different every night, because of a
//! date or the value of a variable, and this does not matter. A glob that matches other files, or another partition by
//! name, asks a different question.

use std::path::{Component, Path};

/// Replaces what differs from night to night.
pub const VARIES: char = '#';
/// Partition columns that are parts of a date.
const PARTS_OF_DATES: [&str; 12] =
    ["year", "month", "week", "day", "hour", "minute", "y", "m", "d", "h", "date", "night"];

/// Returns a path without dates. Values of variables have already been replaced by `#`, unless they choose among files.
///
/// In the name of a plain file or directory, every word with a digit varies. In a glob, and in the value of a
/// partition, a number may choose files: there, only what looks like a date varies.
pub fn layout(path: &str) -> String {
    let parts = Path::new(path).components().filter_map(|part| match part {
        Component::CurDir => None,
        part => Some(part.as_os_str().to_string_lossy()),
    });
    let settled = parts.map(|part| match part.split_once('=') {
        _ if decides(&part) && !part.contains('=') => without_dates(&part),
        Some((name, value)) if is_part_of_date(name) && value.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{name}={VARIES}")
        }
        Some(_) => without_dates(&part),
        None => without_numbers(&part),
    });
    settled.collect::<Vec<_>>().join("/")
}

/// Whether a text chooses among files: a glob, or a partition.
pub fn decides(text: &str) -> bool {
    text.contains(['*', '?', '[', '='])
}

fn is_part_of_date(name: &str) -> bool {
    PARTS_OF_DATES.iter().any(|part| name.eq_ignore_ascii_case(part))
}

/// Replaces segments with digits, and merges adjacent replacements.
fn without_numbers(name: &str) -> String {
    let mut out = String::new();
    let is_word = |c: char| c.is_alphanumeric() || c == VARIES;
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(length);
        let varies = piece.contains(|c: char| c.is_numeric() || c == VARIES);
        if !varies {
            out.push_str(piece);
        } else if !ends_varying(&mut out) {
            out.push(VARIES);
        }
        rest = after;
    }
    out
}

/// Whether a text ends with a replacement. If so, truncates the separators after it.
fn ends_varying(out: &mut String) -> bool {
    let joined = out.trim_end_matches(['-', '_', ':', '.', ' ']).len();
    let varies = out[..joined].ends_with(VARIES);
    if varies {
        out.truncate(joined);
    }
    varies
}

/// Replaces what looks like a date.
fn without_dates(name: &str) -> String {
    let (mut out, mut rest) = (String::new(), name);
    while let Some(first) = rest.chars().next() {
        let is_start = !out.ends_with(|c: char| c.is_ascii_digit());
        match date_length(rest).filter(|_| is_start) {
            Some(length) => {
                out.push(VARIES);
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// Returns the length in bytes of the date at the start of a text: `2026-11-27`, `2026-11`, `20261127`,
/// `20261127T020000Z`, or seconds since 1970.
fn date_length(text: &str) -> Option<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let date = match digits(text) {
        run @ 8.. => run,
        4 if text.starts_with("19") || text.starts_with("20") => {
            let joint = text[4..].chars().next().filter(|c| matches!(c, '-' | '_' | '.'))?;
            let part = |start: usize| {
                let after = text.get(start..)?.strip_prefix(joint)?;
                (digits(after) == 2).then_some(start + 1 + 2)
            };
            let month = part(4)?;
            part(month).unwrap_or(month)
        }
        _ => return None,
    };
    let time = text[date..].strip_prefix(['T', 't']).map_or(0, |time| {
        let length = time.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count();
        let zone = usize::from(time[length..].starts_with(['Z', 'z']));
        if length == 0 { 0 } else { 1 + length + zone }
    });
    Some(date + time)
}

#[cfg(test)]
mod tests {
    use super::layout;

    #[test]
    fn what_changes_from_night_to_night_varies() {
        for (path, settled) in [
            ("./exports/2026-11-27/old/", "exports/#/old"),
            ("exports/20261127T020000Z-3fa9c1/old.parquet", "exports/#/old.parquet"),
            ("exports/day-2/#/customers_v2.parquet", "exports/day-#/#/customers_#.parquet"),
            ("exports/#/*.parquet", "exports/#/*.parquet"),
            ("exports/*-2026-11-27*.parquet", "exports/*-#*.parquet"),
            ("exports/*_20261127T02:00Z.parquet", "exports/*_#.parquet"),
            ("exports/year=2026/month=11/day=27", "exports/year=#/month=#/day=#"),
            ("exports/dt=2026-11-27/part-*", "exports/dt=#/part-*"),
            ("/data/old.parquet", "//data/old.parquet"),
        ] {
            assert_eq!(layout(path), settled, "{path}");
        }
    }

    #[test]
    fn what_chooses_rows_does_not() {
        for (one, other) in [
            ("exports/part-0*.parquet", "exports/part-1*.parquet"),
            ("exports/*.parquet", "exports/**/*.parquet"),
            ("exports/region=1", "exports/region=2"),
            ("exports/region=eu", "exports"),
            ("exports/open.parquet", "exports/all.parquet"),
            ("exports/[0-3]*", "exports/[0-4]*"),
        ] {
            assert_ne!(layout(one), layout(other));
        }
    }
}
