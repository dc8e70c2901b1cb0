//! The order of keys: column by column, each in the order of its canonical array, NULL last.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, DynComparator, MAX_INLINE_VIEW_LEN, make_comparator};
use arrow::buffer::BooleanBuffer;
use arrow::compute::SortOptions;
use arrow::compute::kernels::cmp;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, Int64Type, UInt64Type,
};
use arrow::error::ArrowError;

/// The sort order of canonical keys.
pub const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// Which rows of two canonical columns of the same length are equal; NULL equals NULL.
pub fn equal_rows(a: &dyn Array, b: &dyn Array) -> Result<BooleanBuffer, ArrowError> {
    Ok(cmp::not_distinct(&Borrowed(a), &Borrowed(b))?.values().clone())
}

/// A canonical column from a row on. Slicing would cost more than comparing if the runs of equal keys are short.
pub type Part<'a> = (&'a dyn Array, usize);

/// Whether `len` rows of two canonical columns are equal throughout; `false` may also mean that [`equal_rows`] has to
/// decide.
///
/// Nearly all parts of two snapshots are equal. For those, this is a single pass at memory bandwidth, while
/// [`equal_rows`] writes a result for every row.
pub fn fast_equal(a: Part, b: Part, len: usize) -> bool {
    if has_null(a, len) || has_null(b, len) || a.0.data_type() != b.0.data_type() {
        return false;
    }
    match a.0.data_type() {
        DataType::Boolean => {
            let bits = |(array, start): Part| array.as_boolean().values().slice(start, len);
            bits(a) == bits(b)
        }
        DataType::Int32 => same_values::<Int32Type>(a, b, len),
        DataType::Int64 => same_values::<Int64Type>(a, b, len),
        DataType::UInt64 => same_values::<UInt64Type>(a, b, len),
        DataType::Decimal128(..) => same_values::<Decimal128Type>(a, b, len),
        DataType::Decimal256(..) => same_values::<Decimal256Type>(a, b, len),
        DataType::Float64 => {
            let width = size_of::<f64>();
            // NaN is equal to NaN here
            let bits = |(array, start): Part<'_>| {
                array.as_primitive::<Float64Type>().values().inner().slice_with_length(start * width, len * width)
            };
            bits(a) == bits(b)
        }
        DataType::BinaryView => same_bytes(a, b, len),
        _ => false,
    }
}

/// How many rows are equal at the start of two canonical columns, of `len` rows.
pub fn leading_equal(a: Part, b: Part, len: usize) -> Result<usize, ArrowError> {
    if fast_equal(a, b, len) {
        return Ok(len);
    }
    let differing = match (a.0.data_type(), b.0.data_type()) {
        (a_type, b_type) if a_type != b_type || has_null(a, len) || has_null(b, len) => None,
        (DataType::Int32, _) => first_other::<Int32Type>(a, b, len),
        (DataType::Int64, _) => first_other::<Int64Type>(a, b, len),
        (DataType::UInt64, _) => first_other::<UInt64Type>(a, b, len),
        _ => None,
    };
    match differing {
        Some(index) => Ok(index),
        None => Ok(leading(&equal_rows(&a.0.slice(a.1, len), &b.0.slice(b.1, len))?)),
    }
}

fn has_null((array, start): Part, len: usize) -> bool {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    nulls.is_some_and(|nulls| nulls.inner().slice(start, len).count_set_bits() < len)
}

fn values<T: ArrowPrimitiveType>((array, start): Part<'_>, len: usize) -> &[T::Native] {
    &array.as_primitive::<T>().values()[start..start + len]
}

fn same_values<T: ArrowPrimitiveType>(a: Part, b: Part, len: usize) -> bool
where
    T::Native: PartialEq,
{
    values::<T>(a, len) == values::<T>(b, len)
}

fn first_other<T: ArrowPrimitiveType>(a: Part, b: Part, len: usize) -> Option<usize>
where
    T::Native: PartialEq,
{
    values::<T>(a, len).iter().zip(values::<T>(b, len)).position(|(a, b)| a != b)
}

