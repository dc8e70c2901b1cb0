//! Fits lines into the width of a terminal.

use unicode_width::UnicodeWidthStr;

/// The narrowest that a column of text becomes.
const COLUMN_MIN: usize = 12;

/// The number of cells of a terminal that a text takes.
pub(super) fn display_width(text: &str) -> usize {
    text.width()
}

/// The beginning of a text that takes at most this many cells.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.into();
    }
    let mut short = String::new();
    for c in text.chars() {
        if display_width(&short) + display_width(c.encode_utf8(&mut [0; 4])) >= width {
            break;
        }
        short.push(c);
    }
    short + "…"
}

/// Breaks lines that are too long at blanks. What follows is indented by two more cells.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let mut used = 0;
        for word in line.trim_start().split(' ') {
            let own = display_width(word);
            if used == 0 {
                out.push_str(&line[..indent]);
                used = indent;
            } else if used + 1 + own > width && used > indent + 2 {
                out.push('\n');
                out.push_str(&" ".repeat(indent + 2));
                used = indent + 2;
            } else {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += own;
        }
        out.push('\n');
    }
    out
}

/// `45 more columns`.
pub(super) fn more_columns(count: usize) -> String {
    format!("{count} more {}", if count == 1 { "column" } else { "columns" })
}

/// Puts items on lines with commas between them, at most `lines_max`; says how many are left out, with `more` that are
/// not among them.
pub(super) fn fill(items: &[String], indent: usize, width: usize, lines_max: usize, more: usize) -> String {
    let mut lines = vec![String::new()];
    let last = items.len().saturating_sub(1);
    let mut left = more;
    for (number, item) in items.iter().enumerate() {
        let item = shorten(item, width.saturating_sub(indent + 1));
        let item = if number == last && more == 0 { item } else { item + "," };
        let line = lines.last().map_or(0, |line| display_width(line));
        if line > 0 && indent + line + 1 + display_width(&item) > width {
            if lines.len() == lines_max {
                left += items.len() - number;
                break;
            }
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&item);
        }
    }
    lines.extend((left > 0).then(|| format!("… and {}", more_columns(left))));
    lines.iter().map(|line| format!("{}{line}\n", " ".repeat(indent))).collect()
}

/// How wide each column may be, so that a table with two cells between its columns takes at most `width`. Only columns
/// that may be cut become narrower, the widest first.
pub(super) fn column_widths(natural: &[usize], may_be_cut: &[bool], width: usize) -> Vec<usize> {
    let mut widths = natural.to_vec();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    while total(&widths) > width {
        let cuttable = (0..widths.len()).filter(|&at| may_be_cut[at] && widths[at] > COLUMN_MIN);
        let Some(widest) = cuttable.max_by_key(|&at| widths[at]) else { break };
        widths[widest] -= 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("  one two three\nfour", 11), "  one two\n    three\nfour\n");
        assert_eq!(wrap("unbreakable word", 5), "unbreakable\n  word\n");
        assert_eq!(wrap("表表 表表", 8), "表表\n  表表\n");
    }

    #[test]
    fn texts_are_cut_to_the_cells_that_they_take() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdef", 5), "abcd…");
        assert_eq!(shorten("表表表", 5), "表表…");
    }

    #[test]
    fn items_fill_lines_and_the_rest_is_counted() {
        let items = ["a = 1", "b = 2", "c = 3", "d = 4"].map(String::from);
        assert_eq!(fill(&items, 2, 80, 3, 0), "  a = 1, b = 2, c = 3, d = 4\n");
        assert_eq!(fill(&items, 2, 16, 1, 5), "  a = 1, b = 2,\n  … and 7 more columns\n");
    }

    #[test]
    fn the_widest_columns_become_narrower() {
        assert_eq!(column_widths(&[30, 20, 5], &[true, true, false], 50), [21, 20, 5]);
        assert_eq!(column_widths(&[12, 12], &[true, true], 10), [12, 12]);
    }
}
