//! The order of keys: part by part, each part as its canonical array sorts, NULL last.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, DynComparator, MAX_INLINE_VIEW_LEN, make_comparator};
use arrow::buffer::BooleanBuffer;
use arrow::compute::SortOptions;
use arrow::compute::kernels::cmp;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, Int64Type, UInt64Type,
};
use arrow::error::ArrowError;

/// How canonical keys are sorted everywhere.
pub const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// Which rows of two equally long canonical columns are equal; NULL equals NULL.
pub fn equal_rows(one: &dyn Array, two: &dyn Array) -> Result<BooleanBuffer, ArrowError> {
    Ok(cmp::not_distinct(&Borrowed(one), &Borrowed(two))?.values().clone())
}

/// A canonical column from a row on. Where runs of equal keys are short, cutting slices off would cost more than comparing
/// them.
pub type Part<'a> = (&'a dyn Array, usize);

/// Whether `len` rows of two canonical columns are equal throughout, as far as a quick look tells: `false` may
/// also mean that it takes a closer one.
///
/// Nearly all parts of two snapshots are equal, and then this reads them once, at the speed of memory, where
/// [`equal_rows`] writes an answer for every row.
pub fn fast_equal(one: Part, two: Part, len: usize) -> bool {
    if has_null(one, len) || has_null(two, len) || one.0.data_type() != two.0.data_type() {
        return false;
    }
    match one.0.data_type() {
        DataType::Boolean => {
            let bits = |(array, start): Part| array.as_boolean().values().slice(start, len);
            bits(one) == bits(two)
        }
        DataType::Int32 => same_values::<Int32Type>(one, two, len),
        DataType::Int64 => same_values::<Int64Type>(one, two, len),
        DataType::UInt64 => same_values::<UInt64Type>(one, two, len),
        DataType::Decimal128(..) => same_values::<Decimal128Type>(one, two, len),
        DataType::Decimal256(..) => same_values::<Decimal256Type>(one, two, len),
        DataType::Float64 => {
            let width = size_of::<f64>();
            // NaN is equal to NaN here
            let bits = |(array, start): Part<'_>| {
                array.as_primitive::<Float64Type>().values().inner().slice_with_length(start * width, len * width)
            };
            bits(one) == bits(two)
        }
        DataType::BinaryView => same_bytes(one, two, len),
        _ => false,
    }
}

/// How many rows from the start, of `len`, are equal in two canonical columns.
pub fn leading_equal(one: Part, two: Part, len: usize) -> Result<usize, ArrowError> {
    if fast_equal(one, two, len) {
        return Ok(len);
    }
    let differing = match (one.0.data_type(), two.0.data_type()) {
        (one_type, two_type) if one_type != two_type || has_null(one, len) || has_null(two, len) => None,
        (DataType::Int32, _) => first_other::<Int32Type>(one, two, len),
        (DataType::Int64, _) => first_other::<Int64Type>(one, two, len),
        (DataType::UInt64, _) => first_other::<UInt64Type>(one, two, len),
        _ => None,
    };
    match differing {
        Some(at) => Ok(at),
        None => Ok(leading(&equal_rows(&one.0.slice(one.1, len), &two.0.slice(two.1, len))?)),
    }
}

fn has_null((array, start): Part, len: usize) -> bool {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    nulls.is_some_and(|nulls| nulls.inner().slice(start, len).count_set_bits() < len)
}

fn values<T: ArrowPrimitiveType>((array, start): Part<'_>, len: usize) -> &[T::Native] {
    &array.as_primitive::<T>().values()[start..start + len]
}

fn same_values<T: ArrowPrimitiveType>(one: Part, two: Part, len: usize) -> bool
where
    T::Native: PartialEq,
{
    values::<T>(one, len) == values::<T>(two, len)
}

fn first_other<T: ArrowPrimitiveType>(one: Part, two: Part, len: usize) -> Option<usize>
where
    T::Native: PartialEq,
{
    values::<T>(one, len).iter().zip(values::<T>(two, len)).position(|(one, two)| one != two)
}

fn same_bytes(one: Part, two: Part, len: usize) -> bool {
    let (first, second) = (one.0.as_binary_view(), two.0.as_binary_view());
    let views = first.views()[one.1..one.1 + len].iter().zip(&second.views()[two.1..two.1 + len]);
    let is_same = |(row, (a, b)): (usize, (&u128, &u128))| {
        // a short string is its view; the low half of a long one's is its length and its first bytes
        let is_short = *a as u32 <= MAX_INLINE_VIEW_LEN;
        if is_short { a == b } else { *a as u64 == *b as u64 && first.value(one.1 + row) == second.value(two.1 + row) }
    };
    views.enumerate().all(is_same)
}

/// An array as the comparison kernels want it.
struct Borrowed<'a>(&'a dyn Array);

