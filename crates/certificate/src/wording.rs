//! Formats numbers, texts, and lists for messages.

use std::io;

/// A number with its noun: `1 row`, `1,234 rows`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", grouped(number)),
    }
}

/// A number with thousands separators: `1,234`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Text in double quotes on one line. Invisible characters are escaped, so that different texts look different.
pub fn quoted(text: &str) -> String {
    let character = |c: char| match c {
        '"' => "\\\"".to_string(),
        '\\' => "\\\\".to_string(),
        c => visible(c),
    };
    format!("\"{}\"", text.chars().map(character).collect::<String>())
}

/// A character in visible form for a terminal.
pub fn visible(c: char) -> String {
    match c {
        '"' | '\'' | '\\' => c.into(),
        // escapes control, format, and private-use characters, line breaks, and combining marks without a base
        c => c.escape_debug().collect(),
    }
}

/// An ID for messages: its quoted parts, or NULL, separated by commas.
pub fn id<'a>(parts: impl IntoIterator<Item = Option<&'a str>>) -> String {
    parts.into_iter().map(|text| text.map_or("NULL".into(), quoted)).collect::<Vec<_>>().join(", ")
}

/// Lines below a message, indented by two spaces.
pub fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {}", line.replace('\n', "\n    "))).collect()
}

/// Advice for a file that cannot be written because the disk is full; empty for other errors.
pub fn disk_note(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
            "\n  free some space and run again; nothing was left half-written"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nouns_agree_with_them() {
        let all = [0, 1, 12, 999, 1_000, 45_678, 123_456, 1_234_567, u64::MAX].map(grouped);
        let expected = ["0", "1", "12", "999", "1,000", "45,678", "123,456", "1,234,567", "18,446,744,073,709,551,615"];
        assert_eq!(all, expected);
        assert_eq!([count(0, "row"), count(1, "row"), count(1_000, "row")], ["0 rows", "1 row", "1,000 rows"]);
    }
}
