//! The distance of two numbers, at a cost proportional to their digits: a text of eleven characters can be a number
//! with 100 million digits.

use std::cmp::Ordering;

use super::Decimal;

impl Decimal {
    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Compares the absolute values of two numbers.
    fn cmp_size(&self, other: &Self) -> Ordering {
        let order = |number: &Self| (!number.is_zero(), number.exponent);
        // digits are ASCII and have no zeros at either end
        order(self).cmp(&order(other)).then_with(|| self.digits.cmp(&other.digits))
    }

    /// The difference of two absolute values, of which the first must not be smaller.
    fn minus(&self, other: &Self) -> Self {
        let low = |number: &Self| number.exponent - number.digits.len() as i64;
        let lowest = low(self).min(low(other));
        let length = (self.exponent - lowest) as usize;
        let digit = |number: &Self, place: usize| {
            // positions are counted from the lowest digit
            let at = number.exponent - lowest - 1 - place as i64;
            usize::try_from(at).ok().and_then(|at| number.digits.get(at)).map_or(0, |digit| digit - b'0')
        };
        let mut digits = vec![b'0'; length];
        let mut borrowed = 0;
        for place in 0..length {
            let (upper, lower) = (digit(self, place), digit(other, place) + borrowed);
            borrowed = u8::from(upper < lower);
            digits[length - 1 - place] = b'0' + upper + 10 * borrowed - lower;
        }
        Decimal { negative: false, digits, exponent: self.exponent }.settled()
    }

    /// The product of two absolute values.
    fn times(&self, other: &Self) -> Self {
        let mut places = vec![0_u64; self.digits.len() + other.digits.len()];
        for (at, digit) in other.digits.iter().enumerate() {
            for (own, own_digit) in self.digits.iter().enumerate() {
                places[own + at + 1] += u64::from(digit - b'0') * u64::from(own_digit - b'0');
            }
        }
        let mut carried = 0;
        for place in places.iter_mut().rev() {
            let sum = *place + carried;
            (*place, carried) = (sum % 10, sum / 10);
        }
        let digits = places.into_iter().map(|digit| b'0' + digit as u8).collect();
        Decimal { negative: false, digits, exponent: self.exponent + other.exponent }.settled()
    }

    /// Compares the distance of two numbers with `bound`, which is not negative.
    ///
    /// The cost depends on the number of digits, not on the distance of the exponents: a text of eleven characters can
    /// be a number with 100 million digits.
    pub(crate) fn cmp_distance(&self, other: &Self, bound: &Self) -> Ordering {
        let (larger, smaller) = if self.cmp_size(other).is_ge() { (self, other) } else { (other, self) };
        let is_one_sided = larger.negative == smaller.negative || smaller.is_zero();
        let (top, bound_top) = (larger.exponent, bound.exponent);
        match () {
            () if larger.is_zero() => {
                if bound.is_zero() {
                    Ordering::Equal
                } else {
                    Ordering::Less
                }
            }
            () if bound.is_zero() => match is_one_sided && larger.cmp_size(smaller).is_eq() {
                true => Ordering::Equal,
                false => Ordering::Greater,
            },
            // twice the larger number is less than the bound
            () if top.saturating_add(2) <= bound_top => Ordering::Less,
            // however the smaller number changes the larger one, the result is beyond the bound
            () if bound_top.saturating_add(2) <= top
                && (!is_one_sided || smaller.exponent.saturating_add(2) <= top) =>
            {
                Ordering::Greater
            }
            // the difference of the absolute values, or their sum
            () if is_one_sided => match larger.cmp_size(bound) {
                Ordering::Equal if smaller.is_zero() => Ordering::Equal,
                Ordering::Less | Ordering::Equal => Ordering::Less,
                Ordering::Greater if bound_top.saturating_add(2) <= top => larger.minus(smaller).cmp_size(bound),
                Ordering::Greater => larger.minus(bound).cmp_size(smaller),
            },
            () => match larger.cmp_size(bound) {
                Ordering::Greater => Ordering::Greater,
                Ordering::Less | Ordering::Equal => smaller.cmp_size(&bound.minus(larger)),
            },
        }
    }

    /// Whether two numbers differ by at most a share of the larger absolute value. The exponent of the share is small.
    pub(crate) fn is_within_share(&self, other: &Self, share: &Self) -> bool {
        let (larger, smaller) = if self.cmp_size(other).is_ge() { (self, other) } else { (other, self) };
        let one = Decimal { negative: false, digits: vec![b'1'], exponent: 1 };
        let is_one_sided = larger.negative == smaller.negative || smaller.is_zero();
        let is_whole = share.cmp_size(&one).is_ge();
        match (is_one_sided, is_whole) {
            (true, true) => true,
            // the larger number minus its share is at most the smaller one
            (true, false) => larger.times(&one.minus(share)).cmp_size(smaller).is_le(),
            (false, true) => smaller.cmp_size(&larger.times(&share.minus(&one))).is_le(),
            (false, false) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_exact_arithmetic() {
        use bigdecimal::BigDecimal;
        let texts = [
            "0",
            "1",
            "-1",
            "0.5",
            "-0.5",
            "2",
            "10",
            "9.99",
            "10.01",
            "100",
            "99.995",
            "-100",
            "1e-9",
            "1e9",
            "123456789",
            "-123456789.5",
            "0.001",
            "1e-30",
            "1e30",
            "999",
            "1000",
            "1001",
            "-999",
            "5e-1",
        ];
        let bounds = ["0", "0.005", "0.01", "1", "1.5", "2", "10", "1e-20", "1e12", "0.5", "199.99", "1999"];
        let decimal = |text: &str| Decimal::parse(text).unwrap();
        let big = |text: &str| -> BigDecimal { text.parse().unwrap() };
        for old in texts {
            for new in texts {
                let (distance, larger) = ((big(old) - big(new)).abs(), big(old).abs().max(big(new).abs()));
                for bound in bounds {
                    let order = decimal(old).cmp_distance(&decimal(new), &decimal(bound));
                    assert_eq!(order, distance.cmp(&big(bound)), "{old} {new} {bound}");
                    let within = decimal(old).is_within_share(&decimal(new), &decimal(bound));
                    assert_eq!(within, distance <= big(bound) * &larger, "{old} {new}, a share of {bound}");
                }
            }
        }
    }

    #[test]
    fn a_distance_takes_no_longer_than_its_digits() {
        let decimal = |text: &str| Decimal::parse(text).unwrap();
        let far = ["3e2000000000", "-3e2000000000", "3e-2000000000", "1", "-1", "0", "0.01"];
        for one in far {
            for two in far {
                for bound in ["0.01", "1e-2000000000", "1e2000000000"] {
                    let within = decimal(one).cmp_distance(&decimal(two), &decimal(bound)).is_le();
                    assert!(within || one != two, "{one} {two} {bound}");
                }
                // a share comes from the job file, where exponents are small
                decimal(one).is_within_share(&decimal(two), &decimal("1e-9"));
            }
        }
        assert!(!decimal("3e2000000000").cmp_distance(&decimal("1"), &decimal("0.01")).is_le());
        assert!(decimal("3e-2000000000").cmp_distance(&decimal("0.01"), &decimal("0.01")).is_le());
        assert!(!decimal("-3e-2000000000").cmp_distance(&decimal("0.01"), &decimal("0.01")).is_le());
        let long = "7".repeat(1 << 20);
        assert!(decimal(&long).cmp_distance(&decimal(&format!("{long}.5")), &decimal("0.5")).is_le());
    }
}
