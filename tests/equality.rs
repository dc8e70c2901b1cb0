//! Which values are equal, type by type, without files: canonical arrays and row hashes must agree on every pair.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::*;
use countersign::sides::{Side, Sides};
use countersign::testing::canonical;
use countersign::testing::domain::{Domain, Nested, NoDomain};
use countersign::testing::order::{equal_rows, fast_equal, leading_equal};
use countersign::testing::row_hash::RowHasher;

fn domain(old: &ArrayRef, new: &ArrayRef) -> Result<Domain, NoDomain> {
    let field = |array: &ArrayRef| Field::new("c", array.data_type().clone(), true);
    let (old, new) = (field(old), field(new));
    Domain::of("c", Sides { old: &old, new: &new }, &mut |_| false, &mut Nested::default())
}

/// Which rows of two columns are equal.
fn compare(old: ArrayRef, new: ArrayRef) -> Vec<bool> {
    let domain = domain(&old, &new).unwrap();
    let old = canonical(&old, &domain, Side::Old).unwrap();
    let new = canonical(&new, &domain, Side::New).unwrap();
    assert_eq!(old.data_type(), &domain.canonical_type());
    assert_eq!(new.data_type(), &domain.canonical_type());
    let equal: Vec<bool> = equal_rows(&old, &new).unwrap().iter().collect();
    let hasher = RowHasher::new(64).unwrap();
    let hash = |column: &ArrayRef| {
        let mut hashes = vec![];
        hasher.hash(std::slice::from_ref(column), &[], &mut hashes);
        hashes
    };
    let hashed: Vec<bool> = hash(&old).iter().zip(&hash(&new)).map(|(old, new)| old == new).collect();
    assert_eq!(equal, hashed, "the row hash disagrees");
    for (row, equal) in equal.iter().enumerate() {
        let plainly = fast_equal((&old, row), (&new, row), 1);
        assert!(*equal || !plainly, "the quick look disagrees in row {row}");
        let len = old.len() - row;
        let leading = leading_equal((&old, row), (&new, row), len).unwrap();
        let rows = equal_rows(&old.slice(row, len), &new.slice(row, len)).unwrap();
        let wanted = rows.iter().take_while(|equal| *equal).count();
        assert_eq!(leading, wanted, "from row {row}");
    }
    equal
}

/// All rows are equal, in both directions.
fn same(old: impl Array + 'static, new: impl Array + 'static) {
    let (old, new): (ArrayRef, ArrayRef) = (make_array(old.to_data()), make_array(new.to_data()));
    assert!(compare(old.clone(), new.clone()).iter().all(|equal| *equal), "{old:?} {new:?}");
    assert!(compare(new, old).iter().all(|equal| *equal));
}

/// No row is equal, in either direction.
fn different(old: impl Array + 'static, new: impl Array + 'static) {
    let (old, new): (ArrayRef, ArrayRef) = (make_array(old.to_data()), make_array(new.to_data()));
    assert!(!compare(old.clone(), new.clone()).iter().any(|equal| *equal), "{old:?} {new:?}");
    assert!(!compare(new, old).iter().any(|equal| *equal));
}

fn decimal(values: Vec<Option<i128>>, precision: u8, scale: i8) -> Decimal128Array {
    Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()
}

#[test]
fn integers_of_any_width() {
    let values = || vec![Some(0), Some(1), Some(100), None];
    same(Int8Array::from(values()), Int64Array::from(vec![Some(0), Some(1), Some(100), None]));
    same(UInt8Array::from(vec![0, 255]), Int16Array::from(vec![0, 255]));
    same(UInt64Array::from(vec![7, i64::MAX as u64]), Int64Array::from(vec![7, i64::MAX]));
    same(UInt64Array::from(vec![u64::MAX]), UInt64Array::from(vec![u64::MAX]));
    same(UInt32Array::from(vec![u32::MAX]), UInt64Array::from(vec![u64::from(u32::MAX)]));
    different(UInt64Array::from(vec![u64::MAX]), Int64Array::from(vec![-1]));
    different(Int32Array::from(vec![Some(0)]), Int32Array::from(vec![None]));
}

