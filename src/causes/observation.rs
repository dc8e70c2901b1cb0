//! What one pair of different cells looks like: the cause that it would speak for, and its details.

use crate::sides::Side;

/// What a mismatch looks like it came from. The names are stable: they are written to reports.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The values of two columns stand in each other's place.
    ColumnsExchanged,
    /// Times that are the same distance apart.
    TimeOffset,
    /// Times that are as far apart as a zone is from UTC, in summer and in winter.
    TimeZone,
    /// Times in another unit: seconds, milliseconds, microseconds, nanoseconds.
    TimeUnit,
    /// Dates that are one day apart.
    DayOff,
    /// Times without their finer digits.
    TimeTruncated,
    /// A date that stands for none, such as `0000-00-00` or 1970-01-01.
    ZeroDate,
    /// Numbers with fewer digits.
    Rounded,
    /// Numbers that went through a 32-bit float.
    Float32,
    /// Numbers that differ by one factor, such as cents.
    Scaled,
    /// Integers that did not fit their type.
    Wrapped,
    /// Numbers with the other sign.
    Sign,
    /// Integers that went through a 64-bit float.
    DigitsLost,
    /// Numbers in text with a comma for the decimal point.
    DecimalComma,
    /// Text or bytes that are cut off.
    Prefix,
    /// Text without the white space around it.
    Trimmed,
    /// Text with white space, zeros, or zero bytes added.
    Padded,
    /// Text in other capitals.
    Case,
    /// The same characters, composed otherwise in Unicode.
    UnicodeForm,
    /// UTF-8 that was encoded as UTF-8 once more.
    DoubleEncoded,
    /// Text that was read in another encoding than it was written in.
    MisreadEncoding,
    /// Text with `?` or nothing where it had other characters.
    LostCharacters,
    /// Text that was escaped once too often.
    Escaped,
    /// Text with other line ends.
    LineEnds,
    /// Text or bytes that are cut off at a zero byte.
    CutAtNul,
    /// NULL for an empty text, or the reverse.
    NullForEmpty,
    /// NULL for zero, or the reverse.
    NullForZero,
    /// NULL for a word such as `NULL` or `N/A`, or the reverse.
    NullForWord,
    /// One value wherever the other side has NULL.
    DefaultForNull,
    /// Each code replaced by one other.
    CodeMap,
    /// One value wherever the other side has different ones.
    Constant,
    /// The bytes of a UUID or a number in another order.
    ByteOrder,
    /// Bytes written as hexadecimal or Base64.
    TextEncoding,
    /// JSON of the same meaning.
    JsonOrder,
    /// The same items in another order.
    ListOrder,
    /// The row in new is older than that in old.
    Stale,
    /// A part of a nested value or a document.
    JsonPath,
}

impl Cause {
    /// The stable name in data.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(String::from)).unwrap_or_default()
    }
}

/// What a pair of cells shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Observation {
    pub cause: Cause,
    /// The side that has the altered value.
    pub on: Side,
    pub detail: Detail,
}

/// The details of an observation. Bit masks are sets of explanations of which each is enough.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Detail {
    None,
    /// Different details, too many to count each.
    Many,
    /// Seconds that new is ahead of old, and the zones (by their numbers) in whose local time new shows old, and in
    /// whose local time old shows new.
    Shift {
        seconds: i64,
        new_is_local: u64,
        old_is_local: u64,
    },
    /// Units by their numbers.
    Units {
        cut: u8,
        rounded: u8,
    },
    /// Numbers of decimal places to which the other value may have been rounded, and cut.
    Places {
        rounded: u64,
        cut: u64,
        /// Those of `rounded` at which halves go away from zero, as the rule `round` has it.
        away: u64,
    },
    /// The number of bits of the type that was too small.
    Bits(u32),
    /// The length that is left, in characters or bytes.
    Length {
        len: u64,
        is_bytes: bool,
    },
    /// New divided by old.
    Factor {
        of: i128,
        by: i128,
    },
    /// How far new is ahead of old: nanoseconds, or a number times ten to the power of its scale.
    Distance {
        ticks: i128,
        scale: Option<u32>,
    },
    /// A word that says how.
    How(&'static str),
    /// The other column, by its index in the pairing.
    Column(usize),
    /// A value.
    Value(Box<str>),
    /// The value of each side.
    Pair(Box<str>, Box<str>),
    /// The zone whose local time one side shows where the other has the instant.
    Zone {
        name: &'static str,
        shown_by: Side,
    },
    /// Codes of old, each with the code of new that it became, and how often; and how many mismatches became another.
    Codes {
        pairs: Vec<(Box<str>, Box<str>, u64)>,
        is_swap: bool,
        others: u64,
    },
}

impl Observation {
    pub(super) fn new(cause: Cause, on: Side, detail: Detail) -> Self {
        Observation { cause, on, detail }
    }

    /// An observation without details.
    pub(super) fn plain(cause: Cause, on: Side) -> Self {
        Observation::new(cause, on, Detail::None)
    }

    pub(super) fn how(cause: Cause, on: Side, how: &'static str) -> Self {
        Observation::new(cause, on, Detail::How(how))
    }
}
