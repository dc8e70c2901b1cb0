//! How a cut is made: everything that decides which ID goes into which wave. It stands in `waves.json`, so that a
//! later cut can keep to it.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::sizes::Size;

/// How a cut is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// The columns of the ID.
    pub key: Vec<String>,
    /// What IDs look like: one type for all columns, or one for each.
    pub key_type: Vec<KeyType>,
    /// How far each wave goes.
    pub sizes: Vec<Size>,
    /// Columns whose equal values stay together.
    pub group_by: Vec<String>,
    /// Into how many files each wave is cut; `None` for one file without a directory.
    pub shards: Option<u32>,
    /// In which order IDs come.
    pub order: Order,
    /// What the shuffle begins with.
    pub seed: u64,
    /// The column of weights.
    pub balance: Option<String>,
    /// Which IDs take part at all.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// What is written.
    pub format: ListFormat,
}

/// What an ID looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyType {
    /// Anything
    #[default]
    Text,
    /// Digits, without zeros before them, and perhaps a minus; put in order by value
    Integer,
    /// 32 hexadecimal digits in lower case, with dashes
    Uuid,
}

impl KeyType {
    /// The type's name, with its article.
    pub(crate) fn words(self) -> &'static str {
        match self {
            KeyType::Text => "text",
            KeyType::Integer => "an integer as one writes it",
            KeyType::Uuid => "a UUID in lower case",
        }
    }

    /// Whether a text is of this type.
    pub(crate) fn fits(self, text: &str) -> bool {
        match self {
            KeyType::Text => true,
            KeyType::Integer => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                // 7 and 07 would be two IDs of one row
                let is_written_once = text == "0" || !digits.starts_with('0');
                !digits.is_empty() && is_written_once && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            KeyType::Uuid => {
                let is_right = |(at, byte): (usize, u8)| match at {
                    8 | 13 | 18 | 23 => byte == b'-',
                    _ => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
                };
                text.len() == 36 && text.bytes().enumerate().all(is_right)
            }
        }
    }
}

/// What the files of a cut are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ListFormat {
    /// All columns, with a header; NULL is an empty field, and the empty string is ""
    #[default]
    Csv,
    /// One bare ID a line
    Text,
    /// One JSON object a line, all values as text
    Ndjson,
    /// All columns as text
    Parquet,
}

impl ListFormat {
    /// How the names of such files end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            ListFormat::Csv => "csv",
            ListFormat::Text => "txt",
            ListFormat::Ndjson => "ndjson",
            ListFormat::Parquet => "parquet",
        }
    }
}

/// In which order IDs come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Order {
    /// In an order that the seed decides.
    #[default]
    Shuffle,
    /// By the ID.
    Key,
    /// By the values of a column.
    Column {
        /// The column.
        name: String,
        /// How they compare.
        reading: KeyOrder,
        /// Which come first.
        direction: Direction,
    },
}

/// How the values of a column compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// Byte by byte.
    Text,
    /// As exact decimal numbers.
    Number,
}

/// Which values come first. NULL comes last either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The small ones.
    Ascending,
    /// The large ones.
    Descending,
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "shuffle" => return Ok(Order::Shuffle),
            "key" => return Ok(Order::Key),
            _ => {}
        }
        let (name, direction) = match text.strip_suffix(":desc") {
            Some(name) => (name, Direction::Descending),
            None => (text.strip_suffix(":asc").unwrap_or(text), Direction::Ascending),
        };
        let (name, reading) = match name.strip_suffix(":number") {
            Some(name) => (name, KeyOrder::Number),
            None => (name.strip_suffix(":text").unwrap_or(name), KeyOrder::Text),
        };
        match name {
            "" => Err("name a column, or say shuffle or key".into()),
            "shuffle" | "key" if [":desc", ":asc"].iter().any(|end| text.strip_suffix(end) == Some(name)) => {
                Err(format!("`{name}` has no direction; a column of that name is written {name}:text:desc"))
            }
            name => Ok(Order::Column { name: name.into(), reading, direction }),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Shuffle => f.write_str("shuffle"),
            Order::Key => f.write_str("key"),
            Order::Column { name, reading, direction } => {
                let reading = match reading {
                    KeyOrder::Text => ":text",
                    KeyOrder::Number => ":number",
                };
                let direction = if *direction == Direction::Descending { ":desc" } else { "" };
                write!(f, "{name}{reading}{direction}")
            }
        }
    }
}

impl TryFrom<String> for Order {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Order> for String {
    fn from(order: Order) -> Self {
        order.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_written() {
        for (text, written) in [
            ("shuffle", "shuffle"),
            ("key", "key"),
            ("amount:number:desc", "amount:number:desc"),
            ("a:b", "a:b:text"),
            ("day:desc", "day:text:desc"),
            ("key:text", "key:text"),
        ] {
            let order: Order = text.parse().unwrap();
            assert_eq!(order.to_string(), written);
            assert_eq!(written.parse::<Order>().unwrap(), order);
        }
        assert!("".parse::<Order>().is_err() && ":desc".parse::<Order>().is_err());
        assert!("key:desc".parse::<Order>().unwrap_err().contains("key:text:desc"));
    }

    #[test]
    fn types_of_ids() {
        assert!(KeyType::Integer.fits("-12") && !KeyType::Integer.fits("1.5") && !KeyType::Integer.fits("-"));
        assert!(!KeyType::Integer.fits("012") && !KeyType::Integer.fits("-0") && KeyType::Integer.fits("0"));
        assert!(KeyType::Uuid.fits("6f9619ff-8b86-d011-b42d-00c04fc964ff"));
        assert!(!KeyType::Uuid.fits("6F9619ff-8b86-d011-b42d-00c04fc964ff"));
        assert!(!KeyType::Uuid.fits("6F9619ff8b86d011b42d00c04fc964ff"));
    }
}
