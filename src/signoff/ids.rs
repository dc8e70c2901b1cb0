//! IDs of candidates and rows. Whatever program wrote an ID, it is read as a value of its column, and compared under
//! the rules of that column.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal256Array, FixedSizeBinaryArray, Float64Array,
    Int64Array, StringArray, UInt64Array, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, i256};
use bigdecimal::{BigDecimal, ToPrimitive};
use datafusion::logical_expr::Expr;

use crate::columns::{ColumnPair, DIGEST_BYTES, Pairing, ValueHasher};
use crate::equality::canonical::Domain;
use crate::equality::canonical::domain::{Family, Nested, family};
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::{Error, Result};
use crate::sides::{Side, Sides};
use crate::snapshot::{Snapshot, type_name};
use crate::sql::{column, numbered, row_function};

/// Compared columns that together form an ID.
#[derive(Clone)]
pub(super) struct IdColumns {
    columns: Vec<IdColumn>,
    /// Computes the digests.
    pub digests: ValueHasher,
}

#[derive(Clone)]
struct IdColumn {
    pair: ColumnPair,
    /// The side's own column compared with itself, without rules.
    stored: Sides<ColumnPair>,
    fields: Sides<FieldRef>,
}

/// How IDs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdEquality {
    /// As in the comparison: under all rules.
    Compared,
    /// As stored on the side: without rules.
    Stored,
}

/// The result of reading an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdState {
    /// It is a value of its column.
    Read,
    /// It is a value of the column's family that the column's type cannot represent, so no row has it: 3.5 among
    /// integers.
    Foreign,
    /// It is not such a value: `abc` among integers.
    Unreadable,
}

/// IDs as values of their columns.
pub(super) struct ReadIds {
    /// The columns; NULL where an ID is not [`IdState::Read`].
    pub columns: Vec<ArrayRef>,
    /// The result for each ID.
    pub states: Vec<IdState>,
}

