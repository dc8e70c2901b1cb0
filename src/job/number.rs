//! Parses numbers of any reasonable size.

use bigdecimal::BigDecimal;

/// The maximum number of digits before or after the decimal point, without an exponent. A float has at most 1,074.
const DIGITS_MAX: usize = 2_000;

/// Parses a number; `None` if the text is not a number, or is a number such as `1e999999999`, which would take forever
/// to compare or to write out.
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
