//! Formats values as text: bare for data files, quoted and escaped for people.
//!
//! Works on arrays of plain types (see [`crate::equality::plain_types`]).

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use certificate::wording::quoted;

use crate::equality::canonical::infinite;
use crate::equality::plain_types;
use crate::error::Result;
pub(crate) use crate::runtime::log::escaped;
use crate::snapshot::types::{Extension, extension, unit_name};

/// The bare text of every cell of a batch, whatever its types.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>> {
    let schema = batch.schema();
    let columns = batch.columns().iter().map(plain_types::array).collect::<std::result::Result<Vec<_>, _>>()?;
    let fields: Vec<_> = schema.fields().iter().map(|field| plain_types::field(field.name(), field)).collect();
    let values = columns.iter().zip(&fields).map(|(column, field)| Values::of(column, field));
    let values = values.collect::<Result<Vec<_>>>()?;
    Ok((0..batch.num_rows()).map(|row| values.iter().map(|values| values.to_csv_text(row)).collect()).collect())
}

/// Formats the values of one array.
pub(crate) struct Values<'a> {
    array: &'a dyn Array,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Text(&'a StringArray),
    Json(&'a StringArray),
    Uuid,
    Binary,
    List(&'a OffsetBuffer<i32>, Box<Values<'a>>),
    Struct(Vec<(&'a str, Values<'a>)>),
    Map(&'a OffsetBuffer<i32>, Box<[Values<'a>; 2]>),
    Other(ArrayFormatter<'a>),
    Ticks,
}

impl<'a> Values<'a> {
    /// Prepares an array of the field's (plain) type.
    pub(crate) fn of(array: &'a dyn Array, field: &'a Field) -> Result<Self> {
        let kind = match array.data_type() {
            DataType::Utf8 if extension(field) == Some(Extension::Json) => Kind::Json(array.as_string()),
            DataType::Utf8 => Kind::Text(array.as_string()),
            DataType::FixedSizeBinary(16) if extension(field) == Some(Extension::Uuid) => Kind::Uuid,
            DataType::Binary | DataType::FixedSizeBinary(_) => Kind::Binary,
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                Kind::List(list.offsets(), Box::new(Values::of(list.values(), item)?))
            }
            DataType::Struct(_) => {
                let array = array.as_struct();
                let columns = array.fields().iter().zip(array.columns());
                let values = columns.map(|(field, column)| Ok((field.name().as_str(), Values::of(column, field)?)));
                Kind::Struct(values.collect::<Result<_>>()?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let fields = map.entries().fields();
                let parts = [Values::of(map.keys(), &fields[0])?, Values::of(map.values(), &fields[1])?];
                Kind::Map(map.offsets(), Box::new(parts))
            }
            // if the zone is unknown to the library, only the number is left
            _ => ArrayFormatter::try_new(array, &FORMAT).map_or(Kind::Ticks, Kind::Other),
        };
        Ok(Values { array, kind })
    }

    /// The bare text of a value for data files; `None` for NULL.
    pub(crate) fn to_csv_text(&self, row: usize) -> Option<String> {
        self.array.is_valid(row).then(|| match &self.kind {
            Kind::Text(texts) | Kind::Json(texts) => texts.value(row).to_string(),
            _ => self.valid(row),
        })
    }

    /// A value for people: text is in quotes and without raw control characters, so that NULL, `"NULL"` and `""` are
    /// three different things.
    pub(crate) fn display(&self, row: usize) -> String {
        match self.array.is_valid(row) {
            true => self.valid(row),
            false => "NULL".into(),
        }
    }

    fn valid(&self, row: usize) -> String {
        let list = |items: Vec<String>, [open, close]: [&str; 2]| format!("{open}{}{close}", items.join(", "));
        match &self.kind {
            Kind::Text(texts) => quoted(texts.value(row)),
            Kind::Json(texts) => escaped(texts.value(row)),
            Kind::Uuid => uuid(self.array.as_fixed_size_binary().value(row)),
            Kind::Binary => hex(self.bytes(row)),
            Kind::List(offsets, items) => {
                let items = (offsets[row]..offsets[row + 1]).map(|item| items.display(item as usize));
                list(items.collect(), ["[", "]"])
            }
            Kind::Struct(fields) => {
                let fields = fields.iter().map(|(name, values)| format!("{}: {}", quoted(name), values.display(row)));
                list(fields.collect(), ["{", "}"])
            }
            Kind::Map(offsets, parts) => {
                let [keys, values] = parts.as_ref();
                let entry = |index: usize| format!("{}: {}", keys.display(index), values.display(index));
                list((offsets[row]..offsets[row + 1]).map(|index| entry(index as usize)).collect(), ["{", "}"])
            }
            Kind::Ticks => self.ticks(row),
            Kind::Other(formatter) => match formatter.value(row).try_to_string() {
                Ok(text) if self.array.data_type() == &DataType::Date64 => text.trim_end_matches("T00:00:00").into(),
                Ok(text) => text,
                Err(_) => self.ticks(row),
            },
        }
    }

    /// A time that the calendar cannot represent, such as a database's infinity: its number and its unit.
    fn ticks(&self, row: usize) -> String {
        let unit = match self.array.data_type() {
            DataType::Date32 => "d",
            DataType::Date64 => "ms",
            DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => unit_name(unit),
            DataType::Duration(unit) => unit_name(unit),
            _ => "",
        };
        let number = cast(&self.array.slice(row, 1), &DataType::Int64);
        let largest = if unit == "d" { i64::from(i32::MAX) } else { i64::MAX };
        let number = number.map(|number| number.as_primitive::<Int64Type>().value(0));
        match number {
            Ok(number) if unit != "ns" && infinite(number, largest).is_some() => {
                if number > 0 {
                    "infinity".into()
                } else {
                    "-infinity".into()
                }
            }
            Ok(number) => format!("{number} {unit}"),
            Err(_) => "?".into(),
        }
    }

    fn bytes(&self, row: usize) -> &[u8] {
        match self.array.data_type() {
            DataType::Binary => self.array.as_binary::<i32>().value(row),
            _ => self.array.as_fixed_size_binary().value(row),
        }
    }
}

/// A whole column as bare text; NULL stays NULL.
pub(crate) fn column(array: &ArrayRef, field: &Field) -> Result<StringArray> {
    let values = Values::of(array, field)?;
    Ok((0..array.len()).map(|row| values.to_csv_text(row)).collect())
}

const FORMAT: FormatOptions<'static> = FormatOptions::new().with_display_error(false);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid(bytes: &[u8]) -> String {
    let hex = hex(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