#[test]
fn decimals_by_value() {
    same(Int32Array::from(vec![1, -5]), decimal(vec![Some(100), Some(-500)], 10, 2));
    same(decimal(vec![Some(15)], 5, 1), decimal(vec![Some(1_500)], 9, 3));
    let big = |text: &str, precision, scale| {
        cast(&StringArray::from(vec![text]), &DataType::Decimal256(precision, scale)).unwrap()
    };
    same(big("12345678901234567890.5", 60, 10), big("12345678901234567890.50", 50, 2));
    same(big("5", 76, 0), big("5.0", 76, 70));
    different(big("12345678901234567890123456789012345678901234567890", 76, 0), big("5.0", 76, 70));
    same(big("3", 40, 0), decimal(vec![Some(300)], 38, 2));
    different(decimal(vec![Some(100)], 10, 2), decimal(vec![Some(101)], 10, 2));
    same(decimal(vec![Some(3)], 5, -2), Int64Array::from(vec![300]));
    let small: ArrayRef = Arc::new(Decimal32Array::from(vec![150]).with_precision_and_scale(5, 2).unwrap());
    same(small, decimal(vec![Some(15)], 5, 1));
}

#[test]
fn floats_by_value() {
    let nan = f64::from_bits(0x7ff8_0000_0000_1234);
    same(Float64Array::from(vec![0.0, nan, 0.5]), Float64Array::from(vec![-0.0, f64::NAN, 0.5]));
    same(Float32Array::from(vec![0.5, f32::INFINITY, -0.0]), Float64Array::from(vec![0.5, f64::INFINITY, 0.0]));
    different(Float32Array::from(vec![0.1]), Float64Array::from(vec![0.1]));
    different(Float64Array::from(vec![Some(f64::NAN), Some(0.0)]), Float64Array::from(vec![None, None]));
    same(Float64Array::from(vec![0.5, -2.25, 1e15]), decimal(vec![Some(50), Some(-225), Some(10i128.pow(17))], 30, 2));
    different(Float64Array::from(vec![0.1, f64::NAN, f64::INFINITY]), decimal(vec![Some(10), Some(0), Some(0)], 30, 2));
    same(Float64Array::from(vec![Some(3.0), None]), Int64Array::from(vec![Some(3), None]));
    different(Float64Array::from(vec![9_007_199_254_740_992.0]), Int64Array::from(vec![9_007_199_254_740_993]));
    let half = cast(&Float32Array::from(vec![0.25, -4.0]), &DataType::Float16).unwrap();
    same(half, Float64Array::from(vec![0.25, -4.0]));
}

#[test]
fn text_by_its_bytes_in_any_layout() {
    let texts = vec![Some("a"), Some(""), None, Some("longer than twelve bytes"), Some("NULL")];
    let plain: ArrayRef = Arc::new(StringArray::from(texts));
    let ends = Int32Array::from(vec![2, 5]);
    let run: ArrayRef = Arc::new(
        RunArray::<Int32Type>::try_new(&ends, &StringArray::from(vec!["x", "longer than twelve bytes"])).unwrap(),
    );
    for data_type in [
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into()),
        DataType::Dictionary(DataType::UInt32.into(), DataType::LargeUtf8.into()),
    ] {
        same(plain.clone(), cast(&plain, &data_type).unwrap());
    }
    let spread = vec!["x", "x", "longer than twelve bytes", "longer than twelve bytes", "longer than twelve bytes"];
    same(run, StringViewArray::from(spread));
    // a dictionary may hold NULL as one of its values
    let keys = Int32Array::from(vec![Some(0), Some(1), None]);
    let dictionary = DictionaryArray::new(keys, Arc::new(StringArray::from(vec![Some("a"), None])));
    same(dictionary, StringArray::from(vec![Some("a"), None, None]));
    for (one, two) in [("x ", "x"), ("A", "a"), ("é", "e\u{301}"), ("", "\0"), ("a", "a\n"), ("NULL", "null")] {
        different(StringArray::from(vec![one]), StringViewArray::from(vec![two]));
    }
    different(
        StringArray::from(vec![Some(""), Some("NULL")]),
        StringArray::from(vec![None, None] as Vec<Option<&str>>),
    );
}

#[test]
fn bytes_in_any_layout() {
    let fixed = FixedSizeBinaryArray::try_from_iter([b"abcd", b"\0\0\0\0"].into_iter()).unwrap();
    same(fixed.clone(), BinaryArray::from_vec(vec![b"abcd", b"\0\0\0\0"]));
    same(fixed.clone(), LargeBinaryArray::from_vec(vec![b"abcd", b"\0\0\0\0"]));
    same(fixed, BinaryViewArray::from_iter_values([b"abcd", b"\0\0\0\0"]));
    different(BinaryArray::from_vec(vec![b"a"]), BinaryArray::from_vec(vec![b"a\0"]));
}