impl IdColumns {
    /// The columns with these indexes in a pairing.
    ///
    /// # Errors
    /// If a list cannot name a row by a column of this type.
    pub(super) fn new(
        pairing: &Pairing,
        snapshots: &Sides<Snapshot>,
        columns: &[usize],
        digests: &ValueHasher,
    ) -> Result<Self> {
        let column = |&at: &usize| {
            let pair = pairing.columns[at].clone();
            let fields = Sides::from_fn(|side| snapshots[side].schema.fields()[pair.at[side]].clone());
            let stored = Sides::try_from_fn(|side| of_itself(&pair.name, &fields[side]))?;
            Ok(IdColumn { pair, stored, fields })
        };
        Ok(IdColumns { columns: columns.iter().map(column).collect::<Result<_>>()?, digests: digests.clone() })
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// The field of a column on one side.
    pub(super) fn field(&self, at: usize, side: Side) -> &FieldRef {
        &self.columns[at].fields[side]
    }

    /// The columns of one side's table.
    pub(super) fn columns(&self, side: Side) -> Vec<Expr> {
        self.columns.iter().map(|id| column(id.fields[side].name())).collect()
    }

    /// The same as `k0`, `k1`, …
    pub(super) fn numbered(&self, side: Side) -> Vec<Expr> {
        self.columns(side).into_iter().zip(numbered("k", self.len())).map(|(id, name)| id.alias(name)).collect()
    }

    /// The names of the columns on one side.
    pub(super) fn names(&self, side: Side) -> Vec<String> {
        self.columns.iter().map(|id| id.fields[side].name().clone()).collect()
    }

    /// The digests of the IDs of one side's table.
    pub(super) fn digest(&self, side: Side, form: IdEquality) -> Expr {
        self.digest_of(self.columns(side), side, form)
    }

    /// The digests of the IDs in these columns, which have the types of one side.
    pub(super) fn digest_of(&self, columns: Vec<Expr>, side: Side, form: IdEquality) -> Expr {
        let ids = self.clone();
        // the optimizer tells columns apart by the names of functions and of their arguments
        let pairs: Vec<&str> = self.columns.iter().map(|id| id.pair.name.as_str()).collect();
        let name = format!("{form:?}_id_of_{side}_{}", pairs.join("_"));
        let function = row_function(&name, DataType::FixedSizeBinary(DIGEST_BYTES), move |columns| {
            Ok(Arc::new(match form {
                IdEquality::Compared => ids.compared(columns, side)?,
                IdEquality::Stored => ids.stored(columns, side)?,
            }))
        });
        function.call(columns)
    }

    /// The digests of IDs as in the comparison: under all rules.
    pub(super) fn compared(&self, columns: &[ArrayRef], side: Side) -> Result<FixedSizeBinaryArray> {
        let mut parts = vec![];
        for (column, array) in self.columns.iter().zip(columns) {
            parts.extend(column.pair.key_parts(array, side)?);
        }
        self.digests.of(&parts)
    }

    /// The digests of IDs as a side stores them: without rules.
    pub(super) fn stored(&self, columns: &[ArrayRef], side: Side) -> Result<FixedSizeBinaryArray> {
        let parts = self.columns.iter().zip(columns);
        let parts = parts.map(|(column, array)| column.stored[side].canonical(array, side));
        self.digests.of(&parts.collect::<Result<Vec<_>>>()?)
    }

    /// Reads IDs of any type as values of one side's columns.
    pub(super) fn read(&self, columns: &[ArrayRef], side: Side) -> Result<ReadIds> {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut ids = ReadIds { columns: vec![], states: vec![IdState::Read; rows] };
        for (column, array) in self.columns.iter().zip(columns) {
            let (values, states) = read_as(array, &column.fields[side])?;
            ids.columns.push(values);
            for (state, own) in ids.states.iter_mut().zip(states) {
                *state = match (*state, own) {
                    (IdState::Unreadable, _) | (_, IdState::Unreadable) => IdState::Unreadable,
                    (IdState::Foreign, _) | (_, IdState::Foreign) => IdState::Foreign,
                    (IdState::Read, IdState::Read) => IdState::Read,
                };
            }
        }
        Ok(ids)
    }
}

/// A column compared with itself.
fn of_itself(name: &str, field: &FieldRef) -> Result<ColumnPair> {
    let fields = Sides { old: field.as_ref(), new: field.as_ref() };
    let types = fields.map(type_name);
    let named = match family(field) {
        Some(Family::Json | Family::List | Family::Struct | Family::Map | Family::Duration) | None => None,
        Some(_) => Domain::of(name, fields, &mut |_| false, &mut Nested::default()).ok(),
    };
    match named {
        Some(domain) => Ok(ColumnPair { name: name.into(), at: Sides { old: 0, new: 0 }, types, domain, chain: None }),
        None => Err(Error::request(
            "[signoff]",
            format!(
                "`{name}` is {}, which cannot be written in a list of IDs\n  \
             name candidates by numbers, text, UUIDs, dates, times, booleans, or binary",
                types.old
            ),
        )),
    }
}

/// Reads values of any type as values of a column.
fn read_as(array: &ArrayRef, field: &Field) -> Result<(ArrayRef, Vec<IdState>)> {
    let wanted = plain_types::data_type(field.data_type());
    let plain = plain_types::array(array)?;
    if *plain.data_type() == wanted && family(field) != Some(Family::Uuid) {
        return Ok((plain, vec![IdState::Read; array.len()]));
    }
    let own = Field::new("id", plain.data_type().clone(), true);
    let texts = value_text::column(&plain, &own)?;
    let texts = match family(&own) == Some(Family::Number) && family(field) == Some(Family::Text) {
        // in the shortest form, whatever the type of the number: 3 and not 3.00
        true => texts.iter().map(|text| text.map(|text| shortest(text).unwrap_or(text.into()))).collect(),
        false => texts,
    };
    parse(&texts, field, &wanted)
}

fn shortest(text: &str) -> Option<String> {
    Some(number(text)?.normalized().to_plain_string())
}

/// Parses texts as values of a column with the (plain) type `wanted`.
fn parse(texts: &StringArray, field: &Field, wanted: &DataType) -> Result<(ArrayRef, Vec<IdState>)> {
    let array: Arc<dyn Array> = match family(field) {
        Some(Family::Text) => Arc::new(texts.clone()),
        Some(Family::Number) => return numbers(texts, wanted),
        Some(Family::Uuid) => bytes(texts, wanted, |text| unhex(&text.replace(['-', '{', '}'], "")))?,
        // a UUID may be stored as bytes, while lists of the other side contain it as text
        Some(Family::Binary) if texts.iter().flatten().any(|text| is_uuid(text.trim())) => {
            bytes(texts, wanted, |text| unhex(&text.replace('-', "")))?
        }
        Some(Family::Binary) => bytes(texts, wanted, unhex)?,
        Some(Family::Boolean) => {
            let boolean = |text: &str| match text.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            };
            Arc::new(texts.iter().map(|text| text.and_then(|text| boolean(text.trim()))).collect::<BooleanArray>())
        }
        _ => cast_with_options(texts, wanted, &CastOptions { safe: true, ..CastOptions::default() })?,
    };
    let unreadable =
        |row: usize| if array.is_null(row) && texts.is_valid(row) { IdState::Unreadable } else { IdState::Read };
    let states = (0..texts.len()).map(unreadable).collect();
    Ok((array, states))
}

