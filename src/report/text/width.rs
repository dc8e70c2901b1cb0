//! Keeps values short; the lists have them whole.

/// How many characters of a value are shown.
const VALUE_WIDTH: usize = 60;
/// How many characters that two values share are shown before those that differ.
const CONTEXT: usize = 20;

/// The beginning of a value, with its length if there is more of it.
pub(super) fn cut(value: &str) -> String {
    cut_beside(value, value)
}

/// The part of a value in which it begins to differ from another one.
pub(super) fn cut_beside(value: &str, other: &str) -> String {
    let length = value.chars().count();
    if length <= VALUE_WIDTH {
        return value.into();
    }
    let equal = value.chars().zip(other.chars()).take_while(|(own, other)| own == other).count();
    let skipped = match equal < length && equal + CONTEXT > VALUE_WIDTH {
        true => equal.saturating_sub(CONTEXT).min(length - VALUE_WIDTH),
        false => 0,
    };
    let shown: String = value.chars().skip(skipped).take(VALUE_WIDTH).collect();
    let before = if skipped > 0 { "…" } else { "" };
    let after = if skipped + VALUE_WIDTH < length { "…" } else { "" };
    format!("{before}{shown}{after} ({length} characters)")
}

#[cfg(test)]
mod tests {
    use super::{cut, cut_beside};

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