#[test]
fn times_by_what_they_mean() {
    let zone = "+09:00";
    same(
        TimestampMillisecondArray::from(vec![1, -1]).with_timezone("UTC"),
        TimestampNanosecondArray::from(vec![1_000_000, -1_000_000]).with_timezone(zone),
    );
    same(
        TimestampSecondArray::from(vec![253_402_300_799]),
        TimestampMicrosecondArray::from(vec![253_402_300_799_000_000]),
    );
    // a second of the year 9999 does not fit nanoseconds, and must not wrap or turn to NULL
    different(TimestampSecondArray::from(vec![253_402_300_799]), TimestampNanosecondArray::from(vec![Some(1)]));
    different(TimestampSecondArray::from(vec![i64::MAX]), TimestampNanosecondArray::from(vec![None]));
    different(TimestampMillisecondArray::from(vec![1]), TimestampMicrosecondArray::from(vec![1_001]));
    same(Date32Array::from(vec![1, -1]), Date64Array::from(vec![86_400_000, -86_400_000]));
    different(Date32Array::from(vec![1]), Date64Array::from(vec![86_400_001]));
    same(Time32SecondArray::from(vec![61]), Time64NanosecondArray::from(vec![61_000_000_000]));
    different(Time32MillisecondArray::from(vec![61]), Time64MicrosecondArray::from(vec![61_001]));
    // databases keep times of day that no day has; their numbers must not wrap
    different(Time64MicrosecondArray::from(vec![5]), Time64MicrosecondArray::from(vec![5 + (1 << 61)]));
    different(Time64MicrosecondArray::from(vec![5 + (1 << 61)]), Time64NanosecondArray::from(vec![5_000]));
    same(DurationSecondArray::from(vec![2, i64::MAX]), DurationSecondArray::from(vec![2, i64::MAX]));
    same(DurationSecondArray::from(vec![2]), DurationNanosecondArray::from(vec![2_000_000_000]));
    different(DurationSecondArray::from(vec![i64::MAX]), DurationNanosecondArray::from(vec![0]));
}

fn integers(lists: Vec<Option<Vec<Option<i32>>>>) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))
}

#[test]
fn lists_in_order_and_in_any_layout() {
    let list = integers(vec![Some(vec![Some(1), None]), None, Some(vec![Some(3), Some(4)])]);
    let item = |data_type| Arc::new(Field::new("element", data_type, true));
    for data_type in [
        DataType::LargeList(item(DataType::Int64)),
        DataType::List(item(DataType::Decimal128(12, 2))),
        DataType::ListView(item(DataType::Int32)),
        DataType::LargeListView(item(DataType::Int16)),
        DataType::FixedSizeList(item(DataType::Int32), 2),
    ] {
        same(list.clone(), cast(&list, &data_type).unwrap());
    }
    // a slice does not begin at its first offset
    same(list.slice(2, 1), integers(vec![Some(vec![Some(3), Some(4)])]));
    different(integers(vec![Some(vec![Some(1), Some(2)])]), integers(vec![Some(vec![Some(2), Some(1)])]));
    different(
        integers(vec![Some(vec![]), Some(vec![]), Some(vec![None])]),
        integers(vec![None, Some(vec![None]), Some(vec![None, None])]),
    );
    let nested = |inner: Vec<usize>, outer: Vec<usize>| {
        let inner = ListArray::new(
            item(DataType::Int32),
            OffsetBuffer::from_lengths(inner),
            Arc::new(Int32Array::from(vec![1, 2])),
            None,
        );
        ListArray::new(item(inner.data_type().clone()), OffsetBuffer::from_lengths(outer), Arc::new(inner), None)
    };
    // [[1], [2]] and [[1, 2], []]
    different(nested(vec![1, 1], vec![2]), nested(vec![2, 0], vec![2]));
}

fn pair(a: ArrayRef, b: ArrayRef, swapped: bool, nulls: Option<NullBuffer>) -> StructArray {
    let field = |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
    let mut columns = vec![(field("a", &a), a), (field("b", &b), b)];
    if swapped {
        columns.reverse();
    }
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    StructArray::new(fields.into(), columns, nulls)
}