fn is_uuid(text: &str) -> bool {
    let hyphens = text.match_indices('-').map(|(at, _)| at);
    text.len() == 36 && hyphens.eq([8, 13, 18, 23])
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.trim()).ok()
}

fn bytes(texts: &StringArray, wanted: &DataType, read: impl Fn(&str) -> Option<Vec<u8>>) -> Result<ArrayRef> {
    let values: Vec<Option<Vec<u8>>> = texts.iter().map(|text| text.and_then(&read)).collect();
    let binary: ArrayRef = Arc::new(BinaryArray::from_iter(values.iter().map(Option::as_deref)));
    Ok(cast_with_options(&binary, wanted, &CastOptions { safe: true, ..CastOptions::default() })?)
}

/// The maximum bytes of a number, and the maximum digits before or after its decimal point. No column type holds more.
const NUMBER_BYTES_MAX: usize = 400;
const DIGITS_MAX: i64 = 400;

fn number(text: &str) -> Option<BigDecimal> {
    let text = text.trim();
    let number: BigDecimal = (text.len() <= NUMBER_BYTES_MAX).then(|| text.parse().ok())??;
    let (_, scale) = number.as_bigint_and_exponent();
    (-DIGITS_MAX..=DIGITS_MAX).contains(&scale).then_some(number)
}

fn numbers(texts: &StringArray, wanted: &DataType) -> Result<(ArrayRef, Vec<IdState>)> {
    let (array, readable): (ArrayRef, Vec<bool>) = if wanted.is_floating() {
        let floats: Float64Array = texts.iter().map(|text| text.and_then(|text| text.trim().parse().ok())).collect();
        let readable = floats.iter().map(|float| float.is_some()).collect();
        (safe_cast(&floats, wanted)?, readable)
    } else {
        let read: Vec<Option<BigDecimal>> = texts.iter().map(|text| text.and_then(number)).collect();
        let array = match wanted {
            DataType::Decimal32(digits, scale) | DataType::Decimal64(digits, scale) => {
                decimals(&read, *digits, *scale)?
            }
            DataType::Decimal128(digits, scale) | DataType::Decimal256(digits, scale) => {
                decimals(&read, *digits, *scale)?
            }
            DataType::UInt64 => Arc::new(read.iter().map(|read| whole(read)?.to_u64()).collect::<UInt64Array>()),
            _ => Arc::new(read.iter().map(|read| whole(read)?.to_i64()).collect::<Int64Array>()),
        };
        (safe_cast(&array, wanted)?, read.iter().map(Option::is_some).collect())
    };
    let state = |row: usize| match (texts.is_null(row) || array.is_valid(row), readable[row]) {
        (true, _) => IdState::Read,
        (false, true) => IdState::Foreign,
        (false, false) => IdState::Unreadable,
    };
    let states = (0..texts.len()).map(state).collect();
    Ok((array, states))
}

/// A cast that turns values that do not fit into NULL.
fn safe_cast(array: &dyn Array, wanted: &DataType) -> Result<ArrayRef> {
    Ok(cast_with_options(array, wanted, &CastOptions { safe: true, ..CastOptions::default() })?)
}

/// The number, if it is an integer.
fn whole(number: &Option<BigDecimal>) -> Option<&BigDecimal> {
    number.as_ref().filter(|number| number.is_integer())
}

/// Numbers as decimals; NULL if they have too many digits. A cast would truncate them.
fn decimals(numbers: &[Option<BigDecimal>], digits: u8, scale: i8) -> Result<ArrayRef> {
    let exact = |number: &BigDecimal| {
        let scaled = number.with_scale(i64::from(scale));
        let fits = scaled == *number && scaled.digits() <= u64::from(digits);
        fits.then(|| i256::from_string(&scaled.as_bigint_and_exponent().0.to_string())).flatten()
    };
    let decimals: Decimal256Array = numbers.iter().map(|number| number.as_ref().and_then(exact)).collect();
    Ok(Arc::new(decimals.with_precision_and_scale(76, scale)?))
}

