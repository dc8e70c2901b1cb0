//! The roles of the lists' columns in a cut, and what is computed from their values: digests, weights, and sort keys.

use std::path::Path;

use arrow::array::{Array, BinaryArray, BinaryBuilder, StringArray};
use certificate::id_list::{Header, ListError};
use certificate::wording::{self, quoted};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::parameters::{Direction, KeyOrder, KeyType, ListFormat, Order, Parameters};
use super::sort_key;
use crate::columns::no_such_column;
use crate::error::{Error, Result};
use crate::job::{Origin, Setting};

/// Bytes of a digest.
pub(crate) const DIGEST_BYTES: usize = 16;

/// The columns of the lists by their role in a cut, as 0-based indexes into the header.
#[derive(Debug, Clone)]
pub(crate) struct UnitColumns {
    pub names: Vec<String>,
    pub key: Vec<usize>,
    /// The columns whose equal values keep IDs together.
    pub group: Vec<usize>,
    key_types: Vec<KeyType>,
    balance: Option<usize>,
    order: ByColumn,
    seed: u64,
    format: ListFormat,
}

#[derive(Debug, Clone, Copy)]
enum ByColumn {
    Shuffle,
    Key,
    Column(usize, KeyOrder, Direction),
}

/// How units are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderKind {
    /// Pseudo-randomly, from the seed.
    Shuffled,
    /// By the values of columns.
    Ordered,
}

impl UnitColumns {
    /// Finds the columns that the parameters name in the header of a list.
    ///
    /// # Errors
    /// If a column is missing, or if options contradict each other.
    pub(crate) fn of(parameters: &Parameters, list: &Path, names: &[String]) -> Result<Self> {
        let find = |option: &'static str, name: &String| find(option, name, list, names);
        let all =
            |option, columns: &[String]| columns.iter().map(|name| find(option, name)).collect::<Result<Vec<_>>>();
        let key = all("--key", &parameters.key)?;
        let key_types = match parameters.key_type.as_slice() {
            [] => vec![KeyType::Text; key.len()],
            [one] => vec![*one; key.len()],
            types if types.len() == key.len() => types.to_vec(),
            types => {
                return Err(Error::request(
                    "--key-type",
                    format!(
                        "the number of types ({}) is not the number of ID columns ({})\n  \
                     give one type, or one for each column",
                        types.len(),
                        key.len()
                    ),
                ));
            }
        };
        if parameters.format == ListFormat::Text && key.len() > 1 {
            return Err(Error::request(
                "--format text",
                "one bare ID per line cannot hold an ID of several columns\n  use --format csv",
            ));
        }
        let order = match &parameters.order {
            Order::Shuffle => ByColumn::Shuffle,
            Order::Key => ByColumn::Key,
            Order::Column { name, reading, direction } => {
                ByColumn::Column(find("--order", name)?, *reading, *direction)
            }
        };
        Ok(UnitColumns {
            names: names.to_vec(),
            group: all("--group-by", &parameters.group_by)?,
            balance: parameters.balance.as_ref().map(|name| find("--balance", name)).transpose()?,
            key,
            key_types,
            order,
            seed: parameters.seed,
            format: parameters.format,
        })
    }

    /// How units are ordered.
    pub(crate) fn manner(&self) -> OrderKind {
        if matches!(self.order, ByColumn::Shuffle) { OrderKind::Shuffled } else { OrderKind::Ordered }
    }

    /// Whether units can have different weights.
    pub(crate) fn is_weighted(&self) -> bool {
        self.balance.is_some() || self.is_grouped()
    }

