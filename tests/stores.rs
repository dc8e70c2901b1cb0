//! Values as stores print them, with both strategies: pairs that are equal, just equal, and unequal, and NULL.

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, DurationSecondArray, Float64Array, Int64Array, ListArray,
    StringArray, Time32SecondArray, Time64MicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Float64Type, Int64Type};

use crate::readings::{Found, bytes, decimals, millis, texts, tiers};

/// Instants in nanoseconds, from ISO 8601.
fn instants<const N: usize>(times: [&str; N]) -> TimestampNanosecondArray {
    let instant = |time: &&str| time.parse::<jiff::Timestamp>().ok().map(|time| time.as_nanosecond() as i64);
    times.iter().map(instant).collect::<TimestampNanosecondArray>().with_timezone("UTC")
}

/// Numbers with ten digits after the point.
fn tenths_of_nanoseconds<const N: usize>(numbers: [i128; N]) -> Decimal128Array {
    Decimal128Array::from_iter_values(numbers).with_precision_and_scale(38, 10).unwrap()
}

#[test]
fn timestamps_are_read_as_stores_print_them() {
    let printed = || {
        texts([
            "2020-01-01 08:00:01.000 +0800",
            "2020-01-01 00:00:01 UTC",
            "Wed, 01 Jan 2020 00:00:01 GMT",
            "2020-01-01 08:00:01 +0800 CST",
            "Wed Jan 01 00:00:01 UTC 2020",
            "2020-01-01 00:00:01.000000001 GMT",
            "2020-01-01 00:00:01.0000000001 GMT",
            "2020-01-01 08:00:01 CST",
            "NULL",
        ])
    };
    let new = || instants(["2020-01-01T00:00:01Z"; 9]);
    assert_eq!(tiers(printed(), new(), "as = \"timestamp\""), [0, 5, 0, 0, 4], "the NULL is in old alone");
    assert_eq!(tiers(new(), printed(), "as = \"timestamp\""), [0, 5, 0, 0, 4]);
    let nulls = || instants(["2020-01-01T00:00:01Z", "NULL"]);
    assert_eq!(tiers(texts(["2020-01-01 00:00:01 UTC", "NULL"]), nulls(), "as = \"timestamp\""), [1, 1, 0, 0, 0]);
    // a zone that a text contains is that of the text, whatever the zone of the others
    let rules = "as = \"timestamp\"\nassume_tz = \"Europe/Berlin\"";
    let (old, new) = (texts(["2020-01-01 00:00:01 UTC", "2020-01-01 01:00:01"]), instants(["2020-01-01T00:00:01Z"; 2]));
    assert_eq!(tiers(old, new, rules), [0, 2, 0, 0, 0]);
    let dates = Date32Array::from(vec![Some(18_262), Some(18_262), Some(18_262), None]);
    let old = texts(["2020-01-02 07:59:59.9 +0800", "2020-01-02 08:00:00 +0800", "2020-01-01 08:00:00 CST", "NULL"]);
    assert_eq!(tiers(old, dates, "as = \"date\""), [1, 0, 1, 0, 2]);
    let two = texts(["2020-01-01 00:00:01 UTC", "2020-01-01 00:00:01 UTC"]);
    let other = texts(["2020-01-01 00:00:01 UTC", "2020-01-01T00:00:01Z"]);
    assert_eq!(tiers(two, other, "as = \"timestamp\"\nassume_tz = \"UTC\""), [1, 0, 1, 0, 0]);
}

