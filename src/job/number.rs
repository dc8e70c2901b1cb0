//! Numbers of any size, within reason.

use bigdecimal::BigDecimal;

/// How many digits a number may have before or after its point, written out. A float has 1,074 at most.
const DIGITS_MAX: usize = 2_000;

/// The number that a text is; `None` if it is none. `1e999999999` is none, either: a comparison with it, or writing it
/// out, would not come to an end.
pub fn number(text: &str) -> Option<BigDecimal> {
    let number: BigDecimal = Some(text).filter(|text| text.len() <= DIGITS_MAX)?.parse().ok()?;
    let digits = number.fractional_digit_count().unsigned_abs();
    usize::try_from(digits).is_ok_and(|digits| digits <= DIGITS_MAX).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_that_cannot_be_written_out_are_none() {
        for text in ["0", "-1.50", "1e308", "4.9e-324", "123456789012345678901234567890"] {
            assert!(number(text).is_some(), "{text}");
        }
        for text in ["", "x", "1e999999999", "1e-999999999", "1e2001", "1e99999999999999999999"] {
            assert!(number(text).is_none(), "{text}");
        }
        assert!(number(&"9".repeat(2_001)).is_none());
    }
}