    pub(crate) fn is_grouped(&self) -> bool {
        !self.group.is_empty()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The digests of IDs. A shuffle sorts by them.
    pub(crate) fn id_digests(&self, texts: &[&StringArray]) -> BinaryArray {
        digests(self.seed, &self.key.iter().map(|index| texts[*index]).collect::<Vec<_>>())
    }

    /// The digests of groups. A shuffle sorts by them.
    pub(crate) fn group_digests(&self, texts: &[&StringArray]) -> BinaryArray {
        digests(self.seed, &self.group.iter().map(|index| texts[*index]).collect::<Vec<_>>())
    }

    /// Appends the sort key of the requested order; nothing for a shuffle.
    pub(crate) fn push_order(&self, out: &mut Vec<u8>, texts: &[&StringArray], row: usize) {
        match self.order {
            ByColumn::Shuffle => {}
            ByColumn::Key => {
                for (index, key_type) in self.key.iter().zip(&self.key_types) {
                    let write = if *key_type == KeyType::Integer { sort_key::number } else { sort_key::text };
                    sort_key::push(out, Direction::Ascending, text(texts[*index], row), write);
                }
            }
            ByColumn::Column(index, reading, direction) => {
                let write = if reading == KeyOrder::Number { sort_key::number } else { sort_key::text };
                sort_key::push(out, direction, text(texts[index], row), write);
            }
        }
    }

    pub(crate) fn weight(&self, texts: &[&StringArray], row: usize) -> u64 {
        // checked when the list was read
        self.balance.map_or(1, |index| text(texts[index], row).and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Checks a row of a list.
    ///
    /// # Errors
    /// If the ID does not match its type or cannot be written, or if a weight or a number is invalid.
    pub(crate) fn check(&self, list: &Path, line: u64, texts: &[&StringArray], row: usize) -> Result<()> {
        let wrong = |reason: String| Err(ListError::line(list, line, reason).into());
        for (index, key_type) in self.key.iter().zip(&self.key_types) {
            if let Some(text) = text(texts[*index], row).filter(|text| !key_type.fits(text)) {
                let (name, description) = (&self.names[*index], key_type.describe());
                return wrong(format!(
                    "column `{name}` is {}, which is not {description}\n  \
                     correct the list, or set the type of its IDs with --key-type",
                    quoted(text)
                ));
            }
            if self.format == ListFormat::Text
                && text(texts[*index], row)
                    .is_none_or(|text| text.is_empty() || text.contains(['\n', '\r', '\u{feff}']))
            {
                return wrong(format!(
                    "ID {} cannot be written as a bare line\n  use --format csv",
                    self.describe_id(texts, row)
                ));
            }
        }
        if let Some(index) = self.balance.filter(|index| !text(texts[*index], row).is_some_and(is_weight)) {
            return wrong(format!(
                "column `{}` is {}, but --balance needs a whole number, 0 or more",
                self.names[index],
                shown(texts[index], row)
            ));
        }
        if let ByColumn::Column(index, KeyOrder::Number, _) = self.order
            && text(texts[index], row).is_some_and(|text| !sort_key::is_number(text))
        {
            let (name, shown) = (&self.names[index], shown(texts[index], row));
            return wrong(format!(
                "column `{name}` is {shown}, which is not a number such as -12.50\n  \
                 to order it as text, use --order {name}"
            ));
        }
        Ok(())
    }

    /// An ID as shown in messages.
    pub(crate) fn describe_id(&self, texts: &[&StringArray], row: usize) -> String {
        describe(&self.key, texts, row)
    }

    /// A group as shown in messages.
    pub(crate) fn describe_group(&self, texts: &[&StringArray], row: usize) -> String {
        describe(&self.group, texts, row)
    }
}

/// Finds a column that an option names in the header of a list.
pub(crate) fn find(option: &'static str, name: &str, list: &Path, names: &[String]) -> Result<usize> {
    let word = || Setting { text: name.into(), origin: Origin::Flag(option) };
    let searched = || format!("`{}` has the columns {}, and no column", list.display(), names.join(", "));
    Header::of(names.iter().cloned()).index(name).map_err(|_| no_such_column(&word(), &searched(), names))
}

/// The text of a row; `None` for NULL.
pub(crate) fn text(texts: &StringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

fn is_weight(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

fn shown(texts: &StringArray, row: usize) -> String {
    wording::id([text(texts, row)])
}

fn describe(columns: &[usize], texts: &[&StringArray], row: usize) -> String {
    wording::id(columns.iter().map(|at| text(texts[*at], row)))
}

/// The digests of rows of texts. Each text is preceded by its length, so that adjacent texts cannot be confused; NULL
/// is a marker without a length.
pub(crate) fn digests(seed: u64, columns: &[&StringArray]) -> BinaryArray {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut digests = BinaryBuilder::with_capacity(rows, rows * DIGEST_BYTES);
    let mut bytes = vec![];
    for row in 0..rows {
        bytes.clear();
        for column in columns {
            match text(column, row) {
                None => bytes.push(0),
                Some(text) => {
                    bytes.push(1);
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        digests.append_value(xxh3_128_with_seed(&bytes, seed).to_be_bytes());
    }
    digests.finish()
}