/// The digests of IDs; NULL for those that could not be read.
pub(super) fn digests_where_read(digests: &FixedSizeBinaryArray, states: &[IdState]) -> Result<ArrayRef> {
    let read = BooleanArray::from_iter(states.iter().map(|state| Some(*state == IdState::Read)));
    let none = new_null_array(digests.data_type(), 1);
    let (digests, none): (ArrayRef, _) = (Arc::new(digests.clone()), none);
    let indexes: Vec<(usize, usize)> =
        (0..digests.len()).map(|row| if read.value(row) { (0, row) } else { (1, 0) }).collect();
    Ok(arrow::compute::interleave(&[&digests, &none], &indexes)?)
}

/// An ID as shown to people.
pub(super) fn shown(texts: &[Option<String>]) -> String {
    texts.iter().map(|text| text.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(", ")
}

/// The texts of a column, trimmed; `None` if trimming changes none.
pub(super) fn trimmed(array: &ArrayRef) -> Option<ArrayRef> {
    let texts = array.as_string_opt::<i32>()?;
    let is_padded = texts.iter().flatten().any(|text| text.trim() != text);
    is_padded.then(|| Arc::new(texts.iter().map(|text| text.map(str::trim)).collect::<StringArray>()) as ArrayRef)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str], field: &Field) -> Vec<(Option<String>, IdState)> {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let (values, states) = read_as(&texts, field).unwrap();
        let plain = plain_types::field("x", field);
        let shown = value_text::column(&values, &plain).unwrap();
        shown.iter().map(|text| text.map(String::from)).zip(states).collect()
    }

    #[test]
    fn an_id_is_the_same_value_whatever_wrote_it() {
        let whole = Field::new("id", DataType::Int64, true);
        let three = (Some("3".to_string()), IdState::Read);
        for text in ["3", "03", " 3 ", "3.0", "3.00", "+3", "3e0", "0.3e1"] {
            assert_eq!(read(&[text], &whole), vec![three.clone()], "{text}");
        }
        let foreign = |text: &str| assert_eq!(read(&[text], &whole), vec![(None, IdState::Foreign)], "{text}");
        ["3.5", "1e30", "9223372036854775808", "5076944270305263616.5"].into_iter().for_each(foreign);
        let small = Field::new("id", DataType::Int8, true);
        assert_eq!(read(&["127", "128"], &small), vec![(Some("127".into()), IdState::Read), (None, IdState::Foreign)]);
        let unreadable = |text: &str| assert_eq!(read(&[text], &whole), vec![(None, IdState::Unreadable)], "{text}");
        ["abc", "", "1e1000000000", "0x3"].into_iter().for_each(unreadable);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![3.0, 3.5, f64::NAN]));
        let (values, states) = read_as(&floats, &whole).unwrap();
        assert_eq!(values.as_primitive::<arrow::datatypes::Int64Type>().value(0), 3);
        assert_eq!(states, [IdState::Read, IdState::Foreign, IdState::Unreadable]);
        let (values, _) = read_as(&floats, &Field::new("id", DataType::Utf8, true)).unwrap();
        assert_eq!(values.as_string::<i32>().value(0), "3");
    }

    #[test]
    fn other_families_are_read_as_lists_write_them() {
        let binary = Field::new("id", DataType::Binary, true);
        assert_eq!(read(&["00ff"], &binary), vec![(Some("00ff".into()), IdState::Read)]);
        assert_eq!(read(&["0g"], &binary), vec![(None, IdState::Unreadable)]);
        let id = "e5b49212-99be-48c8-8aed-477bae6681de";
        assert_eq!(read(&[id], &binary), vec![(Some(id.replace('-', "")), IdState::Read)]);
        assert_eq!(read(&["e5b4-9212"], &binary), vec![(None, IdState::Unreadable)]);
        let date = Field::new("id", DataType::Date32, true);
        assert_eq!(read(&["2026-11-20"], &date), vec![(Some("2026-11-20".into()), IdState::Read)]);
        let decimal = Field::new("id", DataType::Decimal128(10, 2), true);
        assert_eq!(
            read(&["3", "3.005"], &decimal),
            vec![(Some("3.00".into()), IdState::Read), (None, IdState::Foreign)]
        );
    }
}
