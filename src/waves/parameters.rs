//! The parameters of a cut: everything that decides the wave of an ID. `waves.json` records them for later cuts.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::sizes::Size;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// The columns of the ID.
    pub key: Vec<String>,
    /// The types of the ID columns: one for all of them, or one for each.
    pub key_type: Vec<KeyType>,
    /// Where each wave ends.
    pub sizes: Vec<Size>,
    /// Columns whose equal values keep IDs together.
    pub group_by: Vec<String>,
    /// Files per wave; `None` for one file without a directory.
    pub shards: Option<u32>,
    pub order: Order,
    /// The seed of the shuffle.
    pub seed: u64,
    /// The column of weights.
    pub balance: Option<String>,
    /// The filter for the rows of the lists.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// The format of the files.
    pub format: ListFormat,
}

/// The type of an ID column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyType {
    /// Any text
    #[default]
    Text,
    /// An optional minus and digits without leading zeros; ordered by value
    Integer,
    /// 32 lowercase hexadecimal digits with dashes
    Uuid,
}

impl KeyType {
    /// The name of the type, with its article.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            KeyType::Text => "text",
            KeyType::Integer => "an integer without leading zeros",
            KeyType::Uuid => "a lowercase UUID",
        }
    }

    /// Whether a text is of this type.
    pub(crate) fn fits(self, text: &str) -> bool {
        match self {
            KeyType::Text => true,
            KeyType::Integer => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                // 7 and 07 would be two IDs of the same row
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

/// The format of the files of a cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ListFormat {
    /// All columns, with a header; NULL is an empty field, and the empty string is ""
    #[default]
    Csv,
    /// One bare ID per line
    Text,
    /// One JSON object per line, with all values as text
    Ndjson,
    /// All columns as text
    Parquet,
}

impl ListFormat {
    /// The extension of such files.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            ListFormat::Csv => "csv",
            ListFormat::Text => "txt",
            ListFormat::Ndjson => "ndjson",
            ListFormat::Parquet => "parquet",
        }
    }
}

/// The order of the IDs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Order {
    /// Shuffled from the seed.
    #[default]
    Shuffle,
    /// By the ID.
    Key,
    /// By the values of a column.
    Column {
        /// The column.
        name: String,
        /// How its values compare.
        reading: KeyOrder,
        /// Which values come first.
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

/// Which values come first. NULL always comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Small values.
    Ascending,
    /// Large values.
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
            "" => Err("write shuffle, key, or the name of a column".into()),
            "shuffle" | "key" if [":desc", ":asc"].iter().any(|end| text.strip_suffix(end) == Some(name)) => {
                Err(format!("`{name}` has no direction; to order by a column of that name, write {name}:text:desc"))
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
