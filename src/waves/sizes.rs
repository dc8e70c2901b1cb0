//! Wave sizes: targets as the user writes them, resolved for a list with a given number of units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// 100% in the unit in which shares are counted.
const WHOLE: u64 = 100_000_000;

/// Where a wave ends, counted from the beginning of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Size {
    /// After this many units.
    To(u64),
    /// This many units after the previous wave.
    More(u64),
    /// After this share of all units, rounded up; counted in units of 1/100,000,000.
    Share(u64),
    /// At the end of the list.
    Rest,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size; write a number, +NUMBER, a percentage such as 10%, or rest");
        let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse::<u64>().map_err(|_| wrong()),
            false => Err(wrong()),
        };
        if text == "rest" {
            return Ok(Size::Rest);
        }
        if let Some(more) = text.strip_prefix('+') {
            return number(more).map(Size::More);
        }
        let Some(share) = text.strip_suffix('%') else { return number(text).map(Size::To) };
        let (whole, part) = share.split_once('.').unwrap_or((share, "0"));
        let part = match part.len() {
            1..=6 => number(&format!("{part:0<6}"))?,
            _ => return Err(wrong()),
        };
        let share = number(whole)?.checked_mul(1_000_000).and_then(|whole| whole.checked_add(part));
        share.filter(|share| (1..=WHOLE).contains(share)).map(Size::Share).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::To(units) => write!(f, "{units}"),
            Size::More(units) => write!(f, "+{units}"),
            Size::Share(share) => {
                let part = format!("{:06}", share % 1_000_000);
                let part = part.trim_end_matches('0');
                let point = if part.is_empty() { "" } else { "." };
                write!(f, "{}{point}{part}%", share / 1_000_000)
            }
            Size::Rest => f.write_str("rest"),
        }
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

/// The last unit of each wave, counted from 1, for a list of `units` units. A size beyond the end of the list is
/// reduced to it, so the last targets may be equal: those waves are empty.
///
/// # Errors
/// If a size does not go further than the one before it.
pub(crate) fn targets(sizes: &[Size], units: u64) -> Result<Vec<u64>> {
    let mut targets: Vec<u64> = vec![];
    for (index, size) in sizes.iter().enumerate() {
        let before = targets.last().copied().unwrap_or(0);
        // the requested target, before the end of the list limits it
        let requested = match size {
            Size::To(target) => *target,
            Size::More(more) => before.saturating_add(*more),
            Size::Share(share) => (u128::from(units) * u128::from(*share)).div_ceil(u128::from(WHOLE)) as u64,
            Size::Rest => units,
        };
        let is_beyond = requested >= units;
        let goes_further = requested > before || is_beyond && before == units;
        if !goes_further || matches!(size, Size::To(0) | Size::More(0)) {
            let share =
                if matches!(size, Size::Share(_)) { format!(" of {units} is {requested}, and") } else { "".into() };
            return Err(Error::request(
                "--sizes",
                match index.checked_sub(1) {
                    Some(last) => format!(
                        "`{size}`{share} does not go beyond `{}`, which ends at {before}\n  \
                     sizes count from the beginning of the list and must increase; `+N` adds N to the previous size",
                        sizes[last]
                    ),
                    None => format!("`{size}`{share} makes an empty wave"),
                },
            ));
        }
        if matches!(size, Size::Rest) && index + 1 < sizes.len() {
            return Err(Error::request(
                "--sizes",
                format!("`{}` follows `rest`, which must be last", sizes[index + 1]),
            ));
        }
        targets.push(requested.min(units));
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str) -> Result<Vec<Size>, String> {
        text.split(',').map(str::parse).collect()
    }

    fn resolved(text: &str, units: u64) -> Result<Vec<u64>, String> {
        targets(&sizes(text)?, units).map_err(|error| error.to_string())
    }

    #[test]
    fn sizes_add_up_from_the_beginning() {
        assert_eq!(resolved("100,1000,10000,10%,rest", 200_000).unwrap(), [100, 1000, 10_000, 20_000, 200_000]);
        assert_eq!(resolved("5,+5,0.5%,100%", 10_000).unwrap(), [5, 10, 50, 10_000]);
        // a size beyond the end is the end
        assert_eq!(resolved("100,1000,rest", 50).unwrap(), [50, 50, 50]);
        assert_eq!(resolved("rest", 0).unwrap(), [0]);
        assert_eq!(resolved("1%", 15).unwrap(), [1]);
    }

    #[test]
    fn sizes_that_do_not_increase_are_named() {
        let message = resolved("10000,10%", 50_000).unwrap_err();
        assert!(message.contains("`10%` of 50000 is 5000") && message.contains("`10000`"), "{message}");
        for wrong in
            ["100,100", "0", "100,+0", "rest,5", "100,1%", "x", "-1", "+", "%", "101%", "0%", "1.1234567%", "+50%", ""]
        {
            assert!(resolved(wrong, 1000).is_err(), "{wrong}");
        }
        assert!(resolved("100,10%", 50).is_err());
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for text in ["100", "+9", "10%", "0.5%", "12.25%", "100%", "rest"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }
}