#[test]
fn numbers_are_times_in_their_unit() {
    let unit = |unit: &str| format!("as = \"timestamp\"\nunit = \"{unit}\"");
    let new = || instants(["2020-01-01T00:00:01Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "NULL"]);
    let found: Found = [1, 2, 0, 0, 1];
    for (name, factor) in [("ms", 1), ("us", 1_000), ("ns", 1_000_000)] {
        let counts = vec![Some(1_577_836_801_000 * factor), Some(-factor), Some(1), None];
        assert_eq!(tiers(Int64Array::from(counts.clone()), new(), &unit(name)), found, "{name}");
        assert_eq!(tiers(new(), Int64Array::from(counts), &unit(name)), found, "{name}");
    }
    let exact = || instants(["1970-01-01T00:00:00.000000001Z"; 3]);
    assert_eq!(tiers(tenths_of_nanoseconds([10, 11, 20]), exact(), &unit("s")), [0, 1, 0, 0, 2]);
    let floats = Float64Array::from(vec![1_577_836_801.123, -0.001, f64::NAN, f64::INFINITY]);
    let new = instants(["2020-01-01T00:00:01.123Z", "1969-12-31T23:59:59.999Z", "NULL", "NULL"]);
    assert_eq!(tiers(floats, new, &unit("s")), [0, 2, 0, 0, 2]);
    // digits are a number, and never a date without hyphens
    let old = texts(["1577836801", "2020-01-01T00:00:01Z", "20200101", "1577836801.0000000001", "NULL"]);
    let new = instants(["2020-01-01T00:00:01Z", "2020-01-01T00:00:01Z", "2020-01-01T00:00:00Z", "NULL", "NULL"]);
    assert_eq!(tiers(old, new, &unit("s")), [1, 2, 0, 0, 2]);
}

#[test]
fn numbers_are_instants_and_other_times_are_in_a_zone() {
    let rules = "as = \"timestamp\"\nunit = \"s\"\nassume_tz = \"Europe/Berlin\"";
    let walls = || millis(["2020-01-01T01:00:01", "2020-10-25T02:30:00", "2020-01-01T01:00:02"]);
    let counts = || Int64Array::from(vec![1_577_836_801, 1_603_585_800, 1_577_836_801]);
    assert_eq!(tiers(walls(), counts(), rules), [0, 1, 0, 0, 2]);
    // the hour that comes twice is either of its instants, and a second is near
    let more = format!("{rules}\neither_hour = true\ntolerance = \"1s\"");
    assert_eq!(tiers(counts(), walls(), &more), [0, 1, 1, 1, 0]);
    let days = Date32Array::from(vec![Some(0), Some(-1), Some(0), None]);
    let counts = Int64Array::from(vec![Some(86_399), Some(-1), Some(86_400), None]);
    assert_eq!(tiers(counts, days, "as = \"date\"\nunit = \"s\""), [1, 0, 2, 0, 1]);
    // numbers on both sides are compared as they are, and then by the rules
    let (old, new) = (Int64Array::from(vec![1000, 1999, 1000]), Int64Array::from(vec![1000, 1000, 2000]));
    assert_eq!(tiers(old, new, "as = \"timestamp\"\nunit = \"ms\"\ntruncate = \"second\""), [1, 0, 1, 0, 1]);
    let nulls = TimestampMillisecondArray::from(vec![None, Some(0)]).with_timezone("UTC");
    let rules = "as = \"timestamp\"\nunit = \"ms\"\ndefault_is_null = 0";
    assert_eq!(tiers(Int64Array::from(vec![0, 0]), nulls, rules), [0, 1, 1, 0, 0]);
}

#[test]
fn times_of_day_and_lengths_are_nanoseconds() {
    let rules = "as = \"time\"";
    let micros = |seconds: &[Option<i64>]| {
        Time64MicrosecondArray::from_iter(seconds.iter().map(|seconds| seconds.map(|seconds| seconds * 1_000_000)))
    };
    let said = || texts(["08:00:01.0", "08:00", "08:00:01.000000001", "24:00:00", "8:0:1", "NULL"]);
    let new = || micros(&[Some(28_801), Some(28_800), Some(28_801), Some(0), Some(28_801), None]);
    assert_eq!(tiers(said(), new(), rules), [1, 2, 0, 0, 3]);
    assert_eq!(tiers(new(), said(), rules), [1, 2, 0, 0, 3]);
    assert_eq!(tiers(said(), new(), "as = \"time\"\ntolerance = \"1ns\""), [1, 2, 0, 1, 2]);
    let lengths = DurationSecondArray::from(vec![Some(-3_020_399), Some(3_020_399), Some(3_020_400), None]);
    assert_eq!(tiers(texts(["-838:59:59", "838:59:59", "839:00:00", "NULL"]), lengths, rules), [1, 2, 0, 0, 1]);
    let (old, new) = (Time32SecondArray::from(vec![28_801, 28_800]), micros(&[Some(28_801), Some(28_801)]));
    assert_eq!(tiers(old, new, rules), [1, 0, 0, 0, 1], "times are equal by value, whatever reads them");
    assert_eq!(tiers(texts(["08:00", "08:00"]), texts(["08:00", "08:00:00"]), rules), [1, 0, 1, 0, 0]);
}

#[test]
fn arrays_are_compared_by_the_text_of_their_items() {
    let rules = "as = \"array\"";
    let (old, new) = (
        texts(["{1.50,a b,NULL}", "{NULL}", "{1,2}", "{1,2", "NULL", "{}"]),
        texts(["[1.5, \"a b\", null]", "[\"NULL\"]", "[2,1]", "{1,2", "NULL", "NULL"]),
    );
    assert_eq!(tiers(old, new, rules), [1, 0, 1, 0, 4]);
    let floats = || {
        let lists =
            [Some(vec![Some(1.5), None]), Some(vec![Some(f64::INFINITY)]), Some(vec![]), Some(vec![None]), None];
        ListArray::from_iter_primitive::<Float64Type, _, _>(lists)
    };
    let said = || texts(["{1.50,NULL}", "{Infinity}", "{}", "{}", "NULL"]);
    assert_eq!(tiers(floats(), said(), rules), [1, 0, 3, 0, 1]);
    assert_eq!(tiers(said(), floats(), rules), [1, 0, 3, 0, 1]);
    let wholes = |lists: [[i64; 2]; 2]| {
        let lists = lists.map(|items| Some(items.map(Some)));
        ListArray::from_iter_primitive::<Int64Type, _, _>(lists)
    };
    // lists of both sides are compared as they are
    assert_eq!(tiers(wholes([[1, 2], [1, 2]]), wholes([[1, 2], [2, 1]]), rules), [1, 0, 0, 0, 1]);
    let unordered = "as = \"array\"\nunordered = true";
    assert_eq!(tiers(texts(["{2,1}", "{1,1}"]), wholes([[1, 2], [1, 2]]), unordered), [0, 0, 1, 0, 1]);
    assert_eq!(tiers(wholes([[1, 2], [1, 2]]), wholes([[2, 1], [1, 1]]), unordered), [0, 0, 1, 0, 1]);
}

#[test]
fn intervals_are_months_days_and_time() {
    let rules = "as = \"interval\"";
    let old = texts(["1 year 2 mons", "1 day", "1 mon", "00:00:00.000000001", "soon", "1 day", "NULL"]);
    let new = texts(["P14M", "PT24H", "P30D", "PT0S", "soon", "1 day", "NULL"]);
    assert_eq!(tiers(old, new, rules), [2, 0, 1, 0, 4]);
    let lengths = DurationSecondArray::from(vec![Some(93_784), Some(86_400), Some(-1), None]);
    assert_eq!(tiers(texts(["26:03:04", "1 day", "-00:00:01", "NULL"]), lengths, rules), [1, 2, 0, 0, 1]);
}

#[test]
fn digits_blanks_and_bounds_are_rules() {
    let floats = Float64Array::from(vec![Some(16_777_216.0), Some(1.234_565), Some(1.234_564_9), Some(0.5), None]);
    let texts_of_floats = texts(["16777200", "1.23457", "1.23457", "0.5", "NULL"]);
    assert_eq!(tiers(floats, texts_of_floats, "as = \"decimal\"\nsignificant = 6"), [1, 1, 2, 0, 1]);
    let (old, new) = (texts(["a  b", "a b", " a", "a b", "NULL"]), texts(["a\t\u{a0}b", "a b", "a", "ab", "NULL"]));
    assert_eq!(tiers(old, new, "squeeze = true"), [2, 0, 1, 0, 2]);
    let (old, new) = (|| decimals([8_009, 8_010, 8_011, 8_000]), || decimals([8_000; 4]));
    assert_eq!(tiers(old(), new(), "tolerance = { below = 0.01 }"), [1, 0, 0, 1, 2]);
    assert_eq!(tiers(old(), new(), "tolerance = { abs = 0.01 }"), [1, 0, 0, 2, 1]);
    assert_eq!(tiers(old(), new(), "tolerance = { below = 0.01, rel = 0.00125 }"), [1, 0, 0, 2, 1]);
    let old = millis(["2020-01-01T00:00:00"; 3]);
    let new = millis(["2020-01-01T00:00:04.999", "2020-01-01T00:00:05", "2020-01-01T00:00:00"]);
    assert_eq!(tiers(old, new, "tolerance = { below = \"5s\" }"), [1, 0, 0, 1, 1]);
}

#[test]
fn bytes_are_text_in_an_encoding() {
    let stored: fn() -> BinaryArray = || bytes([b"caf\xe9", b"abc", b"\x80", b"\xc3\xa9"]);
    let new: fn() -> StringArray = || texts(["café", "abc", "€", "é"]);
    assert_eq!(tiers(stored(), new(), "as = \"text\""), [0, 2, 0, 0, 2]);
    assert_eq!(tiers(stored(), new(), "as = \"text\"\nencoding = \"utf-8\""), [0, 2, 0, 0, 2]);
    assert_eq!(tiers(stored(), new(), "as = \"text\"\nencoding = \"latin1\""), [0, 2, 0, 0, 2]);
    assert_eq!(tiers(new(), stored(), "as = \"text\"\nencoding = \"windows-1252\""), [0, 3, 0, 0, 1]);
    let nulls: ArrayRef = std::sync::Arc::new(BinaryArray::from(vec![None, Some(b"\x81".as_slice())]));
    let rules = "as = \"text\"\nencoding = \"windows-1252\"";
    assert_eq!(tiers(texts(["NULL", "\u{81}"]), nulls, rules), [1, 0, 0, 0, 1]);
}