fn same_bytes(a: Part, b: Part, len: usize) -> bool {
    let (first, second) = (a.0.as_binary_view(), b.0.as_binary_view());
    let views = first.views()[a.1..a.1 + len].iter().zip(&second.views()[b.1..b.1 + len]);
    let is_same = |(row, (x, y)): (usize, (&u128, &u128))| {
        // a short string is its view; the low half of a long one's view is its length and its first bytes
        let is_short = *x as u32 <= MAX_INLINE_VIEW_LEN;
        if is_short { x == y } else { *x as u64 == *y as u64 && first.value(a.1 + row) == second.value(b.1 + row) }
    };
    views.enumerate().all(is_same)
}

/// A borrowed array in the form that the comparison kernels require.
struct Borrowed<'a>(&'a dyn Array);

impl arrow::array::Datum for Borrowed<'_> {
    fn get(&self) -> (&dyn Array, bool) {
        (self.0, false)
    }
}

/// How each row in a batch of keys compares to the row before it.
pub struct Steps {
    /// Bit `i` is set if row `i + 1` has the key of row `i`.
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
        // a later column only matters where all columns before it are equal
        ascends = &ascends | &(&repeats & &less(&before, &after)?);
        repeats = &repeats & &equal_rows(&before, &after)?;
        if repeats.count_set_bits() == 0 {
            break;
        }
    }
    let sound = &repeats | &ascends;
    let break_at = match sound.count_set_bits() == pairs {
        true => None,
        false => (0..pairs).find(|&index| !sound.value(index)).map(|index| index + 1),
    };
    Ok(Steps { repeats, break_at })
}

/// Whether every key sorts after its predecessor; `false` may also mean that it is unknown. This is one pass over the
/// first column, and over the others only where all columns before them are equal.
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
                ties(&tied, |index| values.value(index).cmp(values.value(index + 1)))
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

fn ties_of<T: Ord>(values: &[T], indexes: &[usize]) -> Option<Vec<usize>> {
    ties(indexes, |index| values[index].cmp(&values[index + 1]))
}

/// Those of the given indexes at which a value equals the next one; `None` if a value is greater than the next one.
fn ties(indexes: &[usize], order: impl Fn(usize) -> Ordering) -> Option<Vec<usize>> {
    let mut ties = vec![];
    for &index in indexes {
        match order(index) {
            Ordering::Less => {}
            Ordering::Equal => ties.push(index),
            Ordering::Greater => return None,
        }
    }
    Some(ties)
}

/// `a < b` per row, with NULL after every value.
fn less(a: &ArrayRef, b: &ArrayRef) -> Result<BooleanBuffer, ArrowError> {
    let result = cmp::lt(a, b)?;
    let (values, nulls) = result.into_parts();
    let Some(both) = nulls else { return Ok(values) };
    let by_value = &values & both.inner();
    let valid = |array: &ArrayRef| match array.nulls() {
        Some(nulls) => nulls.inner().clone(),
        None => BooleanBuffer::new_set(array.len()),
    };
    Ok(&by_value | &(&valid(a) & &!&valid(b)))
}

/// Compares single keys of two batches.
pub struct KeyOrder(Vec<DynComparator>);

impl KeyOrder {
    /// Prepares the comparison of rows of `a` with rows of `b`.
    pub fn of(a: &[ArrayRef], b: &[ArrayRef]) -> Result<Self, ArrowError> {
        let parts = a.iter().zip(b).map(|(a, b)| make_comparator(a, b, ASCENDING));
        Ok(KeyOrder(parts.collect::<Result<_, _>>()?))
    }

    /// Compares row `a` of the first batch with row `b` of the second.
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        let unequal = self.0.iter().map(|part| part(a, b)).find(|order| order.is_ne());
        unequal.unwrap_or(Ordering::Equal)
    }
}

/// The number of set bits before the first unset one.
pub fn leading(rows: &BooleanBuffer) -> usize {
    if rows.count_set_bits() == rows.len() {
        return rows.len();
    }
    rows.iter().position(|set| !set).unwrap_or(rows.len())
}
