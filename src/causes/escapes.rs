//! Text that a program escaped once more than its readers undo.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// How `other` is the escaped form of `plain`; `None` if it is not.
pub(super) fn escaped(plain: &str, other: &str) -> Option<&'static str> {
    if other.len() <= plain.len() {
        return None;
    }
    if other.contains('&') && html(other) == plain {
        return Some("HTML");
    }
    if other.contains(['%', '+']) {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().is_ok_and(|decoded| decoded == plain);
        if other.contains('%') && (decoded(other) || decoded(&other.replace('+', "%20"))) {
            return Some("URL");
        }
    }
    if other.contains('\\') {
        let quoted = if other.starts_with('"') { Cow::Borrowed(other) } else { Cow::Owned(format!("\"{other}\"")) };
        if serde_json::from_str::<String>(&quoted).is_ok_and(|decoded| decoded == plain) {
            return Some("JSON");
        }
        if backslashes(other) == plain {
            return Some("backslashes");
        }
    }
    if other.contains('"') {
        let inner = other.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if inner.is_some_and(|inner| inner.replace("\"\"", "\"") == plain) || other.replace("\"\"", "\"") == plain {
            return Some("CSV");
        }
    }
    (other.contains("''") && other.replace("''", "'") == plain).then_some("SQL")
}

/// The text without backslashes before other characters, as MySQL and PostgreSQL read them.
fn backslashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, false) => out.push(c),
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                Some(next) => out.push(next),
                None => out.push(c),
            },
        }
    }
    out
}

/// The text with HTML's named and numbered characters replaced.
fn html(text: &str) -> String {
    const NAMES: [(&str, &str); 14] = [
        ("amp", "&"),
        ("lt", "<"),
        ("gt", ">"),
        ("quot", "\""),
        ("apos", "'"),
        ("nbsp", "\u{a0}"),
        ("auml", "ä"),
        ("ouml", "ö"),
        ("uuml", "ü"),
        ("Auml", "Ä"),
        ("Ouml", "Ö"),
        ("Uuml", "Ü"),
        ("szlig", "ß"),
        ("eacute", "é"),
    ];
    let mut out = String::with_capacity(text.len());
    let mut left = text;
    while let Some(at) = left.find('&') {
        out.push_str(&left[..at]);
        left = &left[at + 1..];
        let name = left.split_once(';').map(|(name, _)| name).filter(|name| name.len() <= 8);
        let number = |name: &str| {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).map(String::from)
        };
        let named = |name: &str| NAMES.iter().find(|(known, _)| *known == name).map(|(_, c)| c.to_string());
        match name.and_then(|name| Some((name, named(name).or_else(|| number(name))?))) {
            Some((name, c)) => {
                out.push_str(&c);
                left = &left[name.len() + 1..];
            }
            None => out.push('&'),
        }
    }
    out + left
}
