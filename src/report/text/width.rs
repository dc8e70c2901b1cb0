//! Keeps values short; the lists have them whole.

/// How many characters of a value are shown.
pub(super) const VALUE_WIDTH: usize = 60;
/// How many characters that two values share are shown before those that differ.
const CONTEXT: usize = 20;

/// The beginning of a value, with its length if there is more of it.
pub(super) fn cut(value: &str) -> String {
    cut_beside(value, value, VALUE_WIDTH)
}

/// The part of a value in which it begins to differ from another one, in at most `width` characters and its length.
pub(super) fn cut_beside(value: &str, other: &str, width: usize) -> String {
    let length = value.chars().count();
    if length <= width {
        return value.into();
    }
    let equal = value.chars().zip(other.chars()).take_while(|(own, other)| own == other).count();
    let context = CONTEXT.min(width / 3);
    let skipped = match equal < length && equal + context > width {
        true => equal.saturating_sub(context).min(length - width),
        false => 0,
    };
    let shown: String = value.chars().skip(skipped).take(width).collect();
    let before = if skipped > 0 { "…" } else { "" };
    let after = if skipped + width < length { "…" } else { "" };
    format!("{before}{shown}{after} ({length} characters)")
}

#[cfg(test)]
mod tests {
    use super::cut;

    fn cut_beside(value: &str, other: &str) -> String {
        super::cut_beside(value, other, super::VALUE_WIDTH)
    }

    #[test]
    fn a_value_is_cut_by_characters_and_not_by_bytes() {
        let fits = "ü".repeat(60);
        assert_eq!(cut(&fits), fits);
        assert_eq!(cut(&"ü".repeat(61)), format!("{fits}… (61 characters)"));
    }

    #[test]
    fn a_value_beside_another_is_shown_where_they_begin_to_differ() {
        let (own, other) = ("x".repeat(100) + &"y".repeat(100), "x".repeat(200));
        let shown = format!("…{}{}… (200 characters)", "x".repeat(20), "y".repeat(40));
        assert_eq!(cut_beside(&own, &other), shown);
        // the other one ends before they differ within what is shown anyway
        assert_eq!(cut_beside(&other, "x"), format!("{}… (200 characters)", "x".repeat(60)));
        // at the end, there is less to show after the difference and more before it
        let last = "x".repeat(199) + "y";
        assert_eq!(cut_beside(&last, &other), format!("…{}y (200 characters)", "x".repeat(59)));
    }
}