#[test]
fn structs_by_field() {
    let text = |texts: Vec<Option<&str>>| Arc::new(StringArray::from(texts)) as ArrayRef;
    let one = pair(text(vec![Some("a,b")]), text(vec![Some("c")]), false, None);
    same(one.clone(), pair(text(vec![Some("a,b")]), text(vec![Some("c")]), true, None));
    different(one.clone(), pair(text(vec![Some("a")]), text(vec![Some("b,c")]), false, None));
    different(one, pair(text(vec![Some("c")]), text(vec![Some("a,b")]), false, None));
    let nulls = || pair(text(vec![None]), text(vec![None]), false, None);
    different(nulls(), pair(text(vec![None]), text(vec![None]), false, Some(vec![false].into())));
    let items = |structs: StructArray| {
        let item = Arc::new(Field::new("item", structs.data_type().clone(), true));
        ListArray::new(item, OffsetBuffer::from_lengths([1]), Arc::new(structs), None)
    };
    let (a, b) = (|| text(vec![Some("a")]), || Arc::new(Float64Array::from(vec![-0.0])) as ArrayRef);
    same(items(pair(a(), b(), false, None)), items(pair(a(), Arc::new(Float32Array::from(vec![0.0])), true, None)));
}

fn map(keys: Vec<&str>, values: Vec<Option<i32>>) -> MapArray {
    let entries = StructArray::from(vec![
        (Arc::new(Field::new("key", DataType::Utf8, false)), Arc::new(StringArray::from(keys)) as ArrayRef),
        (Arc::new(Field::new("value", DataType::Int32, true)), Arc::new(Int32Array::from(values)) as ArrayRef),
    ]);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, entries.len() as i32]));
    MapArray::new(field, offsets, entries, None, false)
}

#[test]
fn maps_by_key() {
    same(map(vec!["a", "b"], vec![Some(1), None]), map(vec!["b", "a"], vec![None, Some(1)]));
    different(map(vec!["a", "b"], vec![Some(1), Some(2)]), map(vec!["a", "b"], vec![Some(2), Some(1)]));
    different(map(vec!["a"], vec![Some(1)]), map(vec!["a", "a"], vec![Some(1), Some(1)]));
    different(map(vec!["a"], vec![None]), map(vec![], vec![]));
}

#[test]
fn null_columns() {
    same(NullArray::new(2), Int32Array::from(vec![None, None]));
    same(NullArray::new(2), NullArray::new(2));
    different(NullArray::new(2), StringArray::from(vec!["", "NULL"]));
    different(NullArray::new(1), BooleanArray::from(vec![false]));
}

#[test]
fn kinds_that_never_compare() {
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["1"])),
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(BinaryArray::from_vec(vec![b"1"])),
        Arc::new(Date32Array::from(vec![1])),
        Arc::new(Time32SecondArray::from(vec![1])),
        Arc::new(TimestampSecondArray::from(vec![1])),
        Arc::new(TimestampSecondArray::from(vec![1]).with_timezone("UTC")),
        Arc::new(DurationSecondArray::from(vec![1])),
        integers(vec![Some(vec![Some(1)])]),
        Arc::new(map(vec!["a"], vec![Some(1)])),
    ];
    for (at, old) in arrays.iter().enumerate() {
        for (other, new) in arrays.iter().enumerate() {
            let domain = domain(old, new);
            match at == other {
                true => assert!(domain.is_ok()),
                false => assert!(matches!(domain, Err(NoDomain::Families { .. })), "{old:?} {new:?}"),
            }
        }
    }
    let interval: ArrayRef = Arc::new(IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 2)]));
    assert_eq!(domain(&interval, &interval), Err(NoDomain::Undefined));
    let list: ArrayRef = Arc::new(ListArray::new(
        Arc::new(Field::new("item", interval.data_type().clone(), true)),
        OffsetBuffer::from_lengths([1]),
        interval,
        None,
    ));
    assert_eq!(domain(&list, &list), Err(NoDomain::Undefined), "and not inside of others either");
}

#[test]
fn what_stands_under_a_null_does_not_count() {
    let under = |value| Int64Array::new(vec![value].into(), Some(vec![false].into()));
    same(under(1), under(2));
    let bytes = |text: &str| {
        let plain = StringViewArray::from(vec![text]);
        StringViewArray::new(plain.views().clone(), plain.data_buffers().to_vec(), Some(vec![false].into()))
    };
    same(bytes("one"), bytes("a value longer than a view"));
}
