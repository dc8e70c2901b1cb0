//! What of a source's path says which rows it stands for. Two nights read different paths: the date in them is another
//! one, or the value of a variable. A pattern that takes in other files, or a partition that is chosen by name, is a
//! different question.

use std::path::{Component, Path};

/// Stands for what differs from night to night.
pub const VARIES: char = '#';
/// Names of partitions that are parts of a date.
const PARTS_OF_DATES: [&str; 12] =
    ["year", "month", "week", "day", "hour", "minute", "y", "m", "d", "h", "date", "night"];

/// A path without dates. The values of its variables are `#` already, as far as they decide nothing.
///
/// In the name of a plain file or directory everything with a digit varies. In a pattern, and in the value of a
/// partition, a number may choose: there, only what looks like a date varies.
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

/// Whether a text chooses among files: a pattern, or a partition.
pub fn decides(text: &str) -> bool {
    text.contains(['*', '?', '[', '='])
}

fn is_part_of_date(name: &str) -> bool {
    PARTS_OF_DATES.iter().any(|part| name.eq_ignore_ascii_case(part))
}

/// A name in which words with digits vary, and words that vary side by side are one.
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

/// Whether a text ends with what varies; what joins one varying word to the next goes with them.
fn ends_varying(out: &mut String) -> bool {
    let joined = out.trim_end_matches(['-', '_', ':', '.', ' ']).len();
    let varies = out[..joined].ends_with(VARIES);
    if varies {
        out.truncate(joined);
    }
    varies
}

/// A name in which what looks like a date varies.
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

/// How long the date is with which a text begins: `2026-11-27`, `2026-11`, `20261127`, `20261127T020000Z`, or seconds
/// since 1970.
fn date_length(text: &str) -> Option<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let date = match digits(text) {
        run @ 8.. => run,
        4 if text.starts_with("19") || text.starts_with("20") => {
            let joint = text[4..].chars().next().filter(|c| matches!(c, '-' | '_' | '.'))?;
            let part = |at: usize| {
                let after = text.get(at..)?.strip_prefix(joint)?;
                (digits(after) == 2).then_some(at + 1 + 2)
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