impl arrow::array::Datum for Borrowed<'_> {
    fn get(&self) -> (&dyn Array, bool) {
        (self.0, false)
    }
}

/// How each row of a batch of keys relates to the row before it.
pub struct Steps {
    /// Bit `i`: row `i + 1` has the key of row `i`.
    pub repeats: BooleanBuffer,
    /// The first row that sorts before its predecessor, if any.
    pub break_at: Option<usize>,
}

/// Compares every key with its predecessor.
pub fn key_runs(keys: &[ArrayRef]) -> Result<Steps, ArrowError> {
    let pairs = keys[0].len().saturating_sub(1);
    if fast_ascending(keys) {
        return Ok(Steps { repeats: BooleanBuffer::new_unset(pairs), break_at: None });
    }
    let mut repeats = BooleanBuffer::new_set(pairs);
    let mut ascends = BooleanBuffer::new_unset(pairs);
    for key in keys {
        let (before, after) = (key.slice(0, pairs), key.slice(1, pairs));
        // a later part only speaks where all earlier parts are equal
        ascends = &ascends | &(&repeats & &less(&before, &after)?);
        repeats = &repeats & &equal_rows(&before, &after)?;
        if repeats.count_set_bits() == 0 {
            break;
        }
    }
    let sound = &repeats | &ascends;
    let break_at = match sound.count_set_bits() == pairs {
        true => None,
        false => (0..pairs).find(|&at| !sound.value(at)).map(|at| at + 1),
    };
    Ok(Steps { repeats, break_at })
}

/// Whether every key sorts after its predecessor, as far as a quick look tells: one pass over the first part,
/// and over the others only where all before them are equal.
fn fast_ascending(keys: &[ArrayRef]) -> bool {
    let mut tied: Vec<usize> = (0..keys[0].len().saturating_sub(1)).collect();
    for key in keys {
        if key.null_count() > 0 {
            return false;
        }
        let ties = match key.data_type() {
            DataType::Int32 => ties_of(key.as_primitive::<Int32Type>().values(), &tied),
            DataType::Int64 => ties_of(key.as_primitive::<Int64Type>().values(), &tied),
            DataType::UInt64 => ties_of(key.as_primitive::<UInt64Type>().values(), &tied),
            DataType::BinaryView => {
                let values = key.as_binary_view();
                ties(&tied, |at| values.value(at).cmp(values.value(at + 1)))
            }
            _ => return false,
        };
        match ties {
            Some(ties) if ties.is_empty() => return true,
            Some(ties) => tied = ties,
            None => return false,
        }
    }
    false
}

fn ties_of<T: Ord>(values: &[T], asked: &[usize]) -> Option<Vec<usize>> {
    ties(asked, |at| values[at].cmp(&values[at + 1]))
}

/// The places, of those asked for, where a value equals the next one; `None` if it is greater at one of them.
fn ties(asked: &[usize], order: impl Fn(usize) -> Ordering) -> Option<Vec<usize>> {
    let mut ties = vec![];
    for &at in asked {
        match order(at) {
            Ordering::Less => {}
            Ordering::Equal => ties.push(at),
            Ordering::Greater => return None,
        }
    }
    Some(ties)
}

/// `one < two` per row, with NULL after every value.
fn less(one: &ArrayRef, two: &ArrayRef) -> Result<BooleanBuffer, ArrowError> {
    let result = cmp::lt(one, two)?;
    let (values, nulls) = result.into_parts();
    let Some(both) = nulls else { return Ok(values) };
    let by_value = &values & both.inner();
    let valid = |array: &ArrayRef| match array.nulls() {
        Some(nulls) => nulls.inner().clone(),
        None => BooleanBuffer::new_set(array.len()),
    };
    Ok(&by_value | &(&valid(one) & &!&valid(two)))
}

/// Compares single keys of two batches.
pub struct KeyOrder(Vec<DynComparator>);

impl KeyOrder {
    /// Prepares the comparison of rows of `one` with rows of `two`.
    pub fn of(one: &[ArrayRef], two: &[ArrayRef]) -> Result<Self, ArrowError> {
        let parts = one.iter().zip(two).map(|(one, two)| make_comparator(one, two, ASCENDING));
        Ok(KeyOrder(parts.collect::<Result<_, _>>()?))
    }

    /// How row `one` of the first batch relates to row `two` of the second.
    pub fn compare(&self, one: usize, two: usize) -> Ordering {
        let unequal = self.0.iter().map(|part| part(one, two)).find(|order| order.is_ne());
        unequal.unwrap_or(Ordering::Equal)
    }
}

/// How many rows from the start satisfy a condition.
pub fn leading(rows: &BooleanBuffer) -> usize {
    if rows.count_set_bits() == rows.len() {
        return rows.len();
    }
    rows.iter().position(|set| !set).unwrap_or(rows.len())
}
